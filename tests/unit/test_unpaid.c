/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/unpaid.h"

#include <criterion/criterion.h>

static void add_up(uint64_t id, void *userdata)
{
	*(uint64_t *)userdata += id;
}

static uint64_t taken(struct unpaid **list, uint64_t limit_cgroup)
{
	uint64_t sum = 0;

	unpaid_take(list, limit_cgroup, add_up, &sum);
	return sum;
}

Test(unpaid, incidents_are_told_of_the_end_of_their_loan_once)
{
	struct unpaid *list = NULL;

	unpaid_add(&list, 1, 7);
	unpaid_add(&list, 20, 8);
	unpaid_add(&list, 300, 7);
	cr_expect_eq(taken(&list, 9), 0);
	cr_expect_eq(taken(&list, 7), 301);
	cr_expect_eq(taken(&list, 7), 0);
	unpaid_clear(&list);
	cr_expect_null(list);
}
