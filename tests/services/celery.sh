# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Celery with a pool of processes, and Redis for a broker, which is no part of it: a task grows, others
# append records. What is acknowledged is that a task was sent: it must be done. Sourced by service.

# The broker is there until its directory is not, or until stop.
prepare_celery() {
	need_module celery
	need_module redis
	need redis-cli
	server=$(command -v redis-server || command -v redis-check-rdb) || need redis-server
	ln -sf "$server" "$OWN/redis-server"
	rm -f "$OWN/records" "$OWN/held" "$OWN/log"
	rm -f "$OWN/stopped"
	: >"$OWN/log.broker"
	"$OWN/redis-server" --port 0 --unixsocket "$OWN/broker" --dir "$OWN" --save '' \
		>>"$OWN/log.broker" 2>&1 </dev/null &
	(
		while [ -e "$OWN/log.broker" ] && [ ! -e "$OWN/stopped" ]; do
			sleep 1
		done
		kill $!
	) >/dev/null 2>&1 </dev/null &
}

with_tasks() { # ARGUMENT...
	SERVICE_OWN=$OWN PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$HERE /usr/bin/python3 "$@"
}

serve_celery() {
	export SERVICE_OWN="$OWN" PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$HERE"
	exec /usr/bin/python3 /usr/bin/celery --app tasks worker --pool prefork --concurrency 2 --loglevel info \
		--without-gossip --without-mingle --without-heartbeat >>"$OWN/log" 2>&1
}

answers_celery() {
	with_tasks "$HERE/tasks.py" ask
}

innocent_celery() {
	with_tasks "$HERE/tasks.py" innocent "$OWN/stop"
}

grow_celery() { # HOW
	with_tasks "$HERE/tasks.py" "$1"
}

lost_celery() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(missing_in "$OWN/records")" != 0 ] || break
		sleep 1
	done
	tell_missing "$OWN/records"
	[ ! -e "$OWN/held" ] || echo "what the task that grew held is held still"
}

cleanup_celery() {
	: >"$OWN/stopped"
}
