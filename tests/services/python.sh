# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server of Python without any handler, which writes its records in a finally. Sourced by service.

# shellcheck source=/dev/null
. "$HERE/lines.sh"
export STOP_SIGNAL=INT

prepare_python() {
	ln -sf "$(readlink -f "$DIR/client-python")" "$OWN/python3"
	prepare_lines
}

serve_python() {
	rm -f "$OWN/socket"
	exec "$OWN/python3" "$HERE/server.py" "$OWN/socket" "$OWN/records" 2>>"$OWN/log"
}

answers_python() {
	answers_lines
}

innocent_python() {
	innocent_lines
}

grow_python() { # HOW
	grow_lines "$1"
}

lost_python() {
	lost_lines
}
