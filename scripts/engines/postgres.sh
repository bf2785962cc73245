# PostgreSQL. It refuses to be run by root, who lends it the user of the package.
port=$((base + 20))
postgres_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }
engine_install() { [ -n "$(postgres_bin)" ] || need postgres postgresql; }
engine_running() { alive "$top/postgres/pid"; }
as_postgres() {
	if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}
engine_start() {
	local dir=$top/postgres
	if [ ! -d "$dir/data" ]; then
		mkdir -p "$dir/data" && chmod 700 "$dir/data"
		if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$dir/data"; fi
		(cd "$dir/data" && as_postgres "$(postgres_bin)/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-instructions >"$dir/initdb.log" 2>&1) ||
			{ tail -n 20 "$dir/initdb.log" >&2; fail "PostgreSQL's folder could not be made"; }
	fi
	# The server is a child of setpriv no more: setpriv becomes it.
	local run=("$(postgres_bin)/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200)
	if [ "$(id -u)" = 0 ]; then run=(setpriv --reuid=postgres --regid=postgres --clear-groups "${run[@]}"); fi
	launch postgres "${run[@]}"
	ready postgres "$(postgres_bin)/pg_isready" -h 127.0.0.1 -p "$port"
}
engine_stop() {
	local signal=$1
	[ "$signal" != TERM ] || signal=INT # PostgreSQL's word for: end now, in order
	end "$signal" "$top/postgres/pid"
}
engine_address() { echo "SLUICE_TEST_POSTGRES=postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"; }
