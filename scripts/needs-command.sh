#!/bin/bash
# needs-command.sh COMMAND PACKAGE WHY: checks for a program that tests or builds call, by its name
# or as a file, and on a Debian-like machine installs it when it is missing and this is run by root.
# Nothing is started.
set -euo pipefail

command=$1 package=$2 why=$3
if command -v "$command" >/dev/null || [ -f "$command" ] || [ -x "/usr/sbin/$command" ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "needs: $command is missing: install it (Debian: apt-get install $package); $why" >&2
	exit 2
fi
echo "needs: installing $package with apt-get" >&2
# Debian starts what it installs, unless it is told not to.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
if ! said=$(apt-get install -qq -y --no-install-recommends "$package" 2>&1); then
	echo "$said" >&2
	echo "needs: $package could not be installed; $why" >&2
	exit 2
fi
