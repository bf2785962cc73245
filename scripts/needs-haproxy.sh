#!/bin/bash
# Checks for HAProxy, behind which clusters are tested, and on a Debian-like machine installs it
# when it is missing and this is run by root.
set -euo pipefail

command -v haproxy >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "needs: haproxy is missing: install it (Debian: apt-get install haproxy)" >&2
	exit 2
fi
echo "needs: installing haproxy with apt-get" >&2
# Debian starts what it installs, unless it is told not to.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends haproxy >&2
