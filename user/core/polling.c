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

static int64_t reserve_of(const struct polling *polling)
{
	return (int64_t)MIN(polling->reserve_bytes, (uint64_t)INT64_MAX / 2);
}

bool polling_is_below(const struct polling *polling, int64_t headroom_bytes)
{
	return headroom_bytes < reserve_of(polling);
}

bool polling_crosses(struct polling *polling, int64_t headroom_bytes)
{
	if (headroom_bytes >= 2 * reserve_of(polling) && headroom_bytes > 0)
		polling->is_crossed = false;
	if (polling->is_crossed || !polling_is_below(polling, headroom_bytes))
		return false;
	polling->is_crossed = true;
	return true;
}
