/* SPDX-License-Identifier: BSD-2-Clause */
/* How often each verdict was given: in all, and for each of the last guards that had one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define TALLIES_MAX 1024 /* guards; beyond, the oldest is forgotten */

struct tally {
	uint64_t cgroup_id;
	uint64_t verdicts[STATUS_VERDICTS];
};

struct tallies {
	struct tally all;
	struct tally guards[TALLIES_MAX];
	size_t next;
};

/* cgroup_id 0: of no guard that is known. */
void tallies_add(struct tallies *tallies, uint64_t cgroup_id, enum verdict verdict);

/* Fills in the verdicts of the status, in all and of each guard in it. */
void tallies_read(const struct tallies *tallies, struct status *status);
