/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The airbag: a limit raised for a while, so that a shutdown can finish that needs memory or time. A
 * loan: one per cgroup at a time, never more than the host can spare, in the journal before the limit is
 * touched, and put back when the last trip it was for is closed, when memory has fallen below the
 * old line, or at its deadline; by the next start if we are killed. A limit that somebody else
 * changed meanwhile is theirs and stays. Three in a row, then one a minute: what crashes again and
 * again is not to live on lent memory. Where the kernel refuses to lower a limit (v1, below the usage), it
 * is stepped down with the usage, and nothing more is lent to it until it is where it was.
 *
 * The brake is for the end of what can be lent, on v2: memory.high a little before the raised limit.
 * Threads that go on allocating beyond it sleep, the longer the further they are, so that the rest
 * lasts. Not before a handler is entered, which it would keep waiting, and not where more can be lent.
 *
 * Two threads call it, and a mutex keeps them apart. The responder calls what is marked so below; that
 * touches only files that do not make it wait, and allocates nothing where the cgroup was prepared. All
 * else is for the slow path. What is slow, reclaim while a limit goes back, runs without the mutex.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/incident.h"
#include "core/policy.h"
#include "sense/cgroup.h"

struct airbag;

struct airbag_config {
	const struct cgroup_tree *tree;
	int proc_fd; /* open /proc, kept by the caller */
	bool lends;  /* some policy does: else it only puts back what an earlier instance left */
};

/* What came of raising a limit, for the incident. */
struct airbag_result {
	enum incident_airbag outcome;
	/* -errno where it failed; refused: -ENOMEM, the host; -EAGAIN, too often; -EBUSY, still owed */
	int error;
	uint64_t before_bytes, raised_bytes;
};

/* --- the slow path ------------------------------------------------------------------------- */

/*
 * Opens the journal and puts back what an earlier instance left raised. Where the journal cannot be
 * kept, raising fails with that error: no limit is changed that might stay so. -ENOMEM. The responder
 * is not to run before it returns, and not any more when airbag_free() is called.
 */
int airbag_new(struct airbag **ret, const struct airbag_config *config);
/* Puts everything back. */
struct airbag *airbag_free(struct airbag *airbag);

/*
 * Opens what raising the limit that binds this cgroup now will take, and warns if it cannot be
 * raised. Whichever limit binds at a trip, if it is another, is opened then.
 */
void airbag_prepare(struct airbag *airbag, const char *rel);

/* Readable when airbag_check() is wanted: after a limit was raised, or could not be. */
int airbag_wake_fd(const struct airbag *airbag);
/*
 * Puts back what can be put back; the kernel may reclaim meanwhile. Returns whether a limit is still
 * raised: then call it again within AIRBAG_CHECK_MS.
 */
bool airbag_check(struct airbag *airbag);
#define AIRBAG_CHECK_MS 100

/* By how much the limit is raised, or was the last time, and whether the brake was set. */
void airbag_state(struct airbag *airbag, uint64_t cgroup_id, uint64_t *ret_bytes, bool *ret_braked);
/* The trip is closed: the limit goes back with the last of them. */
void airbag_release(struct airbag *airbag, uint64_t cgroup_id);

/* --- the responder ------------------------------------------------------------------------- */

/* As airbag_prepare(), for the cgroup of that id; the slow path warns. */
void airbag_prepare_id(struct airbag *airbag, uint64_t cgroup_id);
/*
 * For a trip: its cgroup's limit by the policy of that limit, for as long as the grace of the process;
 * growth in bytes/s. One release for each call that raised it.
 */
void airbag_raise(struct airbag *airbag, uint64_t cgroup_id, const struct policy *policy,
		  uint64_t grace_ns, uint64_t rate_bytes_s, struct airbag_result *ret);
/* The raised limit is nearly reached as well: further, if the size is auto. */
void airbag_raise_further(struct airbag *airbag, uint64_t cgroup_id, uint64_t rate_bytes_s);
/* The handler of a trip is entered: sets the brake, if that was all, unless somebody has one. */
void airbag_brake(struct airbag *airbag, uint64_t cgroup_id);
