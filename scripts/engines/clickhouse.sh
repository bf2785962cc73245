# ClickHouse, one node.
port=$((base + 30))
engine_install() { need /usr/sbin/clickhouse-server clickhouse-server; need clickhouse-client clickhouse-client; }
engine_running() { alive "$top/clickhouse/pid"; }
engine_start() {
	local dir=$top/clickhouse
	mkdir -p "$dir/data" "$dir/tmp" "$dir/files"
	cat >"$dir/config.xml" <<-END
		<yandex>
			<logger><level>warning</level><console>1</console></logger>
			<listen_host>127.0.0.1</listen_host>
			<tcp_port>$port</tcp_port><http_port>$((port + 1))</http_port><interserver_http_port>$((port + 2))</interserver_http_port>
			<path>$dir/data/</path><tmp_path>$dir/tmp/</tmp_path><user_files_path>$dir/files/</user_files_path>
			<users_config>users.xml</users_config>
			<default_profile>default</default_profile><default_database>default</default_database>
			<mark_cache_size>268435456</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
			<max_concurrent_queries>100</max_concurrent_queries>
			<timezone>UTC</timezone>
		</yandex>
	END
	cat >"$dir/users.xml" <<-END
		<yandex>
			<profiles><default><max_memory_usage>4000000000</max_memory_usage></default></profiles>
			<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>
			<quotas><default></default></quotas>
		</yandex>
	END
	launch clickhouse /usr/sbin/clickhouse-server --config-file="$dir/config.xml"
	ready clickhouse clickhouse-client --host 127.0.0.1 --port "$port" --query 'SELECT 1'
}
engine_stop() { end "$1" "$top/clickhouse/pid"; }
engine_address() { echo "SLUICE_TEST_CLICKHOUSE=clickhouse://default@127.0.0.1:$port/default"; }
