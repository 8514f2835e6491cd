/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may be lent: how much, to which of the limits between a process and the root, how often, and for
 * how long. A limit is raised by the most of its policy in all, and of what the host can spare auto
 * takes half. For trips a cgroup may have three loans in a row and then one a minute, so that what crashes
 * again and again does not live on lent memory; the small one before a trip is not counted. Pure;
 * allocates nothing. Times are CLOCK_BOOTTIME.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/policy.h"

#define LENDING_DEBTS 64 /* cgroups that owe; of more, those nearest to having paid are forgotten */

/* What is told of the last loan on a limit. */
struct loan_facts {
	uint64_t lent_bytes;	   /* at most; 0: there was none */
	uint64_t lasted_ns;	   /* so far, or until it was over */
	uint64_t over_realtime_ns; /* when the limit was back, or gone; 0: it is raised */
	bool is_for_trip;	   /* not a silent one */
	bool was_braked; /* v2: at least once; v1 has its own brake, of which nothing is told */
};

/* By path: a service that is restarted gets a new cgroup there. All zero at first. */
struct debt {
	uint64_t path_hash;
	uint64_t until_ns;
};

/* What a machine can lend: what is available, less a margin that it keeps. */
uint64_t lending_spare(uint64_t total_bytes, uint64_t available_bytes);

/*
 * What a limit wants to be raised by at that rate of growth: a little, when it is about to be reached and
 * nobody is signalled; and for a trip, which is all there is where the policy has a fixed size.
 */
uint64_t lending_first_bytes(const struct policy *policy, uint64_t limit_bytes,
			     uint64_t rate_bytes_s);
uint64_t lending_trip_bytes(const struct policy *policy, uint64_t limit_bytes,
			    uint64_t rate_bytes_s);

/*
 * What the host gives of that: auto takes half at most of what it can spare beyond what is lent already,
 * used or not; and nothing is lent beyond most_bytes in all.
 */
uint64_t lending_host_bytes(const struct policy *policy, uint64_t spare_bytes, uint64_t most_bytes,
			    uint64_t lent_bytes);

/* One of the limits between a process and the root, as a loan finds it. */
struct lending_level {
	uint64_t limit_bytes; /* before it was raised */
	uint64_t used_bytes;
	uint64_t lent_bytes; /* it is raised by so much */
	uint64_t most_bytes; /* it may be: policy_lends_bytes() */
};

/*
 * By how much each level is to be raised, in whole pages, so that all together leave more_bytes more than
 * the one of them that binds leaves now; 0 where a level leaves that anyway. Where the most of one does not
 * allow it, as much as that allows, and *ret_all is set. -ENOMEM: not even a page.
 */
int lending_plan(const struct lending_level *levels, size_t n, uint64_t more_bytes,
		 uint64_t page_bytes, uint64_t *ret_add, bool *ret_all);

bool lending_allowed(struct debt debts[LENDING_DEBTS], uint64_t path_hash, uint64_t now_ns);
void lending_take(struct debt debts[LENDING_DEBTS], uint64_t path_hash, uint64_t now_ns);

/*
 * memory.high for the brake, in whole pages: it takes hold in the last eighth of the raised limit, or
 * half way to it where less is left. Never below what is used, where the kernel would reclaim at once.
 * used_bytes: the usage, or the limit before it was raised if that is higher.
 */
uint64_t lending_brake_bytes(uint64_t raised_bytes, uint64_t used_bytes, uint64_t page_bytes);

/* Until when a limit that is raised now, for a process of that grace (0: none), stays so at most. */
uint64_t lending_deadline_ns(uint64_t now_ns, uint64_t grace_ns);
/* The deadline when the last of the trips it was raised for is closed. */
uint64_t lending_closed_deadline_ns(uint64_t deadline_ns, uint64_t now_ns);

/* A raised limit. */
struct lent {
	uint64_t limit_bytes; /* before it was raised */
	uint64_t least_ns; /* until when it is raised at least, unless the deadline comes before */
	uint64_t deadline_ns; /* until when it is raised at most */
	unsigned int cpus;    /* each may hold a stock that counts as used */
};

/*
 * Until when a limit that is raised now stays so at least: for a second, or longer for a stall, which comes
 * again when page cache has lost its room.
 */
uint64_t lending_least_ns(uint64_t now_ns, bool is_stalled);

/*
 * Whether the limit may go back: the deadline has come, or its least time is over and need is so far below
 * it that no loan is asked for at once. What grows fast asks early.
 */
bool lending_may_end(const struct lent *lent, uint64_t need_bytes, uint64_t now_ns);

/*
 * Where a limit goes that the kernel refuses to lower to what it was, because more is in use: as near to
 * it as that allows, in whole pages. now_bytes: what the limit is; that is the result where there is
 * nothing to gain yet.
 */
uint64_t lending_step_bytes(uint64_t before_bytes, uint64_t now_bytes, uint64_t used_bytes,
			    uint64_t page_bytes);

/* What becomes of a loan, and of its entry in the journal, after the attempt to put its limit back. */
enum lending_end {
	LENDING_ENDED = 0, /* the limit is back, or gone with its cgroup: the entry goes */
	LENDING_REFUSED, /* by the kernel: the entry stays, it is tried again, and nothing is lent */
	LENDING_RENEWED, /* a trip came meanwhile: the limit is raised again */
};

/* error: of the attempt, 0 or -errno. wanted_again: such a trip came. */
enum lending_end lending_end(int error, bool wanted_again);
