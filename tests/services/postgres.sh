# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# PostgreSQL: one session commits rows, another grows. Sourced by service.

export STOP_SIGNAL=INT

# It refuses to run as root, and Debian does not have it in the path.
as_nobody() { # COMMAND [ARGUMENT...]
	command=$1
	shift
	exec setpriv --reuid=65534 --regid=65534 --clear-groups "$OWN/bin/$command" "$@"
}

prepare_postgres() {
	need setpriv psql
	bin=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
	bin=$(readlink -f "${bin:-$(command -v initdb)}") || need initdb
	chmod 711 "$DIR" "$(dirname "$DIR")"
	ln -sfn "$(dirname "$bin")" "$OWN/bin"
	install -d -o 65534 -g 65534 -m 700 "$OWN/data"
	[ -s "$OWN/data/PG_VERSION" ] ||
		(as_nobody initdb -A trust -U owner -D "$OWN/data") >/dev/null
	rm -f "$OWN/log"
}

serve_postgres() {
	echo "--- start" >>"$OWN/log"
	as_nobody postgres -D "$OWN/data" -k "$OWN/data" -c listen_addresses= -c shared_buffers=32MB \
		>>"$OWN/log" 2>&1
}

psql_as_owner() { # ARGUMENT...
	"$OWN/bin/psql" -h "$OWN/data" -U owner -d postgres -qAt "$@"
}

answers_postgres() {
	psql_as_owner -c 'select 1'
}

innocent_postgres() {
	psql_as_owner -c 'drop table if exists records; create table records (n int)' 2>/dev/null
	client --add 'insert into records values ({n}) returning n;' innocent program \
		"$OWN/bin/psql" -h "$OWN/data" -U owner -d postgres -qAt -v ON_ERROR_STOP=1
}

# A plan that is prepared stays until its session ends.
grow_postgres() { # HOW
	client --grow 'select cardinality(array_agg(n)) from (select generate_series(1, 1000000000) n) all_of_them;' \
		--leak "do \$\$ begin execute format('prepare plan_{n} as select %L', repeat('x', {kib} * 1024)); end \$\$; select pg_backend_pid();" \
		"$1" program "$OWN/bin/psql" -h "$OWN/data" -U owner -d postgres -qAt -v ON_ERROR_STOP=1
}

lost_postgres() {
	psql_as_owner -c 'select n from records' >"$OWN/records" 2>/dev/null || :
	tell_missing "$OWN/records"
	grep -m 1 -o 'was terminated by signal .*' "$OWN/log" || :
	grep -m 1 -o 'database system was not properly shut down.*' "$OWN/log" || :
}
