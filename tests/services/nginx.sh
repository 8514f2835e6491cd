# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# nginx: clients that read nothing make it keep what its upstream says. The access log, which a worker
# writes when it is full or ends, is what there is to lose. Sourced by service.

export STOP_SIGNAL=QUIT

prepare_nginx() {
	need nginx
	mkdir -p "$OWN/temporary"
	cat >"$OWN/options" <<-EOF
		daemon off;
		user root;
		worker_processes 2;
		pid $OWN/pid;
		error_log $OWN/error.log notice;
		events {
			worker_connections 4096;
		}
		http {
			log_format request \$request_uri;
			access_log $OWN/access.log request buffer=1m;
			client_body_temp_path $OWN/temporary;
			proxy_temp_path $OWN/temporary;
			fastcgi_temp_path $OWN/temporary;
			uwsgi_temp_path $OWN/temporary;
			scgi_temp_path $OWN/temporary;
			proxy_max_temp_file_size 0;
			proxy_busy_buffers_size 2m;
			proxy_buffer_size 1m;
			proxy_buffers 1048576 1m;
			add_header X-Pid \$pid;
			server {
				listen unix:$OWN/socket;
				location / {
					return 200 0;
				}
				location /add {
					return 200 \$args;
				}
				location /grow {
					proxy_pass http://unix:$OWN/upstream;
				}
				location /leak {
					proxy_pass http://unix:$OWN/upstream;
				}
			}
		}
	EOF
	rm -f "$OWN/access.log" "$OWN/error.log"
}

# The sockets of one that was killed are there still.
serve_nginx() {
	rm -f "$OWN/socket"
	exec nginx -e "$OWN/error.log" -c "$OWN/options" 2>/dev/null
}

answers_nginx() {
	"$DIR/client-python" "$HERE/client.py" --stop /dev/null ask http "$OWN/socket"
}

innocent_nginx() {
	client innocent http "$OWN/socket"
}

grow_nginx() { # HOW
	"$DIR/client-python" "$HERE/unread.py" "$OWN/socket" "$OWN/upstream" "$1"
}

# What is in the logs' buffers is there once they are opened again.
lost_nginx() {
	kill -s USR1 "$(cat "$OWN/server.pid")" 2>/dev/null || :
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		sed -n 's/^\/add?//p' "$OWN/access.log" >"$OWN/records"
		[ "$(missing_in "$OWN/records")" != 0 ] || break
		sleep 0.1
	done
	tell_missing "$OWN/records"
}
