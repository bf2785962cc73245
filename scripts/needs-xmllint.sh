#!/bin/bash
# Checks for xmllint, with which the tests hold payment files against their schema, and
# on a Debian-like machine installs it when it is missing and this is run by root.
set -euo pipefail

command -v xmllint >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "needs: xmllint is missing: install it (Debian: apt-get install libxml2-utils); no test of payment files passes without it" >&2
	exit 2
fi
echo "needs: installing xmllint with apt-get" >&2
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends libxml2-utils >&2
