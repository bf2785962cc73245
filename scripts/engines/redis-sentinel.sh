# A Redis with a replica, and three sentinels that make the one the other when it fails.
ports() { seq $((base + 50)) $((base + 54)); }
first=$((base + 50))
engine_install() { need redis-server redis-server; need redis-cli redis-tools; }
engine_running() {
	local port
	for port in $(ports); do alive "$top/redis-sentinel/$port/pid" || return 1; done
}
engine_start() {
	local port dir
	for port in $(ports); do
		dir=$top/redis-sentinel/$port
		alive "$dir/pid" && continue
		mkdir -p "$dir"
		case $((port - first)) in
		0) launch "redis-sentinel/$port" redis-server --port "$port" --bind 127.0.0.1 --dir "$dir" --save "" --appendonly yes ;;
		1) launch "redis-sentinel/$port" redis-server --port "$port" --bind 127.0.0.1 --dir "$dir" --save "" --appendonly yes --replicaof 127.0.0.1 "$first" ;;
		*)
			# The sentinel writes down in its file what it learns.
			[ -f "$dir/sentinel.conf" ] || cat >"$dir/sentinel.conf" <<-END
				port $port
				bind 127.0.0.1
				dir $dir
				sentinel monitor sluice 127.0.0.1 $first 2
				sentinel down-after-milliseconds sluice 2000
				sentinel failover-timeout sluice 10000
			END
			launch "redis-sentinel/$port" redis-server "$dir/sentinel.conf" --sentinel
			;;
		esac
	done
	for port in $(ports); do ready "redis-sentinel/$port" redis-cli -p "$port" ping; done
	ready "redis-sentinel/$((first + 2))" knows_replica
}
knows_replica() { redis-cli -p $((first + 2)) sentinel replicas sluice | grep -q "$((first + 1))"; }
engine_stop() {
	local port
	for port in $(ports); do end "$1" "$top/redis-sentinel/$port/pid"; done
}
engine_address() { echo "SLUICE_TEST_REDIS_SENTINEL=redis-sentinel://127.0.0.1:$((first + 2)),127.0.0.1:$((first + 3)),127.0.0.1:$((first + 4))/sluice"; }
