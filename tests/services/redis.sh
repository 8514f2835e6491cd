# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Redis: data that only the shutdown saves. Sourced by service.

export PROMISES=

# Debian's redis-tools has the server under the name of one of its other programs.
prepare_redis() {
	need redis-cli
	server=$(command -v redis-server || command -v redis-check-rdb) || need redis-server
	ln -sf "$server" "$OWN/redis-server"
	rm -f "$OWN/dump.rdb" "$OWN/log"
}

serve_redis() {
	exec "$OWN/redis-server" --port 0 --unixsocket "$OWN/socket" --dir "$OWN" --enable-debug-command yes \
		--save "3600 1" >>"$OWN/log"
}

in_redis() { # COMMAND...
	redis-cli -s "$OWN/socket" "$@"
}

answers_redis() {
	in_redis ping | grep -q PONG
}

innocent_redis() {
	client innocent redis "$OWN/socket"
}

grow_redis() { # HOW
	client "$1" redis "$OWN/socket"
}

lost_redis() {
	in_redis smembers records >"$OWN/records" || :
	tell_missing "$OWN/records"
}
