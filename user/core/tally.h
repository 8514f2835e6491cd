/* SPDX-License-Identifier: BSD-2-Clause */
/* How often each verdict was given: in all, and for each of the last limits that had one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define TALLIES_MAX 1024 /* limits; beyond, the oldest is forgotten */

struct tally {
	struct apo_limit_key limit;
	uint64_t verdicts[VERDICTS];
};

struct tallies {
	struct tally all;
	struct tally limits[TALLIES_MAX];
	size_t next;
};

/* A limit whose cgroup is 0 is not known. */
void tallies_add(struct tallies *tallies, const struct apo_limit_key *limit, enum verdict verdict);

/* Fills in the verdicts of the status, in all and of each limit in it. */
void tallies_read(const struct tallies *tallies, struct status *status);
