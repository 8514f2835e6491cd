# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# nginx: clients that ask for much and read nothing pin page cache in the buffers of their sockets;
# another asks for little, over and over. The access log is what there is to lose. Sourced by program.

nginx=$DIR/nginx

prepare_nginx() {
	need nginx python3
	mkdir -p "$nginx/files"
	ln -sf "$(python3 -c 'import sys; print(sys.executable)')" "$DIR/python"
	python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])' \
		>"$nginx/port"
	echo small >"$nginx/files/small"
	cat >"$nginx/options" <<-EOF
		daemon off;
		user root;
		worker_processes 1;
		pid $nginx/pid;
		error_log $nginx/error.log notice;
		events {
			worker_connections 4096;
		}
		http {
			sendfile on;
			keepalive_requests 1000000000;
			log_format request \$request_uri;
			access_log $nginx/access.log request buffer=16m;
			client_body_temp_path $nginx/temporary;
			proxy_temp_path $nginx/temporary;
			fastcgi_temp_path $nginx/temporary;
			uwsgi_temp_path $nginx/temporary;
			scgi_temp_path $nginx/temporary;
			server {
				listen 127.0.0.1:$(cat "$nginx/port");
				root $nginx/files;
			}
		}
	EOF
}

# The large file is new, so that its page cache is charged here, and has holes only: reading it costs
# no disk. The clients are outside, or the kernel may kill them and is rid of all.
grow_nginx() {
	rm -f "$nginx/access.log" "$nginx/error.log" "$nginx/pid" "$nginx/files/large"
	truncate -s 64G "$nginx/files/large"
	nginx -e "$nginx/error.log" -c "$nginx/options" &
	server=$!
	wait_for "$server" grep 'start worker process ' "$nginx/error.log"
	(
		echo 0 >"$OUTSIDE/cgroup.procs"
		exec "$DIR/python" "$HERE/clients.py" "$(cat "$nginx/port")"
	)
	kill -QUIT "$server" 2>/dev/null || :
	wait "$server"
}

check_nginx() { # COUNT
	[ "$(grep -c '^/small' "$nginx/access.log")" -ge "$1" ] &&
		! grep -q 'exited on signal 9' "$nginx/error.log"
}
