// SPDX-License-Identifier: BSD-2-Clause
#include "engine/unit_stops.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "engine/manager.h"
#include "sense/pidref.h"
#include "core/unit.h"

#define PATIENCE_MS 3000 /* for the job, and for the state */

struct stop {
	struct stop *next;
	struct unit_stops *stops;
	char *unit;
	struct pidref process;
	int signal;
	struct manager_call *call;
};

struct unit_stops {
	struct unit_stops_config config;
	struct stop *first;
};

static void drop(struct stop *stop)
{
	struct stop **link = &stop->stops->first;

	while (*link != stop)
		link = &(*link)->next;
	*link = stop->next;
	manager_drop(stop->call);
	pidref_close(&stop->process);
	free(stop->unit);
	free(stop);
}

static void send_signal(const struct stop *stop, const char *why)
{
	int r = pidref_signal(&stop->process, stop->signal);

	if (r == -ESRCH)
		return; /* it has ended: all is well */
	log_warn("%s: %s: SIG%s %s%s", stop->unit ?: "no unit", why, signal_name(stop->signal),
		 r ? "could not be sent: " : "sent to its main process", r ? strerror(-r) : "");
}

static void on_states(const char *text, void *userdata)
{
	struct stop *stop = userdata;
	struct unit_state state;

	if (!text || unit_state_parse(text, &state))
		send_signal(stop, "its manager does not answer");
	else if (state.activity == UNIT_UP && !state.has_job && state.main_pid == stop->process.pid)
		send_signal(stop, "its manager does not stop it");
	drop(stop);
}

static int ask(struct stop *stop, enum manager_job job)
{
	const struct unit_stops_config *config = &stop->stops->config;
	_cleanup_free_ char *rel = NULL;
	const char *unit;
	int r = config->systemctl
			? cgroup_path_of_pid(config->tree, config->proc_fd, stop->process.pid, &rel)
			: -ENOENT;

	if (!r)
		r = unit_from_cgroup(rel, &stop->unit);
	if (r)
		return r;
	unit = stop->unit;
	return manager_ask(&stop->call, &(const struct manager_request){
						.loop = config->loop,
						.systemctl = config->systemctl,
						.units = &unit,
						.unit_count = 1,
						.job = job,
						.patience_ms = PATIENCE_MS,
						.on_states = on_states,
						.userdata = stop,
					});
}

void unit_stops_ask(struct unit_stops *stops, const struct responder_result *result)
{
	struct stop *stop = calloc(1, sizeof(*stop));
	int r;

	if (!stop) {
		log_warn("process %d is not told to stop: out of memory", result->pid);
		return;
	}
	*stop = (struct stop){
		.next = stops->first,
		.stops = stops,
		.process = PIDREF_NONE,
		.signal = (int)result->signal,
	};
	stops->first = stop;
	r = pidref_open(stops->config.proc_fd, result->pid, result->start_boottime_ns,
			&stop->process);
	if (!r) {
		r = ask(stop, result->declared == APO_DECLARED_EXEC_RESTART ? MANAGER_RESTART
									    : MANAGER_STOP);
		if (r)
			send_signal(stop, "its manager cannot be asked");
	}
	if (r)
		drop(stop);
}

struct unit_stops *unit_stops_new(const struct unit_stops_config *config)
{
	struct unit_stops *stops = calloc(1, sizeof(*stops));

	if (stops)
		stops->config = *config;
	return stops;
}

struct unit_stops *unit_stops_free(struct unit_stops *stops)
{
	if (!stops)
		return NULL;
	while (stops->first) {
		send_signal(stops->first, "the guard ends before its manager has answered");
		drop(stops->first);
	}
	free(stops);
	return NULL;
}
