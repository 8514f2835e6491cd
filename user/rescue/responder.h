/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast path: a real-time thread, its memory locked, that raises limits and sends the signals the
 * kernel side could not send itself: to a process that was not running, to a leader, to all of a cgroup, or
 * in place of a signal that would have done nothing. It sleeps until the kernel side wakes it; what it
 * does then is decided in rescue/respond.h.
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
#include "rescue/keeper.h"
#include "rescue/respond.h"
#include "source/source.h"
#include "sense/cgroup.h"

struct responder;

struct responder_config {
	struct source *source;
	struct airbag *airbag;
	struct keeper *keeper;
	const struct policy_set *policies;
	const struct profiles *profiles;
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

/* Has it do what a request asks for, as if it were the kernel side's. Never blocks. */
void responder_ask(struct responder *responder, const struct apo_request *request);

/* Whether it got what it asked for. */
bool responder_is_locked(const struct responder *responder);
bool responder_is_realtime(const struct responder *responder);

/* Readable when there are results. */
int responder_results_fd(const struct responder *responder);
/* False: there is none any more. */
bool responder_next_result(struct responder *responder, struct responder_result *ret);

/* Results that there was no room for. */
uint64_t responder_lost(const struct responder *responder);
/* Whether its thread lives can be asked of this. */
struct worker *responder_worker(struct responder *responder);
