#!/bin/bash
# Runs every Go test with the race detector, with the program as it is built in
# bin/ for the tests that meet it from outside. What is fetched for the build is
# there, so no test may skip for want of it: CI=true.
# Arguments go to `go test` in place of ./...
set -euo pipefail
cd "$(dirname "$0")/.."

export CI=true
export SLUICE_BIN=${SLUICE_BIN:-$PWD/bin/sluice}
# A few kills show that the test stands; make crash is the long one.
export SLUICE_CRASH_ROUNDS=${SLUICE_CRASH_ROUNDS:-10}

scripts/needs-command.sh xmllint libxml2-utils "payment files are held against their schema with it"
scripts/needs-command.sh nginx nginx-light "what is exported to it is tested in it"
scripts/needs-command.sh haproxy haproxy "clusters are tested behind it"
go build -o bin/testreport ./scripts/testreport
# Servers that run already are somebody's, and stay.
if [[ $(scripts/engines.sh status) == *stopped* ]]; then
	trap 'scripts/engines.sh stop' EXIT
fi
scripts/engines.sh start
# go vet has been run by the linters. Tests that allow it wait for servers beside each other.
go test -race -vet=off -parallel 6 -timeout 15m -json "${@:-./...}" | bin/testreport
