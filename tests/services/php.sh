# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# php-fpm: workers append records; one grows in a request, or all by what requests leave behind. PHP
# frees what a script has when its request ends, so that is memory of an extension. Sourced by service.

export STOP_SIGNAL=QUIT

prepare_php() {
	# Debian has its version in its name.
	fpm=$(command -v php-fpm || find /usr/sbin -name 'php-fpm*' | sort -V | tail -n 1)
	[ -n "$fpm" ] || need php-fpm
	[ -n "$(find /usr/lib/php -name ffi.so)" ] || {
		echo "no FFI of PHP here" >&2
		exit 1
	}
	ln -sf "$fpm" "$OWN/php-fpm"
	cp "$HERE/request.php" "$OWN/request.php"
	cat >"$OWN/options" <<-EOF
		[global]
		daemonize = no
		error_log = $OWN/log
		[www]
		listen = $OWN/socket
		pm = static
		pm.max_children = 3
		php_admin_value[memory_limit] = -1
		php_admin_value[max_execution_time] = 0
	EOF
	rm -f "$OWN/log" "$OWN/records"
}

serve_php() {
	exec "$OWN/php-fpm" --nodaemonize --allow-to-run-as-root --no-php-ini -d extension=ffi -d ffi.enable=1 \
		--fpm-config "$OWN/options" 2>/dev/null
}

answers_php() {
	client ask fastcgi "$OWN/socket" "$OWN/request.php"
}

innocent_php() {
	client innocent fastcgi "$OWN/socket" "$OWN/request.php"
}

grow_php() { # HOW
	client "$1" fastcgi "$OWN/socket" "$OWN/request.php"
}

lost_php() {
	tell_missing "$OWN/records"
	grep -m 1 -o 'exited on signal 9.*' "$OWN/log" || :
}
