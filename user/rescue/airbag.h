/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The airbag: a limit raised for a while, so that a shutdown can finish that needs memory or time.
 * One per cgroup at a time, never more than the host can spare, in the journal before the limit is
 * touched, and put back when the last trip it was for is closed, when memory has fallen below the
 * old line, or at its deadline; by the next start if we are killed. A limit that somebody else
 * changed meanwhile is theirs and stays. Three in a row, then one a minute: what crashes again and
 * again is not to live on lent memory.
 *
 * The brake is for the end of what can be lent, on v2: memory.high a little before the raised limit.
 * Threads that go on allocating beyond it sleep, the longer the further they are, so that the rest
 * lasts. Not before a handler is entered, which it would keep waiting, and not where more can be lent.
 *
 * The responder prepares by id, inflates and brakes, and allocates nothing where the cgroup was
 * prepared; all else belongs to the slow path.
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

/* Result of one inflation, for the incident. */
struct airbag_result {
	enum incident_airbag outcome;
	int error; /* -errno where it failed; refused: -ENOMEM, the host; -EAGAIN, too often */
	uint64_t before_bytes, raised_bytes;
};

/*
 * Opens the journal and puts back what an earlier instance left raised. Where the journal cannot be
 * kept, inflating fails with that error: no limit is changed that might stay so. -ENOMEM.
 */
int airbag_new(struct airbag **ret, const struct airbag_config *config);
/* Puts everything back. */
struct airbag *airbag_free(struct airbag *airbag);

/*
 * Readable when airbag_check() is wanted: after a limit was raised, or could not be.
 */
int airbag_wake_fd(const struct airbag *airbag);
/*
 * Puts back what can be put back. Returns whether a limit is still raised: then call it again within
 * AIRBAG_CHECK_MS. Slow path: the kernel may reclaim meanwhile.
 */
bool airbag_check(struct airbag *airbag);
#define AIRBAG_CHECK_MS 100

/*
 * Opens what inflating the limit that binds this cgroup now will need, and warns if it cannot be
 * raised. Whichever limit binds at a trip, if it is another, is opened then.
 */
void airbag_prepare(struct airbag *airbag, const char *rel);
/* The same for the cgroup of that id, from the responder: the slow path warns. */
void airbag_prepare_id(struct airbag *airbag, uint64_t cgroup_id);

/*
 * For a trip: its cgroup's limit by the policy of that limit, for as long as the grace of the process;
 * growth in bytes/s. One release for each call.
 */
void airbag_inflate(struct airbag *airbag, uint64_t cgroup_id, const struct policy *policy,
		    uint64_t grace_ns, uint64_t rate_bytes_s, struct airbag_result *ret);
/* The raised limit is nearly reached as well: further, if the size is auto. */
void airbag_inflate_again(struct airbag *airbag, uint64_t cgroup_id, uint64_t rate_bytes_s);
/* The handler of a trip is entered: sets the brake, if that was all, unless somebody has one. */
void airbag_brake(struct airbag *airbag, uint64_t cgroup_id);
/* By how much the limit is raised, or was the last time, and whether the brake was set. */
void airbag_state(struct airbag *airbag, uint64_t cgroup_id, uint64_t *ret_bytes, bool *ret_braked);
/* The trip is closed: the limit goes back with the last of them. */
void airbag_release(struct airbag *airbag, uint64_t cgroup_id);
