/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The airbag: limits raised for a while. A little, when one is about to be reached: a loan that nobody
 * notices, and that goes back when need falls; so that a process that stays below its limit is never
 * signalled, and one that passes it has the time for a shutdown. More at the trip, for as long as the
 * shutdown takes.
 *
 * Of nested limits, each that the growth may meet is raised: those above the process that have less room
 * than the loan, page cache counted as used. core/lending.h bounds it: by limit, by host, and for trips in
 * number. Each loan is in the journal before the limit is touched, and goes back when memory has fallen,
 * when the last trip it was for is closed, or at its deadline; by the next start if we are killed. Where
 * need is beyond the limit when the trips are closed, the kernel side arms it anew first. A limit that
 * somebody else changed meanwhile is theirs and stays. Where the kernel refuses to lower a limit (v1, below
 * the usage), it is stepped down with the usage, and nothing more is lent to it until it is where it was.
 *
 * The brake is for the end of what can be lent. That of v1 is on the kernel side (bpf/brake.bpf.h); here is
 * that of v2: memory.high a little before the raised limit. Threads that go on allocating beyond it
 * sleep, the longer the further they are, so that the rest lasts. Not before the signal is taken, which
 * it would keep waiting, and not where more can be lent. A memory.high of the owner's would do the same to
 * the shutdown: it is lifted for a trip, and put back with the limit.
 *
 * Three threads call it, and a mutex keeps them apart. The responder calls what is marked so below; that
 * touches only files that do not make it wait, and allocates nothing where the cgroup was prepared. The
 * keeper puts limits back: what is slow there, the kernel's reclaim, runs without the mutex. The rest is
 * for the slow path.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/incident.h"
#include "core/lending.h"
#include "core/policy.h"
#include "sense/cgroup.h"
#include "source/source.h"

struct airbag;

struct airbag_config {
	const struct cgroup_tree *tree;
	struct source
		*source; /* the kernel side is told of each loan; NULL: there is none, see lends */
	int proc_fd;	 /* open /proc, kept by the caller */
	uint64_t page_bytes;
	uint64_t
		most_bytes; /* of all loans at a time; UINT64_MAX: no more than the host can spare */
	bool lends; /* some policy does: else it only puts back what an earlier instance left */
};

/* What binds, and for whom: growth in process_cgroup (0: in the cgroup of the limit) at that rate. */
struct airbag_growth {
	uint64_t limit_cgroup;
	uint64_t process_cgroup;
	uint64_t rate_bytes_s;
	bool is_stalled; /* by page cache that has no room beside need */
};

/* The cgroups whose limits are raised for a trip. */
struct airbag_levels {
	uint64_t cgroups[APO_MAX_DEPTH];
	unsigned int n;
};

/* A loan is over. Called from airbag_check() and airbag_settle(). */
typedef void (*airbag_over_fn)(uint64_t cgroup_id, const struct loan_facts *loan, void *userdata);

/* What came of raising a limit for a trip, for the incident. */
struct airbag_result {
	enum incident_airbag outcome;
	/*
	 * -errno where it failed; refused: -ENOMEM, the host; -EAGAIN, too often; -EBUSY, still owed;
	 * -EEXIST, another instance lends to it; -ECANCELED, somebody else has changed the limit
	 */
	int error;
	uint64_t before_bytes, raised_bytes; /* of the limit that binds */
	struct airbag_levels levels;	     /* to be released */
};

/* --- the slow path ------------------------------------------------------------------------- */

/*
 * Opens the journal and puts back what an earlier instance left raised, unless need is beyond the limit:
 * then it has as long as a loan for a trip. Where the journal cannot be kept, raising fails with that
 * error: no limit is changed that might stay so. -ENOMEM. The responder is not to run before it returns,
 * and not any more when airbag_free() is called.
 */
int airbag_new(struct airbag **ret, const struct airbag_config *config);
/* Puts everything back. */
struct airbag *airbag_free(struct airbag *airbag);

/*
 * Opens what raising the limits of this cgroup and of those above will take, and warns if the one that
 * binds now cannot be raised. Returns whether it can. What is not opened so is when it is half full, or at
 * the loan.
 */
bool airbag_prepare(struct airbag *airbag, const char *rel);

/*
 * Where a limit is not raised the kernel side need not know any longer that it cannot be, or that a loan was
 * refused: there may be no room for it. It asks again.
 */
void airbag_forget(struct airbag *airbag, uint64_t cgroup_id);

struct loan_facts airbag_loan(struct airbag *airbag, uint64_t cgroup_id);
/* How often a limit was raised, silently or for a trip, or found raised. */
uint64_t airbag_raises(struct airbag *airbag);
/*
 * For a trip that an earlier instance has left open: what it left raised stays so as long as the grace. One
 * release, if there is any.
 */
void airbag_keep(struct airbag *airbag, uint64_t limit_cgroup, uint64_t grace_ns,
		 struct airbag_levels *ret);
/* The trip is closed: the limits go back with the last of them. */
void airbag_release(struct airbag *airbag, const struct airbag_levels *levels);

/* The limit as it was before it was raised; UINT64_MAX: it is not. */
uint64_t airbag_limit_before(struct airbag *airbag, uint64_t cgroup_id);

/* --- the keeper ---------------------------------------------------------------------------- */

/* Readable when airbag_check() is wanted: after a limit was raised, or could not be. */
int airbag_wake_fd(const struct airbag *airbag);
/*
 * Puts back what can be put back; the kernel may reclaim meanwhile. Returns in how many milliseconds it is
 * to be called again; 0: no limit is raised.
 */
unsigned int airbag_check(struct airbag *airbag);

/* While the keeper does not run. NULL: nobody is told any more. */
void airbag_on_over(struct airbag *airbag, airbag_over_fn fn, void *userdata);
/* The same. Puts everything back; what the responder raises meanwhile is left. */
void airbag_settle(struct airbag *airbag);

/* --- the responder ------------------------------------------------------------------------- */

/* As airbag_prepare(), for the cgroup of that id; the slow path warns. */
void airbag_prepare_id(struct airbag *airbag, uint64_t cgroup_id);
/*
 * A limit is nearly reached. Not raised yet: a little. Raised for a trip: further, as far as its policy
 * goes. The kernel side hears where there is nothing to be had.
 */
void airbag_lend(struct airbag *airbag, const struct airbag_growth *growth,
		 const struct policy *policy);
/*
 * For a trip, for as long as the grace of the process. One release for each call that raised it.
 */
void airbag_raise(struct airbag *airbag, const struct airbag_growth *growth,
		  const struct policy *policy, uint64_t grace_ns, struct airbag_result *ret);
/* The handler of a trip is entered: sets the brake, if that was all. */
void airbag_brake(struct airbag *airbag, uint64_t cgroup_id);
