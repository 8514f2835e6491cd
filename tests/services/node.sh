# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server of Node, which writes its records when it is told to stop. Sourced by service.

# shellcheck source=/dev/null
. "$HERE/lines.sh"

prepare_node() {
	need node
	prepare_lines
}

serve_node() {
	rm -f "$OWN/socket"
	exec node --max-old-space-size=8192 "$HERE/server.js" "$OWN/socket" "$OWN/records" 2>>"$OWN/log"
}

answers_node() {
	answers_lines
}

innocent_node() {
	innocent_lines
}

grow_node() { # HOW
	grow_lines "$1"
}

lost_node() {
	lost_lines
}
