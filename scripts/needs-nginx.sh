#!/bin/bash
# Checks for nginx, beside which the redirect is measured, and on a Debian-like
# machine installs it when it is missing and this is run by root. It is not started.
set -euo pipefail

command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "needs: nginx is missing: install it (Debian: apt-get install nginx-light), or measure without it: scripts/bench.sh -only links,clicks" >&2
	exit 2
fi
echo "needs: installing nginx with apt-get" >&2
# Debian starts what it installs, unless it is told not to.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
apt-get install -qq -y --no-install-recommends nginx-light >&2 || apt-get install -qq -y --no-install-recommends nginx >&2
