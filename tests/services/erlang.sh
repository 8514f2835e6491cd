# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server of Erlang, an application of which writes its records in its terminate. Sourced by service.

# shellcheck source=/dev/null
. "$HERE/lines.sh"

prepare_erlang() {
	need erl erlc
	erlc -o "$OWN" "$HERE/server.erl"
	prepare_lines
}

serve_erlang() {
	rm -f "$OWN/socket"
	exec erl -noinput -boot start_clean -pa "$OWN" -s server main "$OWN/socket" "$OWN/records" >>"$OWN/log" 2>&1
}

answers_erlang() {
	answers_lines
}

innocent_erlang() {
	innocent_lines
}

grow_erlang() { # HOW
	grow_lines "$1"
}

lost_erlang() {
	lost_lines
}
