# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What the servers of one's own have in common: a line each of add N, count, leak KIB and grow, and
# records that only an orderly end writes to the file records. Sourced by those.

export PROMISES=

prepare_lines() {
	rm -f "$OWN/records" "$OWN/log"
}

answers_lines() {
	client ask lines "$OWN/socket"
}

innocent_lines() {
	client innocent lines "$OWN/socket"
}

grow_lines() { # HOW
	client "$1" lines "$OWN/socket"
}

# How many there are is what the server says; which, what it wrote.
lost_lines() {
	have=$(answers_lines) || have=0
	wanted=$(lines "$OWN/acknowledged")
	[ "$have" -ge "$wanted" ] || echo "$((wanted - have)) of $wanted acknowledged records are lost"
}
