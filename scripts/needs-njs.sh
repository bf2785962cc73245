#!/bin/bash
# Checks for njs, in which the CloudFront Function is run, and on a Debian-like machine installs
# it when it is missing and this is run by root.
set -euo pipefail

command -v njs >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "needs: njs is missing: install it (Debian: apt-get install njs)" >&2
	exit 2
fi
echo "needs: installing njs with apt-get" >&2
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends njs >&2
