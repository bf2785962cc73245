#!/bin/bash
# Installs, starts and stops the servers that Sluice grows into, for tests and for a
# look: real ones, on loopback, without containers.
#
#   scripts/engines.sh start [ENGINE…]   installs what is missing, starts what is not running
#   scripts/engines.sh stop  [ENGINE…]   stops by the pid that was noted at the start
#   scripts/engines.sh kill  ENGINE…     the same with SIGKILL, as a crash does
#   scripts/engines.sh status            a line for each
#
# Without names it is all of them: redis redis-sentinel redis-cluster rabbitmq kafka postgres
# clickhouse clickhouse-cluster. Only when they are named: kafka-cluster rabbitmq-cluster.
# `start` writes the addresses to bin/engines.env, where the tests find them. Data
# and logs are below SLUICE_ENGINES_DIR (default: /tmp/sluice-engines) and are made anew at
# a start after `stop`, unless SLUICE_ENGINES_KEEP=1. Ports count from SLUICE_ENGINES_PORT
# (default 21000). Whatever is forgotten ends by itself after SLUICE_ENGINES_HOURS (default 4).
#
# Packages come from Debian (by root), Kafka's jars from Maven Central.
set -euo pipefail
cd "$(dirname "$0")/.."

all=(redis redis-sentinel redis-cluster rabbitmq kafka postgres clickhouse clickhouse-cluster)
top=${SLUICE_ENGINES_DIR:-${TMPDIR:-/tmp}/sluice-engines}
base=${SLUICE_ENGINES_PORT:-21000}
hours=${SLUICE_ENGINES_HOURS:-4}
env_file=${SLUICE_ENGINES_ENV:-bin/engines.env}

say() { echo "engines: $*" >&2; }
fail() {
	say "$*"
	exit 2
}

# need COMMAND PACKAGE: installs a package for a command that is missing.
need() { scripts/needs-command.sh "$1" "$2" "$name is run with it"; }

# alive PIDFILE: whether the process that was noted runs.
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

# launch NAME COMMAND…: runs a server that outlives this script, with its output in a
# log, and notes its pid. It is ended after some hours.
launch() {
	local name=$1 server=
	shift
	setsid timeout --foreground -k 10 "${hours}h" "$@" >>"$top/$name/log" 2>&1 </dev/null &
	local waiter=$!
	for _ in $(seq 100); do
		# Its child; the program that waits for it is not the one to be signalled.
		read -r server _ 2>/dev/null <"/proc/$waiter/task/$waiter/children" || true
		[ -z "$server" ] || break
		kill -0 "$waiter" 2>/dev/null || break
		sleep 0.02
	done
	[ -n "$server" ] || { tail -n 20 "$top/$name/log" >&2; fail "$name did not start"; }
	echo "$server" >"$top/$name/pid"
}

# ready NAME COMMAND…: waits until the command succeeds, a minute at most.
ready() {
	local name=$1
	shift
	for _ in $(seq 600); do
		if "$@" >/dev/null 2>&1; then return; fi
		alive "$top/$name/pid" || { tail -n 20 "$top/$name/log" >&2; fail "$name ended at its start; its log is $top/$name/log"; }
		sleep 0.1
	done
	tail -n 20 "$top/$name/log" >&2
	fail "$name did not answer within a minute; its log is $top/$name/log"
}

# end SIGNAL PIDFILE: ends a process and waits for it.
end() {
	alive "$2" || { rm -f "$2"; return 0; }
	local pid
	pid=$(cat "$2")
	kill -"$1" "$pid" 2>/dev/null || true
	for _ in $(seq 300); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if kill -0 "$pid" 2>/dev/null; then kill -KILL "$pid" || true; fi
	rm -f "$2"
}

# Each engine is a file with: engine_install, engine_start (idempotent), engine_stop SIGNAL,
# engine_running, engine_address (NAME=ADDRESS lines for the tests).
with() {
	local name=$1
	shift
	[ -f "scripts/engines/$name.sh" ] || fail "there is no engine $name; there are: ${all[*]}"
	(
		# shellcheck source=/dev/null
		. "scripts/engines/$name.sh"
		"$@"
	)
}

start_one() {
	engine_install
	if ! engine_running; then
		[ -n "${SLUICE_ENGINES_KEEP:-}" ] || rm -rf "${top:?}/$name"
		mkdir -p "$top/$name"
		local began=$SECONDS
		engine_start
		say "$name is running ($((SECONDS - began)) s)"
	fi
	engine_address
}

start() {
	mkdir -p "$top" bin
	chmod 755 "$top"
	# Installing is one after the other, starting is together.
	local name
	for name in "$@"; do with "$name" engine_install; done
	local jobs=() out
	out=$(mktemp -d)
	for name in "$@"; do
		with "$name" start_one >"$out/$name" &
		jobs+=($!)
	done
	local failed=0 job
	for job in "${jobs[@]}"; do wait "$job" || failed=1; done
	[ -f "$env_file" ] || touch "$env_file"
	cat "$out"/* | while IFS='=' read -r key value; do
		sed -i "/^$key=/d" "$env_file"
		echo "$key=$value" >>"$env_file"
	done
	rm -rf "$out"
	return $failed
}

stop_one() { engine_stop "$1"; }

forget() { # its address
	[ -f "$env_file" ] || return 0
	local key
	for key in $(engine_address | cut -d= -f1); do sed -i "/^$key=/d" "$env_file"; done
}

status_one() {
	if engine_running; then echo "$name: running"; else echo "$name: stopped"; fi
}

verb=${1:-}
[ $# -gt 0 ] && shift
names=("$@")
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")
case $verb in
start) start "${names[@]}" ;;
stop) for name in "${names[@]}"; do
	with "$name" stop_one TERM
	with "$name" forget
done ;;
kill)
	[ $# -gt 0 ] || fail "name the engines to kill: ${all[*]}"
	for name in "${names[@]}"; do with "$name" stop_one KILL; done
	;;
status) for name in "${names[@]}"; do with "$name" status_one; done ;;
*) sed -n '2,18s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
