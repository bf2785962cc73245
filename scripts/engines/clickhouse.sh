# ClickHouse, one node.
port=$((base + 30))
engine_install() { need /usr/sbin/clickhouse-server clickhouse-server; need clickhouse-client clickhouse-client; }
engine_running() { alive "$top/clickhouse/pid"; }
engine_start() {
	clickhouse_start clickhouse "$port" ""
	clickhouse_ready clickhouse "$port"
}
engine_stop() { end "$1" "$top/clickhouse/pid"; }
engine_address() { echo "SLUICE_TEST_CLICKHOUSE=clickhouse://default@127.0.0.1:$port/default"; }

# clickhouse_start NAME PORT MORE: a server in $top/NAME, on PORT and the two after it; MORE is
# what else its configuration says.
clickhouse_start() {
	local dir=$top/$1
	mkdir -p "$dir/data" "$dir/tmp" "$dir/files"
	cat >"$dir/config.xml" <<-END
		<yandex>
			<logger><level>warning</level><console>1</console></logger>
			<listen_host>127.0.0.1</listen_host>
			<tcp_port>$2</tcp_port><http_port>$(($2 + 1))</http_port>
			<interserver_http_port>$(($2 + 2))</interserver_http_port><interserver_http_host>127.0.0.1</interserver_http_host>
			<path>$dir/data/</path><tmp_path>$dir/tmp/</tmp_path><user_files_path>$dir/files/</user_files_path>
			<users_config>users.xml</users_config>
			<default_profile>default</default_profile><default_database>default</default_database>
			<mark_cache_size>268435456</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
			<max_concurrent_queries>100</max_concurrent_queries>
			<timezone>UTC</timezone>
			$3
		</yandex>
	END
	cat >"$dir/users.xml" <<-END
		<yandex>
			<profiles><default><max_memory_usage>4000000000</max_memory_usage></default></profiles>
			<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>
			<quotas><default></default></quotas>
		</yandex>
	END
	launch "$1" /usr/sbin/clickhouse-server --config-file="$dir/config.xml"
}
clickhouse_ready() { ready "$1" clickhouse-client --host 127.0.0.1 --port "$2" --query 'SELECT 1'; }
