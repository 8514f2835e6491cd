# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Redis that saves in a child: the more is changed meanwhile, the more pages there are twice. When
# the child is gone, the server must go on to accept writes. Sourced by service.

# shellcheck source=/dev/null
. "$HERE/redis.sh"
export PROMISES=sessions
KEYS=280000 # with all of it there twice it is beyond the limit

prepare_redis_save() {
	prepare_redis
	rm -f "$OWN/server.pid"
	(serve_redis_save) &
	ready "$READY_S"
	in_redis debug populate $KEYS key 1000 >/dev/null
	in_redis shutdown save
	wait
}

serve_redis_save() {
	serve_redis
}

answers_redis_save() {
	answers_redis
}

innocent_redis_save() {
	in_redis config set rdb-key-save-delay 1000 >/dev/null
	in_redis bgsave >/dev/null
	innocent_redis
}

grow_redis_save() { # HOW
	"$DIR/client-python" "$HERE/overwrite.py" "$OWN/socket" "$1" $KEYS
}

lost_redis_save() {
	lost_redis
	in_redis set written 1 2>&1 | grep -v '^OK' || :
}
