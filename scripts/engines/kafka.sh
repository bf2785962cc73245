# Kafka, one broker, from its published jars. The ports up to base + 41 are its own, those
# from base + 42 to base + 47 are kafka-cluster's.
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
	kafka_start kafka 1 "$port" $((port + 1)) "1@127.0.0.1:$((port + 1))" "-Xms256m -Xmx512m -XX:+UseG1GC" 1 1
	ready kafka kafka_up "$port"
}
engine_stop() { end "$1" "$top/kafka/pid"; }
engine_address() { echo "SLUICE_TEST_KAFKA=kafka://127.0.0.1:$port"; }

# kafka_start NAME ID PORT CONTROLLER VOTERS JAVA COPIES IN_SYNC [SETTING…]: a broker that is
# a controller as well (KRaft), in $top/NAME, on PORT and CONTROLLER. VOTERS are all controllers, as
# ID@HOST:PORT; JAVA is what java is told; of Kafka's own topics there are COPIES, of which
# IN_SYNC have to be there.
kafka_start() {
	local name=$1 id=$2 at=$3 controller=$4 voters=$5 copies=$7 in_sync=$8 dir=$top/$1 java
	read -ra java <<<"$6"
	shift 8
	mkdir -p "$dir"
	cat >"$dir/server.properties" <<-END
		process.roles=broker,controller
		node.id=$id
		controller.quorum.voters=$voters
		listeners=PLAINTEXT://127.0.0.1:$at,CONTROLLER://127.0.0.1:$controller
		advertised.listeners=PLAINTEXT://127.0.0.1:$at,CONTROLLER://127.0.0.1:$controller
		controller.listener.names=CONTROLLER
		log.dirs=$dir/data
		offsets.topic.replication.factor=$copies
		offsets.topic.num.partitions=4
		transaction.state.log.replication.factor=$copies
		transaction.state.log.min.isr=$in_sync
		share.coordinator.state.topic.replication.factor=$copies
		share.coordinator.state.topic.min.isr=$in_sync
		group.initial.rebalance.delay.ms=0
		auto.create.topics.enable=false
		log.retention.check.interval.ms=2000
		log.segment.delete.delay.ms=500
	END
	[ $# -eq 0 ] || printf '%s\n' "$@" >>"$dir/server.properties"
	# The id is the same for all brokers of a cluster: 16 bytes in base64.
	[ -d "$dir/data" ] || java -Xmx128m -XX:TieredStopAtLevel=1 -cp "$jars/*" kafka.tools.StorageTool format -t c2x1aWNlLWNsdXN0ZXItMQ \
		-c "$dir/server.properties" >>"$dir/log" 2>&1 || { tail -n 20 "$dir/log" >&2; fail "Kafka's folder could not be made"; }
	launch "$name" java "${java[@]}" -XX:+ExitOnOutOfMemoryError -Dlog4j2.level=WARN -cp "$jars/*" kafka.Kafka "$dir/server.properties"
}
kafka_up() { kafka_listens "$1" && sleep 1; }
kafka_listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
