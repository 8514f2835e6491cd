/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From records to incidents: resolves each process once, when its record comes, gathers the facts of
 * each trip while the process still lives, runs core/incident_flow.h, which decides what is awaited
 * and when the trip is judged, and hands every event to the sinks. Slow path, one thread, on the
 * engine's loop. It signals nobody and raises nothing: it is told what the responder and the keeper did.
 *
 * No trip disappears: where the record of a trip was lost, the others of that trip become an incident;
 * what an instance that is gone has left open is taken over (engine/handover.h). Both say what is
 * missing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/policy_set.h"
#include "core/shutdown.h"
#include "core/status.h"
#include "engine/services.h"
#include "rescue/airbag.h"
#include "rescue/keeper.h"
#include "source/source.h"
#include "sinks/sinks.h"
#include "rescue/responder.h"
#include "sense/cgroup.h"

struct incidents;

struct incidents_config {
	uv_loop_t *loop;
	struct source *source;
	struct airbag *airbag;
	struct keeper *keeper;
	const struct cgroup_tree *tree;
	struct sinks *sinks;
	bool records; /* who allocates */
	const struct policy_set *policies;
	struct services *services;
	int proc_fd;
	bool initial_pid_ns; /* pids of the kernel side are ours */
	uint64_t page_bytes;
};

/*
 * Takes over what an earlier instance has left open. Before the kernel side is attached: from then on
 * it would signal a process a second time that it does not know to be signalled. -ENOMEM.
 */
int incidents_new(struct incidents **ret, const struct incidents_config *config);
/*
 * At any time before the loop is closed. What is open is not judged any more, and left to the next instance.
 * Takes NULL. Returns NULL.
 */
struct incidents *incidents_free(struct incidents *incidents);

/* For source_on_record(); userdata is the incidents. */
int incidents_on_record(const struct apo_record *record, void *userdata);
void incidents_on_result(struct incidents *incidents, const struct responder_result *result);
void incidents_on_kept(struct incidents *incidents, const struct keeper_event *event);
/* What became of the service of the target of a closed one. */
void incidents_on_comeback(struct incidents *incidents, uint64_t id,
			   const struct comeback *comeback);

/* The command of `run`: from here on incidents_shutdown() is about it. -errno: it is about nobody. */
int incidents_follow(struct incidents *incidents, pid_t command);
/* Whether trips have asked the command to end, by the verdicts so far. */
const struct shutdown *incidents_shutdown(const struct incidents *incidents);

/* Incidents that are not closed yet. */
size_t incidents_open_count(const struct incidents *incidents);
/* Whether any of them waits for the end of its grace, or may have a service to be started. */
bool incidents_are_awaited(const struct incidents *incidents);
/* Judges every open incident now, by what is known. From then on names are awaited for 30 s. */
void incidents_close_all(struct incidents *incidents);
/* Whether reports of closed incidents are waiting for the names of their functions. */
bool incidents_is_naming(const struct incidents *incidents);

/*
 * How often each verdict was given, in all and for each guard there is in the status; and what the
 * responder was late for.
 */
void incidents_status(const struct incidents *incidents, struct status *status);
