# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# uWSGI, a master and workers: one grows in a request, or all by what requests leave behind. No signal of
# uWSGI lets a request that grows clean up. Sourced by service.

export STOP_SIGNAL=INT

prepare_uwsgi() {
	need uwsgi
	rm -f "$OWN/records" "$OWN/held" "$OWN/log"
}

serve_uwsgi() {
	export SERVICE_OWN="$OWN" PYTHONDONTWRITEBYTECODE=1
	exec uwsgi --plugin python3 --master --processes 3 --http-socket "$OWN/socket" --chdir "$HERE" \
		--python-path "$HERE" --wsgi-file "$HERE/app.py" --disable-logging 2>>"$OWN/log" >&2
}

answers_uwsgi() {
	client ask http "$OWN/socket"
}

innocent_uwsgi() {
	client innocent http "$OWN/socket"
}

grow_uwsgi() { # HOW
	client "$1" http "$OWN/socket"
}

lost_uwsgi() {
	tell_missing "$OWN/records"
}
