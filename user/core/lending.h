/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an airbag may take: how much of the machine's memory, how often, and for how long. A cgroup may
 * have three in a row and then one a minute, so that what crashes again and again does not live on lent
 * memory. Pure; allocates nothing. Times are CLOCK_BOOTTIME.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/policy.h"

#define LENDING_DEBTS 64 /* cgroups that owe; of more, those nearest to having paid are forgotten */

/* By path: a service that is restarted gets a new cgroup there. All zero at first. */
struct debt {
	uint64_t path_hash;
	uint64_t until_ns;
};

/* What a machine can lend: what is available, less a margin that it keeps. */
uint64_t lending_spare(uint64_t total_bytes, uint64_t available_bytes);

/*
 * By how much to raise a limit at that rate of growth, in whole pages, and whether that was all: a
 * size that was given, or less than auto wanted. -ENOMEM: there is nothing to spare.
 */
int lending_size(const struct policy *policy, uint64_t limit_bytes, uint64_t rate_bytes_s,
		 uint64_t spare_bytes, uint64_t page_bytes, uint64_t *ret, bool *ret_all);

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
	uint64_t limit_bytes;	 /* before it was raised */
	uint64_t reserve_bytes;	 /* of its policy, below that limit */
	uint64_t deadline_ns;	 /* until when it is raised at most */
	unsigned int open_trips; /* it is raised for */
};

/*
 * Whether the limit may go back: the deadline has come, or need fits below it again; with trips that are
 * open, clear of its line, by another reserve. Earlier the kernel would kill.
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
