/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/early.h"

#include <criterion/criterion.h>

static struct responder_result answer(uint64_t trip_id, pid_t pid)
{
	return (struct responder_result){.trip_id = trip_id, .pid = pid};
}

Test(early, answers_of_a_trip_are_taken_in_their_order_and_once)
{
	static struct early early;
	struct responder_result result, gone;

	for (pid_t pid = 1; pid <= 3; pid++) {
		result = answer(7, pid);
		cr_expect_not(early_keep(&early, &result, &gone));
		result = answer(8, pid + 10);
		cr_expect_not(early_keep(&early, &result, &gone));
	}
	for (pid_t pid = 1; pid <= 3; pid++) {
		cr_assert(early_take(&early, 7, &result));
		cr_expect_eq(result.pid, pid);
	}
	cr_expect_not(early_take(&early, 7, &result));
	cr_expect(early_take(&early, 8, &result));
	cr_expect_eq(result.pid, 11);
}

Test(early, without_room_the_oldest_goes_and_is_told)
{
	static struct early early;
	struct responder_result result, gone;

	for (unsigned int i = 0; i < EARLY_MAX; i++) {
		result = answer(100 + i, 1);
		cr_expect_not(early_keep(&early, &result, &gone));
	}
	result = answer(1, 1);
	cr_assert(early_keep(&early, &result, &gone));
	cr_expect_eq(gone.trip_id, 100);
	cr_expect(early_take(&early, 1, &result));
	cr_expect_not(early_take(&early, 100, &result));
	/* Whose place is free again makes nobody go. */
	result = answer(2, 1);
	cr_expect(early_keep(&early, &result, &gone));
	cr_expect_eq(gone.trip_id, 101);
}
