/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/polling.h"

#include "base/util.h"

uint64_t polling_wait_ns(const struct polling *polling, int64_t headroom_bytes)
{
	uint64_t room =
		headroom_bytes > 0 ? sat_sub((uint64_t)headroom_bytes, polling->reserve_bytes) : 0;
	uint64_t most = POLLING_BYTES_PER_S * (POLLING_MOST_NS / NSEC_PER_SEC);

	if (room >= most)
		return POLLING_MOST_NS;
	return MAX(POLLING_LEAST_NS, room * NSEC_PER_SEC / POLLING_BYTES_PER_S);
}

#define LINES 5

static int64_t reserve_of(const struct polling *polling)
{
	return (int64_t)MIN(polling->reserve_bytes, (uint64_t)INT64_MAX / 2);
}

bool polling_crosses(struct polling *polling, int64_t headroom_bytes)
{
	int64_t reserve = reserve_of(polling);
	uint32_t before;

	if (headroom_bytes > 0 && headroom_bytes >= reserve + reserve / 4)
		polling->level = 0;
	before = polling->level;
	while (polling->level < LINES && headroom_bytes < reserve >> polling->level)
		polling->level++;
	return polling->level > before;
}

void polling_undo(struct polling *polling)
{
	polling->level = 0;
}
