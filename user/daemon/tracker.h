/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From records to incidents: gathers the facts of each trip while the process still lives, waits
 * for its end (or for the grace, or for the process to have settled), judges, and hands every
 * event to the reporter. Slow path, one thread, on the engine's loop. Its only act is the SIGKILL
 * at the end of the grace.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/options.h"
#include "core/status.h"
#include "daemon/airbag.h"
#include "daemon/loader.h"
#include "daemon/reporter.h"
#include "daemon/responder.h"
#include "sense/cgroup.h"

struct tracker;

struct tracker_config {
	uv_loop_t *loop;
	struct loader *loader;
	struct airbag *airbag; /* NULL: none is asked for */
	const struct cgroup_tree *tree;
	struct reporter *reporter;
	const struct options *options;
	int proc_fd;
	bool initial_pid_ns; /* pids of the kernel side are ours */
	uint64_t page_bytes;
};

int tracker_new(struct tracker **ret, const struct tracker_config *config);
/* Closes what is open without waiting, then frees. The loop must be run once more after it. */
struct tracker *tracker_free(struct tracker *tracker);

/* For loader_on_record(); userdata is the tracker. */
int tracker_on_record(const struct apo_record *record, void *userdata);
void tracker_on_result(struct tracker *tracker, const struct responder_result *result);

/* Incidents that are not closed yet. */
size_t tracker_open_count(const struct tracker *tracker);
/* Judges every open incident now, by what is known. */
void tracker_close_all(struct tracker *tracker);
/* Whether reports of closed incidents are waiting for the names of their functions. */
bool tracker_is_naming(const struct tracker *tracker);

/*
 * How often each verdict was given, in all and for each guard there is in the status; and what the
 * responder was late for.
 */
void tracker_status(const struct tracker *tracker, struct status *status);
