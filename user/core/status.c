/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/status.h"

#include "base/util.h"

#define RATE_LASTS_NS NSEC_PER_SEC /* after the last check */

int64_t status_headroom_pages(const struct apo_limit *account)
{
	int64_t pages;

	if (account->limit_pages == APO_UNLIMITED)
		return INT64_MAX;
	return __builtin_sub_overflow(account->limit_pages, account->need_pages, &pages) ? INT64_MIN
											 : pages;
}

uint64_t status_rate_pages_s(const struct apo_limit *account, uint64_t now_ns)
{
	return sat_sub(now_ns, account->last_ns) < RATE_LASTS_NS ? account->rate_pages_s : 0;
}

bool status_time_to_limit(const struct apo_limit *account, uint64_t now_ns, double *ret_seconds)
{
	uint64_t rate = status_rate_pages_s(account, now_ns);
	int64_t pages = status_headroom_pages(account);

	if (!rate || pages == INT64_MAX)
		return false;
	*ret_seconds = (double)MAX(pages, 0) / (double)rate;
	return true;
}

enum status_mode status_mode(const struct policy *policy)
{
	if (!policy)
		return STATUS_MODE_UNKNOWN;
	return policy->dry_run	      ? STATUS_MODE_DRY_RUN
	       : policy_lends(policy) ? STATUS_MODE_LENDS
				      : STATUS_MODE_RESERVE;
}

const char *status_mode_name(enum status_mode mode)
{
	switch (mode) {
	case STATUS_MODE_LENDS:
		return "lends";
	case STATUS_MODE_RESERVE:
		return "reserve";
	case STATUS_MODE_DRY_RUN:
		return "dry run";
	case STATUS_MODE_UNKNOWN:
		break;
	}
	return NULL;
}
