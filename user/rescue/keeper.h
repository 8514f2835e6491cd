/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread that keeps promises: limits go back, and graces end. It runs beside the responder and the
 * slow path and waits for neither, so that a report on a disk that hangs keeps no limit raised and no
 * process alive. It reads cgroup files, /proc/PID/cgroup and pidfds only: nothing that a tenant can hold
 * up.
 *
 * What it did goes through a pipe to the slow path, one struct keeper_event each.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/worker.h"
#include "core/incident_flow.h"
#include "core/lending.h"
#include "rescue/airbag.h"
#include "sense/cgroup.h"
#include "sense/pidref.h"

/* So many at a time; those that come when it is full are left to the slow path, which asks once they are over. */
#define KEEPER_GRACES_MAX 1024

struct keeper;

/* What ends with SIGKILL for a process, unless it is gone by then or memory is ample again. */
struct grace {
	uint64_t trip_id;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
	uint64_t limit_cgroup;
	bool is_host;	      /* the limit is the machine's own memory */
	uint64_t swap_bytes;  /* room in swap, beside that below the limit */
	uint64_t ample_bytes; /* headroom */
	struct pidref process;
};

struct keeper_event {
	bool is_payback;
	union {
		struct {
			uint64_t trip_id;
			struct flow_grace_answer answer;
		};
		struct {
			uint64_t cgroup_id;
			struct loan_facts loan;
		};
	};
};

struct keeper_config {
	struct airbag *airbag;
	const struct cgroup_tree *tree;
	int proc_fd; /* open /proc, kept by the caller */
};

/* Starts the thread, which looks after the airbag from now on. */
int keeper_new(struct keeper **ret, const struct keeper_config *config);
/*
 * Ends the thread. Graces that have not ended are dropped; limits stay as they are. Takes NULL. Returns NULL.
 */
struct keeper *keeper_free(struct keeper *keeper);
/* Ends the thread and puts every limit back. Events can still be read. */
void keeper_settle(struct keeper *keeper);

/*
 * Takes the process, unless there is an error. From any thread. -EEXIST: the trip has one already; -ENOBUFS:
 * KEEPER_GRACES_MAX.
 */
int keeper_grant(struct keeper *keeper, const struct grace *grace);
/* The trip is closed. */
void keeper_forget(struct keeper *keeper, uint64_t trip_id);

/* Readable when there are events. */
int keeper_events_fd(const struct keeper *keeper);
/* False: there is none any more. */
bool keeper_next_event(struct keeper *keeper, struct keeper_event *ret);

/* Events that there was no room for. */
uint64_t keeper_lost(const struct keeper *keeper);
/* Whether its thread lives can be asked of this. */
struct worker *keeper_worker(struct keeper *keeper);
