// SPDX-License-Identifier: BSD-2-Clause
#include "core/room.h"

#include <stdlib.h>

#include "base/util.h"

#define ACCOUNT_BYTES 640 /* with what is kept of loans, and what a map takes for an entry */
#define CHILDREN_LEAST 16384
#define CHILDREN_MOST 131072
#define TRIP_NS (60 * NSEC_PER_SEC) /* incidents of a trip may still ask for its account */
#define PART 8

uint32_t room_for_limits(uint64_t cgroups, uint64_t memory_bytes)
{
	uint64_t most = MIN(memory_bytes / 256 / ACCOUNT_BYTES, (uint64_t)ROOM_MOST);

	return (uint32_t)MAX(MIN(sat_mul(cgroups, 4), most), (uint64_t)ROOM_LEAST);
}

uint32_t room_for_children(uint64_t memory_bytes)
{
	return (uint32_t)MAX(MIN(memory_bytes >> 20, (uint64_t)CHILDREN_MOST),
			     (uint64_t)CHILDREN_LEAST);
}

static bool may_go(const struct room_account *account, uint64_t now_ns)
{
	const struct apo_limit *limit = &account->account;

	if (account->is_lent ||
	    (limit->last_trip_ns && sat_sub(now_ns, limit->last_trip_ns) <= TRIP_NS))
		return false;
	/* Nobody may be left who would end the stage. */
	return !apo_stage_level(limit->stage) || sat_sub(now_ns, limit->last_ns) > TRIP_NS;
}

static bool is_near(const struct apo_limit *limit)
{
	return limit->need_pages >= limit->limit_pages / 4 * 3;
}

static bool has_counted(const struct apo_limit *limit)
{
	return limit->trips || limit->warns || limit->oom_kills;
}

static int compare(const void *a, const void *b)
{
	const struct apo_limit *one = &((const struct room_account *)a)->account;
	const struct apo_limit *other = &((const struct room_account *)b)->account;

	if (is_near(one) != is_near(other))
		return is_near(one) ? 1 : -1;
	if (has_counted(one) != has_counted(other))
		return has_counted(one) ? 1 : -1;
	return one->last_ns < other->last_ns ? -1 : one->last_ns > other->last_ns;
}

size_t room_make(struct room_account *accounts, size_t n, uint32_t room, uint64_t now_ns)
{
	size_t may = 0;

	for (size_t i = 0; i < n; i++)
		if (may_go(&accounts[i], now_ns)) {
			struct room_account other = accounts[may];

			accounts[may++] = accounts[i];
			accounts[i] = other;
		}
	if (may)
		qsort(accounts, may, sizeof(*accounts), compare);
	return MIN(may, (size_t)MAX(room / PART, 1U));
}
