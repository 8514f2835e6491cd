# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# redis: data that only the shutdown saves. Sourced by program.

redis_socket=$DIR/redis.sock

# Debian's redis-tools has the server under the name of one of its other programs.
prepare_redis() {
	need redis-cli
	server=$(command -v redis-server || command -v redis-check-rdb) || need redis-server
	ln -sf "$server" "$DIR/redis-server"
	awk 'BEGIN {
		value = sprintf("%700s", "")
		for (i = 0; i < 260000; i++)
			printf "*3\r\n$3\r\nSET\r\n$10\r\nkey-%06d\r\n$700\r\n%s\r\n", i, value
	}' >"$DIR/redis.load"
}

redis_answers() {
	redis-cli -s "$redis_socket" ping | grep -q PONG
}

start_redis() { # OPTION...
	"$DIR/redis-server" --port 0 --unixsocket "$redis_socket" --dir "$DIR" "$@" >"$DIR/redis.log" &
	server=$!
	wait_for "$server" redis_answers
}

# The server and its client are one program here: the client ends with it.
near_redis() {
	start_redis --save ''
	redis-cli -s "$redis_socket" --pipe <"$DIR/redis.load" >/dev/null
	[ "$(redis-cli -s "$redis_socket" dbsize)" = 260000 ]
	redis-cli -s "$redis_socket" shutdown nosave
	wait "$server"
}

# Nothing is saved before the shutdown does it.
grow_redis() {
	count=0
	add="for i = ARGV[1] + 1, ARGV[1] + 1000 do
		redis.call('set', 'key-' .. i, string.rep('x', 1000)) end"
	rm -f "$DIR/dump.rdb"
	start_redis --save '3600 1'
	while redis-cli -s "$redis_socket" eval "$add" 0 $count >/dev/null 2>&1; do
		count=$((count + 1000))
		echo $count
	done
	wait "$server"
}

check_redis() { # COUNT
	start_redis --save ''
	have=$(redis-cli -s "$redis_socket" dbsize)
	redis-cli -s "$redis_socket" shutdown nosave
	wait "$server"
	[ "$have" -ge "$1" ]
}
