# RabbitMQ, one node. The package's wrapper changes the user when it is root; the server
# itself runs as whoever starts it.
port=$((base + 10))
scripts=/usr/lib/rabbitmq/bin
engine_install() { need $scripts/rabbitmq-server rabbitmq-server; }
engine_running() { alive "$top/rabbitmq/pid"; }
vars=(HOME="$top/rabbitmq" RABBITMQ_NODENAME="sluice-$port@localhost" RABBITMQ_MNESIA_BASE="$top/rabbitmq/mnesia" RABBITMQ_LOG_BASE="$top/rabbitmq"
	RABBITMQ_NODE_PORT="$port" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT=$((port + 1)) ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((port + 2))
	RABBITMQ_CONFIG_FILE="$top/rabbitmq/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$top/rabbitmq/advanced.config"
	RABBITMQ_ENABLED_PLUGINS_FILE="$top/rabbitmq/plugins" RABBITMQ_PID_FILE="$top/rabbitmq/erlang.pid")
engine_start() {
	cat >"$top/rabbitmq/rabbitmq.conf" <<-END
		listeners.tcp.default = 127.0.0.1:$port
		disk_free_limit.absolute = 1GB
		vm_memory_high_watermark.absolute = 1GB
	END
	echo '[].' >"$top/rabbitmq/plugins"
	launch rabbitmq env "${vars[@]}" $scripts/rabbitmq-server
	ready rabbitmq rabbit_up
}
rabbit_up() { env "${vars[@]}" $scripts/rabbitmqctl await_startup --timeout 30; }
engine_stop() {
	# The server is the child of its own shell script.
	if [ "$1" = TERM ] && engine_running; then env "${vars[@]}" $scripts/rabbitmqctl shutdown >/dev/null 2>&1 || true; fi
	if [ -s "$top/rabbitmq/erlang.pid" ]; then end "$1" "$top/rabbitmq/erlang.pid"; fi
	end "$1" "$top/rabbitmq/pid"
	# epmd is a daemon of its own that the server has started.
	ERL_EPMD_PORT=$((port + 2)) epmd -kill >/dev/null 2>&1 || true
}
engine_address() { echo "SLUICE_TEST_RABBITMQ=amqp://guest:guest@127.0.0.1:$port/"; }
