#!/bin/bash
# Checks for the programs that the build needs, and on a Debian-like machine
# installs the C and C++ compilers when they are missing and it is run by root.
# SQLite and DuckDB are C and C++; everything else comes with Go and Node.js.
set -euo pipefail

missing() {
	echo "needs: $1 is missing: $2" >&2
	exit 2
}

# at_least WANTED HAD: compares versions such as 1.26 and 1.26.8.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

command -v go >/dev/null || missing "Go" "install Go 1.26 or later from https://go.dev/dl/"
go_version=$(go env GOVERSION)
at_least 1.26 "${go_version#go}" || missing "Go 1.26" "this is ${go_version}; install a later one from https://go.dev/dl/"
command -v node >/dev/null || missing "Node.js" "install version 20.19 or later from https://nodejs.org/"
command -v npm >/dev/null || missing "npm" "install it together with Node.js 20.19 or later"
node_version=$(node --version)
at_least 20.19 "${node_version#v}" || missing "Node.js 20.19" "this is ${node_version}; install a later one from https://nodejs.org/"

if ! command -v gcc >/dev/null || ! command -v g++ >/dev/null; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		missing "a C and C++ compiler" "install gcc and g++ (Debian: apt-get install gcc g++ libc6-dev)"
	fi
	echo "needs: installing gcc and g++ with apt-get" >&2
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends gcc g++ libc6-dev >&2
fi
