# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# gunicorn with sync workers: one grows in a request, or all by what requests leave behind. Sourced by service.

prepare_gunicorn() {
	need_module gunicorn
	rm -f "$OWN/records" "$OWN/held" "$OWN/log"
}

serve_gunicorn() {
	export SERVICE_OWN="$OWN" PYTHONDONTWRITEBYTECODE=1
	exec /usr/bin/gunicorn --workers 3 --bind "unix:$OWN/socket" --chdir "$HERE" app 2>>"$OWN/log"
}

answers_gunicorn() {
	client ask http "$OWN/socket"
}

innocent_gunicorn() {
	client innocent http "$OWN/socket"
}

grow_gunicorn() { # HOW
	client "$1" http "$OWN/socket"
}

lost_gunicorn() {
	tell_missing "$OWN/records"
	[ ! -e "$OWN/held" ] || echo "what the request that grew held is held still"
}
