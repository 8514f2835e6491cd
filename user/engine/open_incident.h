/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One incident that is not closed yet: what is held for it (its processes, its limit, its timer), and
 * the execution of what core/incident_flow.h wants. Slow path, on the engine's loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/incident_flow.h"
#include "engine/facts.h"
#include "engine/handover.h"
#include "engine/limit_parts.h"
#include "profile/profiler.h"
#include "rescue/airbag.h"
#include "rescue/keeper.h"
#include "sense/pidref.h"
#include "sinks/sinks.h"
#include "source/source.h"

struct open_incident;

/* What all of them share. */
struct open_config {
	uv_loop_t *loop;
	struct source *source;
	struct airbag *airbag;
	struct keeper *keeper;
	struct sinks *sinks;
	struct inspector *inspector;
	struct profiler *profiler; /* NULL: no reports are asked for */
	struct handover *handover;
	struct limit_parts *parts;
	struct facts_config facts;
	bool initial_pid_ns; /* pids of the kernel side are ours */
	/* It is judged: takes its incident, capture and inspection. It is dropped afterwards. */
	void (*on_verdict)(struct open_incident *open, void *userdata);
	void *userdata;
};

struct open_incident {
	struct open_incident *next, **list; /* the first of the list it is in */
	const struct open_config *config;
	struct incident *incident;
	struct flow flow;
	struct pidref grower, other; /* other: the target, where that is not the grower */
	const struct pidref *target; /* one of the two; NULL: nobody yet */
	struct apo_limit_key limit;  /* its account */
	struct airbag_levels raised; /* for it */
	bool tells_command;	     /* the responder signalled the command of `run` */
	int limit_dirfd;	     /* of the cgroup whose limit binds; -1: gone */
	uv_timer_t *timer;
	uv_poll_t *poll; /* the end of the target */

	struct profiler_subject subject;
	struct capture *capture;       /* NULL: none was taken */
	struct inspection *inspection; /* of the grower; NULL: answered, or none */
	struct inspection *other_inspection;
};

/*
 * In front of the list. Takes the incident (NULL: there was no memory for it) and its process, whatever
 * happens; the config stays the caller's. NULL: no memory, which is logged.
 */
struct open_incident *open_incident_new(const struct open_config *config,
					struct open_incident **list, struct incident *incident,
					struct pidref process, const struct apo_limit_key *limit);
/* Without a word, at any time before the loop is closed. A loan is released. */
void open_incident_drop(struct open_incident *open);

/*
 * Takes what the profiler has of the growth of its process, if reports are asked for, and what the memory of its limit
 * is, and has the process looked at while it is still there. Of the subject times, sizes and error are given; who it is is known.
 */
void open_incident_capture(struct open_incident *open, const struct profiler_subject *subject);
/* What was found, into what there is of the grower; there may be no capture. */
void open_incident_take_found(const struct inspected *found, struct incident *incident,
			      struct capture *capture);

/* Has the grace of its target end then (CLOCK_MONOTONIC), if nobody has yet. 0 or -errno. */
int open_incident_grant(const struct open_incident *open, uint64_t deadline_ns);

/* Goes on where one has waited for the record of its trip, which this one is made of; drops that. */
void open_incident_replace(struct open_incident *open, struct open_incident *held);

/* Executes what the event leads to. Returns whether it is still open; else it is dropped. */
bool open_incident_run(struct open_incident *open, struct flow_event event);
