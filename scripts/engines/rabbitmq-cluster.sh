# RabbitMQ with three nodes in one cluster.
# shellcheck source=scripts/engines/rabbitmq.sh
. scripts/engines/rabbitmq.sh
first=$((base + 84))
epmd=$((first + 6))
ports() { seq "$first" 2 $((first + 4)); }
engine_running() {
	local port
	for port in $(ports); do alive "$top/rabbitmq-cluster/$port/pid" || return 1; done
	alive "$top/rabbitmq-cluster/epmd/pid"
}
engine_start() {
	local port new=
	rabbit_epmd rabbitmq-cluster
	# They are to have the same secret.
	if [ ! -e "$top/rabbitmq-cluster/.erlang.cookie" ]; then
		(umask 077 && head -c 15 /dev/urandom | base64 >"$top/rabbitmq-cluster/.erlang.cookie")
		new=yes
	fi
	for port in $(ports); do
		mkdir -p "$top/rabbitmq-cluster/$port"
		alive "$top/rabbitmq-cluster/$port/pid" || rabbit_start "rabbitmq-cluster/$port" "$port" "$(cluster)"
		# The first makes the cluster and the others join it.
		if [ -n "$new" ]; then ready "rabbitmq-cluster/$port" rabbit_up "$port"; fi
		new=
	done
	for port in $(ports); do ready "rabbitmq-cluster/$port" rabbit_up "$port"; done
}
# cluster is what a node has to know of the others. One that is silent counts as gone after
# 8 s, of which RabbitMQ gives it 60.
cluster() {
	local port number=1
	echo 'cluster_formation.peer_discovery_backend = classic_config'
	for port in $(ports); do
		echo "cluster_formation.classic_config.nodes.$number = $(rabbit_name "$port")"
		number=$((number + 1))
	done
	echo 'cluster_partition_handling = pause_minority'
	echo 'net_ticktime = 8'
}
engine_stop() {
	local port
	for port in $(ports); do end "$1" "$top/rabbitmq-cluster/$port/pid"; done
	end KILL "$top/rabbitmq-cluster/epmd/pid"
}
engine_address() { echo "SLUICE_TEST_RABBITMQ_CLUSTER=$(ports | sed 's|.*|amqp://guest:guest@127.0.0.1:&/|' | paste -sd,)"; }
