#!/bin/bash
# Checks the Go sources. All checks are run before it fails, so that one run
# shows everything. The tools are pinned in tools/go.mod.
set -uo pipefail
cd "$(dirname "$0")/.."

faults=0
# check NAME COMMAND…: the command prints nothing and succeeds, or has found something.
check() {
	local name=$1 said
	shift
	if ! said=$("$@" 2>&1) || [ -n "$said" ]; then
		printf 'lint: %s:\n%s\n' "$name" "$said" >&2
		faults=$((faults + 1))
	fi
}

# Go tells on standard error what it downloads, which is no finding.
if ! downloads=$(go mod download 2>&1 && go mod download -modfile=tools/go.mod 2>&1); then
	printf 'lint: the modules cannot be had:\n%s\n' "$downloads" >&2
	exit 1
fi

tool() { go tool -modfile=tools/go.mod "$@"; }

check "gofmt (run: make fmt)" gofmt -l cmd internal test scripts
check "go vet" go vet ./...
check "staticcheck" tool staticcheck ./...
# errcheck.txt: closing the body of an answer that was read tells nothing.
check "errcheck (handle the error, or write _ =)" tool errcheck -exclude scripts/errcheck.txt ./...
check "ineffassign" tool ineffassign ./...
exit $((faults > 0))
