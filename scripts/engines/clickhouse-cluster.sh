# ClickHouse with two shards of two replicas each, and the ZooKeeper that they need.
# shellcheck source=scripts/engines/clickhouse.sh
. scripts/engines/clickhouse.sh
first=$((base + 60))
keeper=$((first + 20))
jar=/usr/share/java/zookeeper.jar
ports() { seq "$first" 5 $((first + 15)); }
engine_install() {
	need /usr/sbin/clickhouse-server clickhouse-server
	need clickhouse-client clickhouse-client
	need java default-jre-headless
	need "$jar" libzookeeper-java
}
engine_running() {
	local port
	for port in $(ports); do alive "$top/clickhouse-cluster/$port/pid" || return 1; done
	alive "$top/clickhouse-cluster/zookeeper/pid"
}
engine_start() {
	local port place=0
	zookeeper_start
	for port in $(ports); do
		mkdir -p "$top/clickhouse-cluster/$port"
		alive "$top/clickhouse-cluster/$port/pid" || clickhouse_start "clickhouse-cluster/$port" "$port" "$(cluster "$port" $((place / 2 + 1)) $((place % 2 + 1)))"
		place=$((place + 1))
	done
	for port in $(ports); do clickhouse_ready "clickhouse-cluster/$port" "$port"; done
}
zookeeper_start() {
	local dir=$top/clickhouse-cluster/zookeeper
	alive "$dir/pid" && return
	mkdir -p "$dir"
	cat >"$dir/zoo.cfg" <<-END
		dataDir=$dir/data
		clientPort=$keeper
		clientPortAddress=127.0.0.1
		admin.enableServer=false
		maxClientCnxns=0
		4lw.commands.whitelist=srvr
	END
	# What it keeps need not outlive the machine, so it does not wait for the disk.
	launch clickhouse-cluster/zookeeper java -Xmx256m -Dzookeeper.forceSync=no -cp "$jar" org.apache.zookeeper.server.ZooKeeperServerMain "$dir/zoo.cfg"
	ready clickhouse-cluster/zookeeper zookeeper_up
}
# Before it serves it says that it is not serving, and 18.16 ends at the first statement for all servers.
zookeeper_up() { (exec 3<>"/dev/tcp/127.0.0.1/$keeper" && echo srvr >&3 && timeout 2 grep -q ^Mode <&3); }

# cluster PORT SHARD REPLICA: what a server has to know of the others.
cluster() {
	local at shards=()
	for at in $(ports); do shards+=("<replica><host>127.0.0.1</host><port>$at</port></replica>"); done
	echo "<zookeeper><node><host>127.0.0.1</host><port>$keeper</port></node></zookeeper>
		<macros><shard>$2</shard><replica>$3</replica></macros>
		<distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
		<remote_servers><main>
			<shard><internal_replication>true</internal_replication>${shards[0]}${shards[1]}</shard>
			<shard><internal_replication>true</internal_replication>${shards[2]}${shards[3]}</shard>
		</main></remote_servers>"
}
engine_stop() {
	local port
	for port in $(ports); do end "$1" "$top/clickhouse-cluster/$port/pid"; done
	end "$1" "$top/clickhouse-cluster/zookeeper/pid"
}
engine_address() { echo "SLUICE_TEST_CLICKHOUSE_CLUSTER=clickhouse://default@$(ports | sed 's/^/127.0.0.1:/' | paste -sd,)/default"; }
