/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an airbag may take: how much of the machine's memory, and how often. A cgroup may have three
 * in a row and then one a minute, so that what crashes again and again does not live on lent memory.
 * Pure; allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/policy.h"

#define LENDING_DEBTS 64 /* cgroups that owe; of more, those nearest to having paid are forgotten */

/* By path: a service that is restarted gets a new cgroup there. All zero at first. */
struct debt {
	uint64_t path_hash;
	uint64_t until_ns; /* CLOCK_BOOTTIME */
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
