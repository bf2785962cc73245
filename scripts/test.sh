#!/bin/bash
# What a change must pass: lint, the Go tests with the race detector, the
# contract suites against every engine, the real program from outside, and the
# dashboard's own tests. Every step is run once and timed. Where something cannot
# be built, the run ends; a check that fails lets the others have their say.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
	local name=$1 began=$SECONDS
	shift
	echo "== $name"
	if ! "$@"; then
		echo "== $name: FAILED after $((SECONDS - began)) s; run it alone: $*" >&2
		return 1
	fi
	echo "== $name: $((SECONDS - began)) s"
}

failed=()
check() { step "$@" || failed+=("$1"); }

step "what the build needs" make needs
echo "   $(go version | cut -d ' ' -f 3-), Node.js $(node --version), npm $(npm --version), $(gcc --version | head -n 1)"
echo "   $(uname -sm), $(nproc) processors, $(date -u '+%Y-%m-%d %H:%M:%S') UTC, version $(git describe --tags --always --dirty 2>/dev/null || echo unknown)"
step "country and network data" make geo
step "dashboard" make dashboard
step "worker of the edge" make edge
# The linters find in the build cache what this compiles.
step "program" make binary
check "lint" make lint
check "Go tests" make test-go
check "dashboard tests" make test-web
check "tests of the edge in workerd" make test-edge

if [ ${#failed[@]} -gt 0 ]; then
	(
		IFS=,
		echo "== FAILED after $SECONDS s: ${failed[*]}" >&2
	)
	exit 1
fi
echo "== all passed: $SECONDS s"
