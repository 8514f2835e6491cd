/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cgroups that may be lent to, as the responder needs them: their directories open, each with the one
 * above it. Opened when a cgroup is half full, or when it is first lent to; closed when the cgroup is
 * gone, or when descriptors run out, the longest unused first. Nothing here locks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/policy.h"
#include "rescue/loan.h"
#include "sense/cgroup.h"

enum bag_state {
	BAG_READY = 0, /* what raising takes is open */
	BAG_RAISED,
	BAG_GOING_BACK, /* the limit is put back, without the mutex */
};

/* The airbag of one cgroup, whether it has a limit or not. Times are of CLOCK_BOOTTIME, but for one. */
struct bag {
	struct bag *next; /* in its bucket */
	struct bag *next_raised;
	struct bag *above;    /* the cgroup that it is charged to as well; NULL: none that we see */
	unsigned int below;   /* how many have it above them */
	enum bag_state state; /* set by bags_set_state() */
	struct loan loan;
	struct policy policy; /* by which it was raised */
	uint64_t path_hash;
	uint64_t most_bytes;	 /* lent at most, by the last loan */
	uint64_t lasted_ns;	 /* how long that did */
	uint64_t over_ns;	 /* CLOCK_REALTIME: when it was over; 0: it stands */
	uint64_t deadline_ns;	 /* until when it stands at most; UINT64_MAX: no end so far */
	uint64_t least_ns;	 /* until when it stays raised at least */
	uint64_t used_ns;	 /* when it was last asked for */
	unsigned int open_trips; /* it is raised for */
	bool is_for_trip;	 /* or was: it does not stay as a silent loan */
	bool was_braked;	 /* since it was raised */
	bool is_rearmed; /* its trips are over, need is beyond the limit, and who grows is signalled */
	uint64_t entered_ns; /* when a signal was taken last; 0: not since it was raised */
	uint64_t complained_ns;
	bool is_owed; /* the kernel refused to put it back: nothing more is lent */
};

#define BAG_BUCKET_BITS 12
#define BAG_BUCKETS (1 << BAG_BUCKET_BITS)

struct bags {
	struct bag *buckets[BAG_BUCKETS];
	struct bag *raised; /* all that are not ready: few, of thousands */
	size_t raised_count;
	uint64_t raises; /* how many became that, in all */
	size_t added;	 /* in all */
};

static inline bool bag_is_raised(const struct bag *bag)
{
	return bag->state != BAG_READY;
}

/* By how much its limit is raised; and by how much all are, what each of nested ones is raised by once. */
uint64_t bag_lent_bytes(const struct bag *bag);
uint64_t bags_lent_bytes(const struct bags *bags);

/* NULL: it is not open. */
struct bag *bags_find(const struct bags *bags, uint64_t cgroup_id);

/*
 * The bag of a cgroup, with all above it. -ENOENT, -ESTALE: the cgroup is gone. -EMFILE: no descriptor is
 * left, and none that could be closed.
 */
int bags_open(struct bags *bags, const struct cgroup_tree *tree, uint64_t cgroup_id,
	      struct bag **ret);

void bags_set_state(struct bags *bags, struct bag *bag, enum bag_state state);
/* Calls fn for each that is not ready; fn may not open, close or change any. */
void bags_each_raised(const struct bags *bags, void (*fn)(struct bag *bag, void *userdata),
		      void *userdata);

/* Closes all. */
void bags_done(struct bags *bags);
