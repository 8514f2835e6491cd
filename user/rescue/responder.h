/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast path: a real-time thread, its memory locked, that raises limits and sends the signals the
 * kernel side could not send itself - to a process that was not running, to a leader, to all of a cgroup, or
 * in place of a signal that would have done nothing. It sleeps until the kernel side wakes it.
 *
 * What it did goes through a pipe to the slow path, one struct responder_result per process, and one
 * per airbag.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/policy_set.h"
#include "rescue/airbag.h"
#include "source/source.h"
#include "sense/cgroup.h"

struct responder;

struct responder_result {
	uint64_t trip_id;
	/* An answer about the airbag, and about nothing else. */
	bool is_airbag;
	uint64_t limit_cgroup;
	struct airbag_result airbag;
	uint64_t time_ns; /* CLOCK_MONOTONIC, when it was done */
	/* An answer about a signal. */
	uint64_t start_boottime_ns;
	pid_t pid; /* 0: no process; with `last`, see there */
	uint32_t signal;
	uint32_t action; /* enum apo_action */
	uint32_t disposition;
	int32_t error;
	/*
	 * The request is dealt with. With target "all" a result for each process comes first, and
	 * this one has no pid.
	 */
	uint32_t last;
};

struct responder_config {
	struct source *source;
	struct airbag *airbag;
	const struct policy_set *policies;
	const struct cgroup_tree *tree;
	int proc_fd; /* open /proc, kept by the caller */
	uint64_t page_bytes;
	bool initial_pid_ns;  /* pids of the kernel side are ours */
	bool may_lock_memory; /* CAP_IPC_LOCK: beyond any limit on locked memory */
};

/*
 * Starts the thread. Logs where real-time scheduling or memory locking is refused, and goes on
 * without: slower on a busy machine, nothing else.
 */
int responder_new(struct responder **ret, const struct responder_config *config);
struct responder *responder_free(struct responder *responder);

/* Readable when there are results; read them as an array of struct responder_result. */
int responder_results_fd(const struct responder *responder);
