# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# php-fpm: one worker appends records, another builds an array that grows. Sourced by program.

php=$DIR/php

prepare_php() {
	need python3
	# Debian has its version in its name.
	fpm=$(command -v php-fpm || find /usr/sbin -name 'php-fpm*' | sort -V | tail -n 1)
	[ -n "$fpm" ] || need php-fpm
	mkdir -p "$php"
	ln -sf "$fpm" "$php/php-fpm"
	ln -sf "$(python3 -c 'import sys; print(sys.executable)')" "$DIR/python"
	cat >"$php/php-fpm.conf" <<-EOF
		[global]
		daemonize = no
		error_log = $php/log
		[www]
		listen = $php/socket
		pm = static
		pm.max_children = 3
		php_admin_value[memory_limit] = -1
		php_admin_value[max_execution_time] = 0
	EOF
	cat >"$php/add.php" <<-'EOF'
		<?php
		file_put_contents(__DIR__ . '/records', $_SERVER['QUERY_STRING'] . "\n", FILE_APPEND);
	EOF
	cat >"$php/grow.php" <<-'EOF'
		<?php
		for ($n = 0; ; $n++)
			$array[] = "record $n";
	EOF
}

php_request() { # FILE [--count]
	"$DIR/python" "$HERE/fastcgi.py" "$php/socket" "$php/$1" ${2:+"$2"}
}

# A worker that is told to stop takes its request along; the others go on until the master stops.
grow_php() {
	rm -f "$php/log" "$php/records" "$php/socket"
	"$php/php-fpm" --nodaemonize --allow-to-run-as-root --no-php-ini \
		--fpm-config "$php/php-fpm.conf" 2>/dev/null &
	server=$!
	wait_for "$server" grep 'ready to handle connections' "$php/log"
	php_request add.php --count &
	client=$!
	php_request grow.php || :
	kill $client 2>/dev/null || :
	wait $client || :
	kill -QUIT "$server" 2>/dev/null || :
	wait "$server"
}

check_php() { # COUNT
	[ "$(wc -l <"$php/records")" -ge "$1" ] && grep -q 'exiting, bye-bye' "$php/log" &&
		! grep -q 'exited on signal 9' "$php/log"
}
