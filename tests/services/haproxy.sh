# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# HAProxy, a master and a worker: Lua in the worker grows. The master ends when its worker does. Sourced by service.

export STOP_SIGNAL=USR1 PROMISES=

prepare_haproxy() {
	need haproxy
	haproxy -vv | grep -q '+LUA' || {
		echo "haproxy has no Lua here" >&2
		exit 1
	}
	cp "$HERE/haproxy.lua" "$OWN/service.lua"
	cat >"$OWN/options" <<-EOF
		global
			log stderr local0
			lua-load $OWN/service.lua
			hard-stop-after 60s
			tune.lua.service-timeout 0
			tune.lua.session-timeout 0
		defaults
			mode http
			timeout client 60s
			timeout server 60s
			timeout connect 5s
		frontend service
			bind unix@$OWN/socket
			http-request set-var(txn.records) str($OWN/records)
			http-request use-service lua.service
	EOF
	rm -f "$OWN/records" "$OWN/log"
}

serve_haproxy() {
	exec haproxy -W -f "$OWN/options" 2>>"$OWN/log"
}

answers_haproxy() {
	client ask http "$OWN/socket"
}

innocent_haproxy() {
	client innocent http "$OWN/socket"
}

grow_haproxy() { # HOW
	client "$1" http "$OWN/socket"
}

lost_haproxy() {
	tell_missing "$OWN/records"
	grep -m 1 -o 'exited with code 137.*' "$OWN/log" || :
}
