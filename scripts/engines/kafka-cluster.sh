# Three brokers of Kafka, as a cluster that loses one and goes on. It is not started with all
# engines: only one test needs it, and starts its own.
# shellcheck source=scripts/engines/kafka.sh
. scripts/engines/kafka.sh
first=$((base + 42)) # to base + 44; the controllers are three behind their brokers
ports() { seq "$first" $((first + 2)); }
engine_running() {
	local port
	for port in $(ports); do alive "$top/kafka-cluster/$port/pid" || return 1; done
}
engine_start() {
	local port voters=()
	for port in $(ports); do voters+=("$((port - first + 1))@127.0.0.1:$((port + 3))"); done
	for port in $(ports); do
		# A broker that is silent is replaced after 4 s, not 9, and java begins sooner when it
		# compiles less, so that tests wait less.
		alive "$top/kafka-cluster/$port/pid" || kafka_start "kafka-cluster/$port" $((port - first + 1)) "$port" $((port + 3)) \
			"$(IFS=, && echo "${voters[*]}")" "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1" 3 2 \
			default.replication.factor=3 min.insync.replicas=2 broker.session.timeout.ms=4000 broker.heartbeat.interval.ms=1000
	done
	for port in $(ports); do ready "kafka-cluster/$port" kafka_listens "$port"; done
	sleep 1
}
engine_stop() {
	local port
	# Each waits for the others to take over what it leads, so all are told before one is waited for.
	for port in $(ports); do end "$1" "$top/kafka-cluster/$port/pid" & done
	wait
}
engine_address() { echo "SLUICE_TEST_KAFKA_CLUSTER=kafka://$(ports | sed 's/^/127.0.0.1:/' | paste -sd,)"; }
