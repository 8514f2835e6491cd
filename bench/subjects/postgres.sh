# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# PostgreSQL: one session commits rows, another grows. Sourced by program.

postgres=$DIR/postgres

# It refuses to run as root, and Debian does not have it in the path.
in_postgres() { # COMMAND [ARGUMENT...]
	command=$1
	shift
	setpriv --reuid=65534 --regid=65534 --clear-groups "$postgres/bin/$command" "$@"
}

prepare_postgres() {
	need setpriv
	bin=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
	bin=$(readlink -f "${bin:-$(command -v initdb)}") || need initdb
	chmod 711 "$DIR" "$(dirname "$DIR")"
	mkdir -p "$postgres"
	ln -sfn "$(dirname "$bin")" "$postgres/bin"
	install -d -o 65534 -g 65534 -m 700 "$postgres/data"
	[ -s "$postgres/data/PG_VERSION" ] ||
		in_postgres initdb -A trust -U bench -D "$postgres/data" >/dev/null
}

start_postgres() {
	in_postgres postgres -D "$postgres/data" -k "$postgres/data" -c listen_addresses= \
		-c shared_buffers=32MB >>"$DIR/postgres.log" 2>&1 &
	server=$!
	wait_for "$server" query 'select 1'
}

query() { # SQL
	"$postgres/bin/psql" -h "$postgres/data" -U bench -d postgres -qAt -c "$1"
}

stop_postgres() {
	in_postgres pg_ctl -D "$postgres/data" -m fast stop >/dev/null
	wait "$server"
}

# One session commits rows, another makes an array that grows. A server of which one process was
# killed cuts all sessions off and recovers from its log.
grow_postgres() {
	: >"$DIR/postgres.log"
	start_postgres
	query 'drop table if exists records; create table records (n int)'
	awk 'BEGIN {
		for (;;)
			print "insert into records values (" ++n ") returning n;"
	}' 2>/dev/null | "$postgres/bin/psql" -h "$postgres/data" -U bench -d postgres -qAt \
		-v ON_ERROR_STOP=1 &
	session=$!
	query 'select cardinality(array_agg(n)) from (select generate_series(1, 1000000000) n) all_of_them' || :
	kill "$session" 2>/dev/null || :
	wait "$session" || :
	stop_postgres
}

check_postgres() { # COUNT
	start_postgres
	have=$(query 'select count(*) from records')
	stop_postgres
	[ "$have" -ge "$1" ] && ! grep -q 'was terminated by signal' "$DIR/postgres.log"
}
