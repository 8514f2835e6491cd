/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/tally.h"

#include <criterion/criterion.h>

static struct tallies tallies;

static uint64_t count(uint64_t cgroup_id, enum verdict verdict)
{
	struct status_limit limit = {.key.cgroup_id = cgroup_id};
	struct status status = {.limits = &limit, .limit_count = 1};

	tallies_read(&tallies, &status);
	return limit.verdicts[verdict];
}

static void add(uint64_t cgroup_id, enum verdict verdict)
{
	const struct apo_limit_key limit = {.cgroup_id = cgroup_id};

	tallies_add(&tallies, &limit, verdict);
}

Test(tally, verdicts_are_counted_by_limit_and_in_all)
{
	struct status status = {.limit_count = 0};

	add(7, VERDICT_SAVED);
	add(7, VERDICT_SAVED);
	add(7, VERDICT_TOO_LATE);
	add(8, VERDICT_SAVED);
	add(0, VERDICT_MISSED);
	cr_expect_eq(count(7, VERDICT_SAVED), 2);
	cr_expect_eq(count(7, VERDICT_TOO_LATE), 1);
	cr_expect_eq(count(8, VERDICT_SAVED), 1);
	cr_expect_eq(count(8, VERDICT_TOO_LATE), 0);
	cr_expect_eq(count(9, VERDICT_SAVED), 0);
	tallies_read(&tallies, &status);
	cr_expect_eq(status.verdicts[VERDICT_SAVED], 3);
	cr_expect_eq(status.verdicts[VERDICT_MISSED], 1);
}

Test(tally, the_oldest_limit_is_forgotten)
{
	for (uint64_t id = 1; id <= TALLIES_MAX + 1; id++)
		add(id, VERDICT_SAVED);
	cr_expect_eq(count(1, VERDICT_SAVED), 0);
	cr_expect_eq(count(2, VERDICT_SAVED), 1);
	cr_expect_eq(count(TALLIES_MAX + 1, VERDICT_SAVED), 1);
	cr_expect_eq(tallies.all.verdicts[VERDICT_SAVED], TALLIES_MAX + 1);
}
