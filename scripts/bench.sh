#!/bin/bash
# Measures what the project promises, on the program as it is built in bin/. It
# prints a table, leaves every sample in bin/bench.json and fails only when
# something could not be measured: timings are never a test.
# BENCH_SHORT=1 takes smaller numbers and about two minutes, BENCH_ROUNDS=3 measures
# everything three times, BENCH_DIR=/var/tmp puts the temporary data (up to 10 GB) there.
# Arguments go to the measuring program: scripts/bench.sh -only nginx,latency -turns 9
# The part "large", ten million links, runs only when it is named.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(uname -s)" = Linux ] || {
	echo "bench: this needs Linux, whose /proc tells what a process takes" >&2
	exit 2
}

# nginx is needed unless the parts were named and those with it are not among them.
case " $* " in
*" -only "*nginx* | *" -only "*latency* | *" -only="*nginx* | *" -only="*latency*) scripts/needs-command.sh nginx nginx-light "or measure without it: scripts/bench.sh -only links,clicks" ;;
*" -only"*) ;;
*) scripts/needs-command.sh nginx nginx-light "or measure without it: scripts/bench.sh -only links,clicks" ;;
esac

dir=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/sluice-bench-XXXXXX")
measuring=
# What was started is ended, by its number, and what was written is removed,
# whatever ends this script.
tidy() {
	if [ -n "$measuring" ]; then
		kill "$measuring" 2>/dev/null || true
		wait "$measuring" 2>/dev/null || true
	fi
	rm -rf "$dir"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ -x bin/sluice ] || go build -o bin/sluice ./cmd/sluice
go build -o "$dir/bench" ./test/bench
go build -o "$dir/visitors" ./test/load/visitors
options=(-program "$PWD/bin/sluice" -visitors "$dir/visitors" -out "$PWD/bin/bench.json" -dir "$dir" -rounds "${BENCH_ROUNDS:-1}")
if [ "${BENCH_SHORT:-}" = 1 ]; then
	options+=(-short)
fi
"$dir/bench" "${options[@]}" "$@" &
measuring=$!
status=0
wait "$measuring" || status=$?
measuring=
exit "$status"
