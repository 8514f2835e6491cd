/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/policy.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>

#include "base/util.h"
#include "unit/command_line.h"

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

/* --- of a command line --------------------------------------------------------------------- */

#define MIB (1024ULL * 1024)
Test(policy, the_limit_is_checked_once_it_is_known)
{
	_cleanup_free_ char *error = NULL;
	struct options o = WATCH("--all", "--reserve=64M", "--warn=90%");

	cr_expect_eq(policy_check_limit(&o.policy, 1024 * MIB, &error), 0);
	cr_expect_null(error);
	cr_expect_eq(policy_check_limit(&o.policy, 256 * MIB, &error), -EINVAL);
	cr_expect_str_eq(error, "--warn '90%': the reserve begins at 75% of the limit; give a "
				"lower level or a smaller --reserve");
}

Test(policy, only_the_default_reserve_has_a_cap)
{
	struct options o = WATCH("--all");
	_cleanup_free_ char *error = NULL;
	struct apo_policy policy;

	cr_expect_eq(policy_reserve_bytes(&o.policy, 100 * MIB, 4096), 10 * MIB);
	cr_expect_eq(policy_reserve_bytes(&o.policy, 639 * MIB, 4096), 16358 * 4096ULL);
	cr_expect_eq(policy_reserve_bytes(&o.policy, 641 * MIB, 4096), 64 * MIB);
	cr_expect_eq(policy_reserve_bytes(&o.policy, UINT64_MAX, 4096), 64 * MIB);
	policy_kernel(&o.policy, 65536, &policy);
	cr_expect_eq(policy.reserve_max_pages, 1024);

	o = WATCH("--all", "--reserve=10%");
	cr_expect_eq(policy_reserve_bytes(&o.policy, 10240 * MIB, 4096), 1024 * MIB);
	policy_kernel(&o.policy, 4096, &policy);
	cr_expect_eq(policy.reserve_max_pages, 0);
	o = WATCH("--all", "--reserve=4097B");
	cr_expect_eq(policy_reserve_bytes(&o.policy, 10240 * MIB, 4096), 8192);

	/* Where the cap binds, the reserve begins later than at 90 %. */
	o = WATCH("--cgroup=/a", "--warn=95%");
	cr_expect_eq(policy_check_limit(&o.policy, 10240 * MIB, &error), 0);
	cr_expect_eq(policy_check_limit(&o.policy, 100 * MIB, &error), -EINVAL);
	cr_expect_str_eq(error,
			 "--warn '95%': the reserve begins at 90% of the limit; give a lower "
			 "level or a smaller --reserve");
}

Test(policy, policy_counts_in_pages_of_the_machine)
{
	struct options o = WATCH("--all", "--reserve=100K", "--forecast=2s", "--target=all",
				 "--warn=50%:USR2", "--signal=INT", "--dry-run");
	struct apo_policy policy;

	policy_kernel(&o.policy, 4096, &policy);
	cr_expect_eq(policy.reserve_pages, 25);
	cr_expect_eq(policy.reserve_permyriad, 0);
	cr_expect_eq(policy.forecast_ns, 2 * NSEC_PER_SEC);
	cr_expect_eq(policy.cooldown_ns, 10 * NSEC_PER_SEC);
	cr_expect_eq(policy.warn_permyriad, 5000);
	cr_expect_eq(policy.signal, SIGINT);
	cr_expect_eq(policy.warn_signal, SIGUSR2);
	cr_expect_eq(policy.target, APO_TARGET_ALL);
	cr_expect_eq(policy.flags, APO_POLICY_DRY_RUN | APO_POLICY_SIGNAL_GIVEN);

	/* A part of a page is a page: the reserve is never less than asked for. */
	policy_kernel(&o.policy, 65536, &policy);
	cr_expect_eq(policy.reserve_pages, 2);

	o = WATCH("--all");
	policy_kernel(&o.policy, 4096, &policy);
	cr_expect_eq(policy.reserve_pages, 0);
	cr_expect_eq(policy.reserve_permyriad, 1000);
	cr_expect_eq(policy.flags, APO_POLICY_AIRBAG | APO_POLICY_BRAKE);
}
