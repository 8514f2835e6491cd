# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# requests: redis and redis-benchmark, both guarded. Sourced by program.

requests_socket=$DIR/requests.sock

prepare_requests() {
	need redis-cli redis-benchmark
	# Debian's redis-tools has the server under the name of one of its other programs.
	server=$(command -v redis-server || command -v redis-check-rdb) || need redis-server
	ln -sf "$server" "$DIR/redis-server"
}

near_requests() {
	"$DIR/redis-server" --port 0 --unixsocket "$requests_socket" --save '' >/dev/null &
	server=$!
	wait_for "$server" redis-cli -s "$requests_socket" ping
	redis-benchmark -s "$requests_socket" -n 100000 -c 20 -q -t set,get -d 512 -r 100000 >/dev/null
	redis-cli -s "$requests_socket" shutdown nosave
	wait "$server"
}
