/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/tally.h"

#include <criterion/criterion.h>

static struct tallies tallies;

static uint64_t count(uint64_t cgroup_id, enum verdict verdict)
{
	struct status_guard guard = {.id = cgroup_id};
	struct status status = {.guards = &guard, .guard_count = 1};

	tallies_read(&tallies, &status);
	return guard.verdicts[verdict];
}

Test(tally, verdicts_are_counted_by_guard_and_in_all)
{
	struct status status = {.guard_count = 0};

	tallies_add(&tallies, 7, VERDICT_SAVED);
	tallies_add(&tallies, 7, VERDICT_SAVED);
	tallies_add(&tallies, 7, VERDICT_TOO_LATE);
	tallies_add(&tallies, 8, VERDICT_SAVED);
	tallies_add(&tallies, 0, VERDICT_MISSED);
	cr_expect_eq(count(7, VERDICT_SAVED), 2);
	cr_expect_eq(count(7, VERDICT_TOO_LATE), 1);
	cr_expect_eq(count(8, VERDICT_SAVED), 1);
	cr_expect_eq(count(8, VERDICT_TOO_LATE), 0);
	cr_expect_eq(count(9, VERDICT_SAVED), 0);
	tallies_read(&tallies, &status);
	cr_expect_eq(status.verdicts[VERDICT_SAVED], 3);
	cr_expect_eq(status.verdicts[VERDICT_MISSED], 1);
}

Test(tally, the_oldest_guard_is_forgotten)
{
	for (uint64_t id = 1; id <= TALLIES_MAX + 1; id++)
		tallies_add(&tallies, id, VERDICT_SAVED);
	cr_expect_eq(count(1, VERDICT_SAVED), 0);
	cr_expect_eq(count(2, VERDICT_SAVED), 1);
	cr_expect_eq(count(TALLIES_MAX + 1, VERDICT_SAVED), 1);
	cr_expect_eq(tallies.all.verdicts[VERDICT_SAVED], TALLIES_MAX + 1);
}
