# RabbitMQ, one node. The package's wrapper changes the user when it is root; the server
# itself runs as whoever starts it.
port=$((base + 10))
epmd=$((port + 2))
scripts=/usr/lib/rabbitmq/bin
engine_install() { need $scripts/rabbitmq-server rabbitmq-server; }
engine_running() { alive "$top/rabbitmq/pid"; }
engine_start() {
	rabbit_epmd rabbitmq
	rabbit_start rabbitmq "$port" ""
	ready rabbitmq rabbit_up "$port"
}
engine_stop() {
	end "$1" "$top/rabbitmq/pid"
	end KILL "$top/rabbitmq/epmd/pid"
}
engine_address() { echo "SLUICE_TEST_RABBITMQ=amqp://guest:guest@127.0.0.1:$port/"; }

# rabbit_epmd ENGINE: the daemon by which nodes find each other, on $epmd. A node would start
# one of its own that nobody ends.
rabbit_epmd() {
	alive "$top/$1/epmd/pid" && return
	mkdir -p "$top/$1/epmd"
	launch "$1/epmd" epmd -address 127.0.0.1 -port "$epmd"
	ready "$1/epmd" epmd -port "$epmd" -names
}
# rabbit_start NAME PORT MORE: a node in $top/NAME, on PORT and, for other nodes, on the one
# after it; MORE is what else its configuration says. NAME/rabbitmqctl asks it.
rabbit_start() {
	local dir=$top/$1
	# It is to become the server, and not to be the shell that waits for it.
	local vars=(RUNNING_UNDER_SYSTEMD=yes HOME="$top/${1%%/*}" RABBITMQ_NODENAME="$(rabbit_name "$2")" RABBITMQ_MNESIA_BASE="$dir/mnesia" RABBITMQ_LOG_BASE="$dir"
		RABBITMQ_NODE_PORT="$2" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT=$(($2 + 1)) ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd"
		RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$dir/advanced.config" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/plugins")
	cat >"$dir/rabbitmq.conf" <<-END
		listeners.tcp.default = 127.0.0.1:$2
		disk_free_limit.absolute = 1GB
		vm_memory_high_watermark.absolute = 1GB
		$3
	END
	echo '[].' >"$dir/plugins"
	printf '#!/bin/bash\nexec env %s %s "$@"\n' "${vars[*]@Q}" "$scripts/rabbitmqctl" >"$dir/rabbitmqctl"
	chmod 755 "$dir/rabbitmqctl"
	# What it writes when it crashes goes to where it is.
	launch "$1" env -C "$dir" "${vars[@]}" $scripts/rabbitmq-server
}
rabbit_name() { echo "sluice-$1@localhost"; }
# A node listens when it is ready.
rabbit_up() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
