/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closed incidents whose loan is not over. It outlives them: their reports say later when it was paid
 * back.
 */
#pragma once

#include <stdint.h>

struct unpaid;

/* Without memory its report does not say. */
void unpaid_add(struct unpaid **list, uint64_t incident_id, uint64_t limit_cgroup);
/* The loan on that limit is over: calls fn for each incident of it, and drops it. */
void unpaid_take(struct unpaid **list, uint64_t limit_cgroup,
		 void (*fn)(uint64_t incident_id, void *userdata), void *userdata);
void unpaid_clear(struct unpaid **list);
