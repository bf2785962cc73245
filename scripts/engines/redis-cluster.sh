# Three masters of Redis Cluster, each with a replica.
ports() { seq $((base + 1)) $((base + 6)); }
engine_install() { need redis-server redis-server; need redis-cli redis-tools; }
engine_running() {
	local port
	for port in $(ports); do alive "$top/redis-cluster/$port/pid" || return 1; done
}
engine_start() {
	local port nodes=() made=
	for port in $(ports); do
		nodes+=("127.0.0.1:$port")
		alive "$top/redis-cluster/$port/pid" && continue
		mkdir -p "$top/redis-cluster/$port"
		[ -f "$top/redis-cluster/$port/nodes.conf" ] && made=1
		launch "redis-cluster/$port" redis-server --port "$port" --bind 127.0.0.1 --dir "$top/redis-cluster/$port" --save "" --appendonly yes \
			--cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 3000
	done
	for port in $(ports); do ready "redis-cluster/$port" redis-cli -p "$port" ping; done
	[ -n "$made" ] || redis-cli --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >"$top/redis-cluster/create.log"
	ready "redis-cluster/$((base + 1))" cluster_ok
}
cluster_ok() {
	local port
	for port in $(ports); do redis-cli -p "$port" cluster info | grep -q '^cluster_state:ok' || return 1; done
}
engine_stop() {
	local port
	for port in $(ports); do end "$1" "$top/redis-cluster/$port/pid"; done
}
engine_address() { echo "SLUICE_TEST_REDIS_CLUSTER=redis-cluster://$(ports | sed 's/^/127.0.0.1:/' | paste -sd,)"; }
