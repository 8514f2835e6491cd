/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an airbag may take: how much of the machine's memory, and how often. A cgroup may have three
 * in a row and then one a minute, so that what crashes again and again does not live on lent memory.
 * Allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/options.h"

#define LOAN_DEBTS 64 /* cgroups that owe; of more, those nearest to having paid are forgotten */

/* By path: a service that is restarted gets a new cgroup there. All zero at first. */
struct debt {
	uint64_t path_hash;
	uint64_t until_ns; /* CLOCK_BOOTTIME */
};

/*
 * By how much to raise a limit at that rate of growth, and whether that was all: a size that was
 * given, or less than auto wanted. -ENOMEM: the machine has nothing to spare; or the error of
 * reading /proc/meminfo.
 */
int loan_size(const struct options *options, int proc_fd, uint64_t limit, uint64_t rate_bytes_s,
	      uint64_t *ret, bool *ret_all);

bool loan_allowed(struct debt debts[LOAN_DEBTS], uint64_t path_hash, uint64_t now_ns);
void loan_taken(struct debt debts[LOAN_DEBTS], uint64_t path_hash, uint64_t now_ns);
