/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/room.h"

#include <criterion/criterion.h>

#include "base/util.h"

#define GIB (1ULL << 30)
#define NOW (1000 * NSEC_PER_SEC)

Test(room, goes_by_the_cgroups_that_there_are_and_by_memory)
{
	static const struct {
		uint64_t cgroups, memory_bytes;
		uint32_t room;
	} cases[] = {
		{0, 0, ROOM_LEAST}, /* not known */
		{100, 8 * GIB, ROOM_LEAST}, {1500, 8 * GIB, 6000},
		{60000, 8 * GIB, 52428}, /* 32 MiB */
		{60000, 256 * GIB, 240000}, {UINT64_MAX, UINT64_MAX, ROOM_MOST},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(room_for_limits(cases[i].cgroups, cases[i].memory_bytes),
			     cases[i].room, "case %zu: %u", i,
			     room_for_limits(cases[i].cgroups, cases[i].memory_bytes));
	cr_expect_eq(room_for_children(0), 16384);
	cr_expect_eq(room_for_children(64 * GIB), 65536);
	cr_expect_eq(room_for_children(UINT64_MAX), 131072);
}

/* Far from its limit, checked so many seconds ago. */
static struct room_account far(uint64_t id, uint64_t seconds)
{
	return (struct room_account){
		.key.cgroup_id = id,
		.account = {.last_ns = NOW - seconds * NSEC_PER_SEC,
			    .need_pages = 10,
			    .limit_pages = 100},
	};
}

static void expect_to_go(struct room_account *accounts, size_t n, uint32_t room,
			 const uint64_t *ids, size_t count)
{
	size_t went = room_make(accounts, n, room, NOW);

	cr_assert_eq(went, count, "%zu go, not %zu", went, count);
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(accounts[i].key.cgroup_id, ids[i], "%zu: %llu goes, not %llu", i,
			     (unsigned long long)accounts[i].key.cgroup_id,
			     (unsigned long long)ids[i]);
}

Test(room, the_longest_unchecked_go_first_and_an_eighth_at_a_time)
{
	struct room_account accounts[] = {far(1, 5), far(2, 50), far(3, 1), far(4, 20)};

	expect_to_go(accounts, 4, 16, (const uint64_t[]){2, 4}, 2);
}

Test(room, one_goes_at_least)
{
	struct room_account accounts[] = {far(1, 5), far(2, 50)};

	expect_to_go(accounts, 2, 2, (const uint64_t[]){2}, 1);
}

Test(room, near_ones_and_those_that_have_counted_go_last)
{
	struct room_account accounts[] = {far(1, 100), far(2, 90), far(3, 80), far(4, 1)};

	accounts[0].account.need_pages = 75;
	accounts[1].account.oom_kills = 1;
	expect_to_go(accounts, 4, 64, (const uint64_t[]){3, 4, 2, 1}, 4);
}

Test(room, what_is_in_a_trip_or_lent_to_stays)
{
	struct room_account accounts[] = {far(1, 100), far(2, 100), far(3, 100), far(4, 1)};

	accounts[0].is_lent = true;
	accounts[1].account.stage = apo_stage(7, 1);
	accounts[1].account.last_ns = NOW - 59 * NSEC_PER_SEC;
	accounts[2].account.last_trip_ns = NOW - 59 * NSEC_PER_SEC;
	expect_to_go(accounts, 4, 64, (const uint64_t[]){4}, 1);
	for (size_t i = 0; i < 4; i++) { /* both are over, and long ago */
		accounts[i].account.last_ns -= 2 * NSEC_PER_SEC;
		accounts[i].account.last_trip_ns = 0;
	}
	expect_to_go(accounts, 4, 64, (const uint64_t[]){3, 2, 4}, 3);
}

Test(room, nothing_goes_where_nothing_may)
{
	struct room_account lent = far(1, 100);

	lent.is_lent = true;
	expect_to_go(&lent, 1, 64, NULL, 0);
	expect_to_go(NULL, 0, 64, NULL, 0);
}
