/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/policy.h"

#include <errno.h>
#include <stdio.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"

const char *target_name(enum apo_target target)
{
	switch (target) {
	case APO_TARGET_GROWER:
		return "grower";
	case APO_TARGET_LEADER:
		return "leader";
	case APO_TARGET_ALL:
		return "all";
	}
	return "grower";
}

bool policy_lends(const struct policy *policy)
{
	return policy->airbag != AIRBAG_OFF && !policy->dry_run;
}

bool policy_brakes(const struct policy *policy)
{
	return policy_lends(policy) && policy->brake;
}

static void format_permyriad(char *buf, size_t size, uint32_t permyriad)
{
	if (permyriad % 100 == 0)
		snprintf(buf, size, "%u%%", permyriad / 100);
	else if (permyriad % 10 == 0)
		snprintf(buf, size, "%u.%u%%", permyriad / 100, permyriad % 100 / 10);
	else
		snprintf(buf, size, "%u.%02u%%", permyriad / 100, permyriad % 100);
}

static uint64_t share_of(uint64_t bytes, uint32_t permyriad)
{
	return bytes / PERMYRIAD * permyriad + bytes % PERMYRIAD * permyriad / PERMYRIAD;
}

/* part is at most whole, rounded down. */
static uint32_t permyriad_of(uint64_t part, uint64_t whole)
{
	return (uint32_t)((unsigned __int128)part * PERMYRIAD / whole);
}

uint64_t policy_lends_bytes(const struct policy *policy, uint64_t limit_bytes)
{
	switch (policy_lends(policy) ? policy->airbag : AIRBAG_OFF) {
	case AIRBAG_OFF:
		return 0;
	case AIRBAG_AUTO:
		return policy->airbag_max_bytes
			       ?: share_of(limit_bytes, policy->airbag_max_permyriad);
	case AIRBAG_FIXED:
		return policy->airbag_bytes ?: share_of(limit_bytes, policy->airbag_permyriad);
	}
	return 0;
}

static int refuse_warn(const struct policy *policy, uint32_t line_permyriad, char **ret_error)
{
	char warn[16], line[16];

	format_permyriad(warn, sizeof(warn), policy->warn_permyriad);
	format_permyriad(line, sizeof(line), line_permyriad);
	return text_refuse(
		ret_error,
		"--warn '%s': the reserve begins at %s of the limit; give a lower level or a "
		"smaller --reserve",
		warn, line);
}

uint64_t policy_reserve_bytes(const struct policy *policy, uint64_t limit_bytes,
			      uint64_t page_bytes)
{
	uint64_t share;

	if (policy->reserve_bytes)
		return (policy->reserve_bytes / page_bytes +
			(policy->reserve_bytes % page_bytes != 0)) *
		       page_bytes;
	share = share_of(limit_bytes / page_bytes, policy->reserve_permyriad) * page_bytes;
	return policy->reserve_max_bytes ? MIN(share, policy->reserve_max_bytes) : share;
}

int policy_check_limit(const struct policy *policy, uint64_t limit_bytes, char **ret_error)
{
	char reserve[32], limit[32];
	uint64_t line_bytes;

	if (policy->reserve_bytes >= limit_bytes) {
		format_size(reserve, sizeof(reserve), policy->reserve_bytes);
		format_size(limit, sizeof(limit), limit_bytes);
		return text_refuse(ret_error,
				   "--reserve '%s': the limit is %s; give a smaller reserve",
				   reserve, limit);
	}
	line_bytes = sat_sub(limit_bytes, policy_reserve_bytes(policy, limit_bytes, 1));
	if (policy->warn_permyriad && !policy->warn_is_default &&
	    share_of(limit_bytes, policy->warn_permyriad) >= line_bytes)
		return refuse_warn(policy, permyriad_of(line_bytes, limit_bytes), ret_error);
	return 0;
}

int policy_check(const struct policy *policy, bool many_limits, char **ret_error)
{
	/* With a cap on the reserve the line depends on the limit. */
	if (policy->warn_permyriad && !policy->warn_is_default && policy->reserve_permyriad &&
	    (!policy->reserve_max_bytes || many_limits) &&
	    policy->warn_permyriad + policy->reserve_permyriad >= PERMYRIAD)
		return refuse_warn(policy, PERMYRIAD - policy->reserve_permyriad, ret_error);
	return 0;
}

void policy_kernel(const struct policy *policy, uint64_t page_bytes, struct apo_policy *ret)
{
	*ret = (struct apo_policy){
		.reserve_pages = policy->reserve_bytes / page_bytes +
				 (policy->reserve_bytes % page_bytes != 0),
		.reserve_permyriad = policy->reserve_permyriad,
		.reserve_max_pages = policy->reserve_max_bytes / page_bytes,
		.forecast_ns = policy->forecast_ns,
		.cooldown_ns = policy->cooldown_ns,
		.trip_ns = MAX(policy->grace_ns, AIRBAG_GRACE_NS),
		.warn_permyriad = policy->warn_permyriad,
		.warn_signal = (uint32_t)policy->warn_signal,
		.signal = (uint32_t)policy->signal,
		.target = policy->target,
		.flags = (policy->dry_run ? APO_POLICY_DRY_RUN : 0) |
			 (policy_lends(policy) ? APO_POLICY_AIRBAG : 0) |
			 (policy_brakes(policy) ? APO_POLICY_BRAKE : 0) |
			 (policy->signal_given ? APO_POLICY_SIGNAL_GIVEN : 0) |
			 (policy->warn_by_profile ? APO_POLICY_WARN_BY_PROFILE : 0) |
			 (policy->warn_is_default ? APO_POLICY_WARN_UNASKED : 0),
	};
}
