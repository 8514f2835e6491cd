# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server of Java, which writes its records in a shutdown hook. Sourced by service.

# shellcheck source=/dev/null
. "$HERE/lines.sh"

prepare_java() {
	need java javac
	javac -d "$OWN" "$HERE/Server.java"
	prepare_lines
}

serve_java() {
	rm -f "$OWN/socket"
	exec java -Xmx4g -cp "$OWN" Server "$OWN/socket" "$OWN/records" 2>>"$OWN/log"
}

answers_java() {
	answers_lines
}

innocent_java() {
	innocent_lines
}

grow_java() { # HOW
	grow_lines "$1"
}

lost_java() {
	lost_lines
}
