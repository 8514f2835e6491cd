/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/policy.h"

#include <criterion/criterion.h>

#include "base/util.h"

struct flags_case {
	const char *what;
	struct policy policy;
	uint32_t flags;
};

/* The kernel side asks for a brake by this flag alone, whoever has sent the signal. */
Test(policy, the_kernel_side_brakes_only_what_lends)
{
	static const struct flags_case cases[] = {
		{"nothing is asked for", {.airbag = AIRBAG_OFF}, 0},
		{"a brake without an airbag", {.airbag = AIRBAG_OFF, .brake = true}, 0},
		{"an airbag", {.airbag = AIRBAG_AUTO}, APO_POLICY_AIRBAG},
		{"both",
		 {.airbag = AIRBAG_AUTO, .brake = true},
		 APO_POLICY_AIRBAG | APO_POLICY_BRAKE},
		{"both, of a size",
		 {.airbag = AIRBAG_FIXED, .airbag_bytes = 4096, .brake = true},
		 APO_POLICY_AIRBAG | APO_POLICY_BRAKE},
		{"a dry run",
		 {.airbag = AIRBAG_AUTO, .brake = true, .dry_run = true},
		 APO_POLICY_DRY_RUN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct flags_case *c = &cases[i];
		struct apo_policy kernel;

		policy_kernel(&c->policy, 4096, &kernel);
		cr_expect_eq(kernel.flags, c->flags, "%s: %#x", c->what, kernel.flags);
		cr_expect_eq(policy_brakes(&c->policy), !!(c->flags & APO_POLICY_BRAKE), "%s",
			     c->what);
	}
}

Test(policy, a_trip_is_waited_for_as_long_as_its_grace_and_10_s_at_least)
{
	const struct policy none = {.grace_ns = 0}, longer = {.grace_ns = 30 * NSEC_PER_SEC};
	struct apo_policy kernel;

	policy_kernel(&none, 4096, &kernel);
	cr_expect_eq(kernel.trip_ns, 10 * NSEC_PER_SEC);
	policy_kernel(&longer, 4096, &kernel);
	cr_expect_eq(kernel.trip_ns, 30 * NSEC_PER_SEC);
}
