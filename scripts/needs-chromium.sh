#!/bin/bash
# Checks for Chromium, in which the tests use the dashboard and the shop's script, and on
# a Debian-like machine installs it when it is missing and this is run by root.
set -euo pipefail

[ -n "${CHROMIUM:-}" ] && exit 0
for browser in chromium chromium-browser google-chrome; do
	[ -x "/usr/bin/$browser" ] && exit 0
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "needs: Chromium is missing: install it (Debian: apt-get install chromium), or name it in CHROMIUM" >&2
	exit 2
fi
echo "needs: installing Chromium with apt-get" >&2
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >&2
