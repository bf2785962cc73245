# One Redis, as most have it.
port=$base
engine_install() { need redis-server redis-server; need redis-cli redis-tools; }
engine_running() { alive "$top/redis/pid"; }
engine_start() {
	launch redis redis-server --port "$port" --bind 127.0.0.1 --dir "$top/redis" --save "" --appendonly yes
	ready redis redis-cli -p "$port" ping
}
engine_stop() { end "$1" "$top/redis/pid"; }
engine_address() { echo "SLUICE_TEST_REDIS=redis://127.0.0.1:$port"; }
