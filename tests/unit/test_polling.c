/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/polling.h"

#include <criterion/criterion.h>

#include "base/util.h"

#define MIB (1024LL * 1024)

Test(polling, looks_the_more_often_the_nearer_the_line_is)
{
	const struct polling polling = {.reserve_bytes = 16 * MIB};
	static const struct {
		int64_t headroom;
		uint64_t wait_ns;
	} cases[] = {
		{INT64_MAX, POLLING_MOST_NS},
		{100000 * MIB, POLLING_MOST_NS},
		{16 * MIB, POLLING_LEAST_NS},
		{17 * MIB, POLLING_LEAST_NS},
		{0, POLLING_LEAST_NS},
		{-MIB, POLLING_LEAST_NS},
		{16 * MIB + 800000000, 100 * NSEC_PER_MSEC},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(polling_wait_ns(&polling, cases[i].headroom), cases[i].wait_ns, "%zu",
			     i);
}

Test(polling, tells_once_for_each_line)
{
	static const struct {
		int64_t headroom;
		bool crosses;
	} course[] = {
		{100 * MIB, false},  {16 * MIB, false}, {16 * MIB - 1, true}, {15 * MIB, false},
		{8 * MIB - 1, true}, {8 * MIB, false},	{-MIB, true},	      {-MIB, false},
		{19 * MIB, false},   {10 * MIB, false}, {20 * MIB, false},    {10 * MIB, true},
	};
	struct polling polling = {.reserve_bytes = 16 * MIB};

	for (size_t i = 0; i < ARRAY_SIZE(course); i++)
		cr_expect_eq(polling_crosses(&polling, course[i].headroom), course[i].crosses,
			     "%zu", i);
}

Test(polling, is_due_again_where_nobody_could_be_told)
{
	struct polling polling = {.reserve_bytes = 16 * MIB};

	cr_expect(polling_crosses(&polling, 4 * MIB));
	polling_undo(&polling);
	cr_expect(polling_crosses(&polling, 4 * MIB));
	cr_expect_not(polling_crosses(&polling, 4 * MIB));
}

Test(polling, without_a_reserve_the_limit_is_the_line)
{
	struct polling polling = {.reserve_bytes = 0};

	cr_expect_not(polling_crosses(&polling, 0));
	cr_expect(polling_crosses(&polling, -1));
	cr_expect_not(polling_crosses(&polling, -1));
	cr_expect_not(polling_crosses(&polling, 1));
	cr_expect(polling_crosses(&polling, -1));
}
