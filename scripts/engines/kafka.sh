# Kafka in KRaft mode, broker and controller in one process, from its published jars.
port=$((base + 40))
jars=${XDG_CACHE_HOME:-$HOME/.cache}/sluice/kafka
engine_install() {
	need java default-jre-headless
	[ -f "$jars/complete" ] && cmp -s scripts/engines/kafka.xml "$jars/complete" && return
	need mvn maven
	say "fetching Kafka's jars with Maven"
	rm -rf "$jars"
	mkdir -p "$jars"
	mvn -q -B -f scripts/engines/kafka.xml dependency:copy-dependencies -DoutputDirectory="$jars" >&2 || fail "Kafka's jars could not be fetched"
	cp scripts/engines/kafka.xml "$jars/complete"
}
engine_running() { alive "$top/kafka/pid"; }
engine_start() {
	local dir=$top/kafka
	cat >"$dir/server.properties" <<-END
		process.roles=broker,controller
		node.id=1
		controller.quorum.bootstrap.servers=127.0.0.1:$((port + 1))
		listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
		advertised.listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
		controller.listener.names=CONTROLLER
		log.dirs=$dir/data
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=4
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		group.initial.rebalance.delay.ms=0
		auto.create.topics.enable=false
		log.retention.check.interval.ms=2000
		log.segment.delete.delay.ms=500
	END
	[ -d "$dir/data" ] || java -Xmx128m -cp "$jars/*" kafka.tools.StorageTool format --standalone -t "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')" \
		-c "$dir/server.properties" >>"$dir/log" 2>&1 || { tail -n 20 "$dir/log" >&2; fail "Kafka's folder could not be made"; }
	launch kafka java -Xms256m -Xmx512m -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError -Dlog4j2.level=WARN -cp "$jars/*" kafka.Kafka "$dir/server.properties"
	ready kafka kafka_up
}
kafka_up() { (exec 3<>"/dev/tcp/127.0.0.1/$port") && sleep 1; }
engine_stop() { end "$1" "$top/kafka/pid"; }
engine_address() { echo "SLUICE_TEST_KAFKA=kafka://127.0.0.1:$port"; }
