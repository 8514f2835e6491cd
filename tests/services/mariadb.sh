# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# MariaDB: one session commits rows, another grows; one process has both. Sourced by service.

export PROMISES=

prepare_mariadb() {
	need mariadbd mariadb mariadb-install-db
	cat >"$OWN/options" <<-EOF
		[client]
		user = root
		socket = $OWN/socket
		[mariadbd]
		user = root
		datadir = $OWN/data
		socket = $OWN/socket
		pid-file = $OWN/pid
		skip-networking
		innodb-buffer-pool-size = 16M
		innodb-log-file-size = 8M
		max-heap-table-size = 1T
		max-allowed-packet = 64M
	EOF
	[ -d "$OWN/data/mysql" ] ||
		mariadb-install-db --no-defaults --user=root --datadir="$OWN/data" \
			--auth-root-authentication-method=normal --skip-test-db >/dev/null
	rm -f "$OWN/log.err"
}

serve_mariadb() {
	exec mariadbd --defaults-file="$OWN/options" --log-error="$OWN/log.err" 2>/dev/null
}

query() { # SQL
	mariadb --defaults-file="$OWN/options" --batch --skip-column-names --execute "$1"
}

answers_mariadb() {
	query 'select 1'
}

innocent_mariadb() {
	query 'create or replace database service; create table service.records (n int) engine=innodb'
	client --add 'insert into service.records values ({n}) returning n;' innocent program \
		mariadb --defaults-file="$OWN/options" --batch --skip-column-names --unbuffered
}

# A table in memory, and variables, which stay until their session ends.
grow_mariadb() { # HOW
	query 'create or replace table service.growing (n bigint, text char(200)) engine=memory'
	client --grow 'insert into service.growing select seq, seq from service.seq_1_to_1000000000000; select 1;' \
		--leak "set @variable_{n} = repeat('x', {kib} * 1024); select 0;" \
		"$1" program mariadb --defaults-file="$OWN/options" --batch --skip-column-names --unbuffered
}

# Recovery from its log is what a server begins with that did not end by itself.
lost_mariadb() {
	query 'select n from service.records' >"$OWN/records" || :
	tell_missing "$OWN/records"
	grep -m 1 -io 'starting crash recovery.*' "$OWN/log.err" || :
}
