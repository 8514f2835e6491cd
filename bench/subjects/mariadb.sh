# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# MariaDB: one session commits rows, another fills a table in memory. Sourced by program.

mariadb=$DIR/mariadb

prepare_mariadb() {
	need mariadbd mariadb mariadb-install-db
	mkdir -p "$mariadb"
	cat >"$mariadb/options" <<-EOF
		[client]
		user = root
		socket = $mariadb/socket
		[mariadbd]
		user = root
		datadir = $mariadb/data
		socket = $mariadb/socket
		pid-file = $mariadb/pid
		skip-networking
		innodb-buffer-pool-size = 16M
		innodb-log-file-size = 8M
	EOF
	[ -d "$mariadb/data/mysql" ] ||
		mariadb-install-db --no-defaults --user=root --datadir="$mariadb/data" \
			--auth-root-authentication-method=normal --skip-test-db >/dev/null
}

query() { # [SQL], else from standard input
	mariadb --defaults-file="$mariadb/options" --batch --skip-column-names --unbuffered \
		${1:+--execute "$1"}
}

start_mariadb() { # LOG
	rm -f "$1"
	mariadbd --defaults-file="$mariadb/options" --log-error="$1" 2>/dev/null &
	server=$!
	wait_for "$server" query 'select 1'
}

stop_mariadb() {
	kill "$server" 2>/dev/null || :
	wait "$server"
}

# A row is committed before it is returned.
grow_mariadb() {
	start_mariadb "$mariadb/grow.err"
	query 'create or replace database bench; create table bench.records (n int) engine=innodb'
	awk 'BEGIN {
		for (;;)
			print "insert into bench.records values (" ++n ") returning n;"
	}' 2>/dev/null | query &
	query 'use bench;
		set max_heap_table_size = 1 << 40;
		create temporary table growing (n bigint, text char(200)) engine=memory;
		insert into growing select seq, seq from seq_1_to_1000000000' || :
	stop_mariadb
	wait
}

# Recovery from its log is what a server begins with that did not end by itself.
check_mariadb() { # COUNT
	start_mariadb "$mariadb/check.err"
	have=$(query 'select count(*) from bench.records')
	stop_mariadb
	[ "$have" -ge "$1" ] && ! grep -qi 'crash recovery' "$mariadb/check.err"
}
