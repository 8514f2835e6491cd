/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/lending.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>

#include "base/util.h"

#define MIB (1024 * 1024ULL)
#define MINUTE (60 * NSEC_PER_SEC)

#define PAGE 4096

/* A machine of 16 GiB, which keeps one of them for itself. */
static uint64_t spare(uint64_t available_bytes)
{
	return lending_spare(16384 * MIB, available_bytes);
}

static const struct policy automatic = {.airbag = AIRBAG_AUTO, .airbag_max_permyriad = 10000};
static const struct policy fixed = {.airbag = AIRBAG_FIXED, .airbag_bytes = 64 * MIB};

Test(lending, a_first_loan_is_small_and_grows_with_the_rate)
{
	static const struct {
		const char *what;
		const struct policy *policy;
		uint64_t limit, rate, size;
	} cases[] = {
		{"an eighth of the limit", &automatic, 256 * MIB, 0, 32 * MIB},
		{"an eighth of a second", &automatic, 256 * MIB, 400 * MIB, 50 * MIB},
		{"a quarter of the limit at most", &automatic, 256 * MIB, 4000 * MIB, 64 * MIB},
		{"no more than may be lent at all", &fixed, 4096 * MIB, 0, 64 * MIB},
		{"and not that, if it is less", &fixed, 256 * MIB, 0, 32 * MIB},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(lending_first_bytes(cases[i].policy, cases[i].limit, cases[i].rate),
			     cases[i].size, "%s", cases[i].what);
}

Test(lending, a_trip_gets_two_seconds_of_growth_and_at_least_a_quarter_of_the_limit)
{
	struct policy half = {.airbag = AIRBAG_FIXED, .airbag_permyriad = 5000};

	cr_expect_eq(lending_trip_bytes(&automatic, 256 * MIB, 200 * MIB), 400 * MIB);
	cr_expect_eq(lending_trip_bytes(&automatic, 256 * MIB, 0), 64 * MIB);
	cr_expect_eq(lending_trip_bytes(&automatic, 256 * MIB, UINT64_MAX), UINT64_MAX);
	cr_expect_eq(lending_trip_bytes(&fixed, 256 * MIB, 5000 * MIB), 64 * MIB);
	cr_expect_eq(lending_trip_bytes(&half, 256 * MIB, 5000 * MIB), 128 * MIB);
}

Test(lending, the_host_gives_half_of_what_it_can_spare_and_has_not_lent)
{
	const uint64_t beyond = spare(3072 * MIB);

	cr_expect_eq(spare(1000 * MIB), 0);
	cr_expect_eq(lending_host_bytes(&automatic, beyond, UINT64_MAX, 0), beyond / 2);
	cr_expect_eq(lending_host_bytes(&automatic, beyond, UINT64_MAX, 1024 * MIB),
		     (beyond - 1024 * MIB) / 2);
	cr_expect_eq(lending_host_bytes(&automatic, beyond, UINT64_MAX, 9000 * MIB), 0);
	cr_expect_eq(lending_host_bytes(&fixed, beyond, UINT64_MAX, 1024 * MIB),
		     beyond - 1024 * MIB);
}

Test(lending, what_the_operator_lets_be_lent_in_all_is_the_most)
{
	const uint64_t beyond = spare(3072 * MIB);

	cr_expect_eq(lending_host_bytes(&automatic, beyond, 100 * MIB, 0), 100 * MIB);
	cr_expect_eq(lending_host_bytes(&automatic, beyond, 100 * MIB, 70 * MIB), 30 * MIB);
	cr_expect_eq(lending_host_bytes(&fixed, beyond, 100 * MIB, 100 * MIB), 0);
	cr_expect_eq(lending_host_bytes(&fixed, beyond, 100 * MIB, 101 * MIB), 0);
	cr_expect_eq(lending_host_bytes(&automatic, 80 * MIB, 100 * MIB, 0), 40 * MIB);
}

Test(lending, two_hundred_that_ask_at_once_never_get_more_than_there_is)
{
	const uint64_t beyond = spare(3072 * MIB);
	uint64_t lent = 0, last = UINT64_MAX;

	for (int i = 0; i < 200; i++) {
		uint64_t given =
			MIN(64 * MIB, lending_host_bytes(&automatic, beyond, UINT64_MAX, lent));

		cr_expect_leq(given, last);
		last = given;
		lent += given;
	}
	cr_expect_leq(lent, beyond);
}

/* Limits from the process's own upwards. */
Test(lending, each_limit_that_the_growth_would_meet_is_raised)
{
	static const struct {
		const char *what;
		struct {
			uint64_t limit, used, lent, most, add; /* MiB */
		} levels[3];
		size_t n;
		uint64_t more;
		int result;
		bool all;
	} cases[] = {
		{"one alone", {{128, 126, 0, 128, 32}}, 1, 32, 0, false},
		{"further", {{128, 150, 32, 128, 64}}, 1, 64, 0, false},
		{"not beyond the most", {{128, 150, 32, 128, 96}}, 1, 500, 0, true},
		{"the most is lent", {{128, 250, 128, 128, 0}}, 1, 64, -ENOMEM, false},
		{"both the same",
		 {{128, 126, 0, 128, 32}, {128, 127, 0, 128, 33}},
		 2,
		 33,
		 0,
		 false},
		{"a pod that is a little larger",
		 {{128, 126, 0, 128, 32}, {130, 127, 0, 130, 31}},
		 2,
		 32,
		 0,
		 false},
		{"a pod with ample room",
		 {{128, 126, 0, 128, 32}, {256, 127, 0, 256, 0}},
		 2,
		 32,
		 0,
		 false},
		{"the pod binds", {{160, 126, 0, 160, 0}, {128, 127, 0, 128, 32}}, 2, 32, 0, false},
		{"three",
		 {{128, 126, 0, 128, 64}, {160, 127, 0, 160, 33}, {192, 190, 0, 192, 64}},
		 3,
		 64,
		 0,
		 false},
		{"one that is owed allows no more than it leaves",
		 {{128, 126, 0, 128, 8}, {130, 120, 0, 0, 0}},
		 2,
		 32,
		 0,
		 true},
		{"and nothing where it leaves nothing",
		 {{128, 126, 0, 128, 0}, {130, 130, 0, 0, 0}},
		 2,
		 32,
		 -ENOMEM,
		 false},
		{"more is used than there is", {{128, 140, 0, 128, 32}}, 1, 32, 0, false},
		{"nothing is given", {{128, 126, 0, 128, 0}}, 1, 0, -ENOMEM, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lending_level levels[3];
		uint64_t add[3] = {};
		bool all = false;

		for (size_t l = 0; l < cases[i].n; l++)
			levels[l] = (struct lending_level){
				.limit_bytes = cases[i].levels[l].limit * MIB,
				.used_bytes = cases[i].levels[l].used * MIB,
				.lent_bytes = cases[i].levels[l].lent * MIB,
				.most_bytes = cases[i].levels[l].most * MIB,
			};
		cr_expect_eq(lending_plan(levels, cases[i].n, cases[i].more * MIB, PAGE, add, &all),
			     cases[i].result, "%s", cases[i].what);
		cr_expect_eq(all, cases[i].all, "%s", cases[i].what);
		for (size_t l = 0; l < cases[i].n; l++)
			cr_expect_eq(add[l], cases[i].levels[l].add * MIB, "%s: %zu: %" PRIu64,
				     cases[i].what, l, (uint64_t)(add[l] / MIB));
	}
}

Test(lending, loans_are_in_whole_pages)
{
	const struct lending_level level = {
		.limit_bytes = 128 * MIB, .used_bytes = 126 * MIB + 1, .most_bytes = 128 * MIB};
	uint64_t add;
	bool all;

	cr_expect_eq(lending_plan(&level, 1, MIB + 1, PAGE, &add, &all), 0);
	cr_expect_eq(add, MIB);
	cr_expect_eq(lending_plan(&level, 1, PAGE - 1, PAGE, &add, &all), -ENOMEM);
}

Test(lending, three_in_a_row_and_then_one_a_minute)
{
	struct debt debts[LENDING_DEBTS] = {0};
	uint64_t now = 1000 * MINUTE;

	for (int i = 0; i < 3; i++) {
		cr_expect(lending_allowed(debts, 17, now));
		lending_take(debts, 17, now);
	}
	cr_expect_not(lending_allowed(debts, 17, now));
	cr_expect(lending_allowed(debts, 18, now), "another pays for it");
	cr_expect_not(lending_allowed(debts, 17, now + MINUTE - 1));
	cr_expect(lending_allowed(debts, 17, now + MINUTE));
	lending_take(debts, 17, now + MINUTE);
	cr_expect_not(lending_allowed(debts, 17, now + MINUTE));
}

Test(lending, of_too_many_the_one_that_has_nearly_paid_is_forgotten)
{
	struct debt debts[LENDING_DEBTS] = {0};

	for (uint64_t path = 1; path <= LENDING_DEBTS; path++)
		for (int i = 0; i < 3; i++)
			lending_take(debts, path, path * NSEC_PER_SEC);
	lending_take(debts, 1000, 100 * NSEC_PER_SEC);
	cr_expect(lending_allowed(debts, 1, LENDING_DEBTS * NSEC_PER_SEC));
}

Test(lending, the_brake_takes_hold_in_the_last_eighth_or_half_way_to_the_end)
{
	static const struct {
		const char *what;
		uint64_t raised, used, high;
	} cases[] = {
		{"much is left: an eighth", 512 * MIB, 256 * MIB, 448 * MIB},
		{"just as far", 512 * MIB, 384 * MIB, 448 * MIB},
		{"little is left: half of it", 512 * MIB, 480 * MIB, 496 * MIB},
		{"whole pages", 512 * MIB, 512 * MIB - 3 * PAGE, 512 * MIB - 2 * PAGE},
		{"nothing is left", 512 * MIB, 512 * MIB, 512 * MIB},
		{"beyond it, on v2 for a moment", 512 * MIB, 600 * MIB, 512 * MIB},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(lending_brake_bytes(cases[i].raised, cases[i].used, PAGE),
			     cases[i].high, "%s", cases[i].what);
}

Test(lending, a_loan_lasts_for_the_grace_and_what_ending_takes)
{
	const uint64_t now = 100 * NSEC_PER_SEC;

	cr_expect_eq(lending_deadline_ns(now, 3 * NSEC_PER_SEC), 105 * NSEC_PER_SEC);
	cr_expect_eq(lending_deadline_ns(now, 0), now + AIRBAG_GRACE_NS + 2 * NSEC_PER_SEC);
	cr_expect_eq(lending_deadline_ns(now, UINT64_MAX - 1), UINT64_MAX);
	cr_expect_eq(lending_closed_deadline_ns(105 * NSEC_PER_SEC, now), 102 * NSEC_PER_SEC);
	cr_expect_eq(lending_closed_deadline_ns(101 * NSEC_PER_SEC, now), 101 * NSEC_PER_SEC);
}

#define LATER (6 * NSEC_PER_SEC) /* a second after it was raised */

Test(lending, a_limit_goes_back_when_need_is_clear_of_it_or_its_time_is_over)
{
	static const struct {
		const char *what;
		uint64_t limit, need, now_ns;
		unsigned int cpus;
		bool may_end;
	} cases[] = {
		{"need is clear of the limit", 256 * MIB, 247 * MIB - 1, LATER, 2, true},
		{"it was raised just now", 256 * MIB, 100 * MIB, LATER - 1, 2, false},
		{"just not", 256 * MIB, 247 * MIB, LATER, 2, false},
		{"many CPUs may hold much", 256 * MIB, 247 * MIB - 1, LATER, 16, false},
		{"not more than a part of it", 256 * MIB, 232 * MIB - 1, LATER, 1000, true},
		{"a small limit", 16 * MIB, 14 * MIB - 1, LATER, 2, true},
		{"need is near: it may stand as long as that is so", 256 * MIB, 255 * MIB, LATER, 2,
		 false},
		{"it would be beyond it", 256 * MIB, 300 * MIB, LATER, 2, false},
		{"a number that makes no sense", 256 * MIB, UINT64_MAX, LATER, 2, false},
		{"just before the deadline", 256 * MIB, 300 * MIB, 9 * NSEC_PER_SEC - 1, 2, false},
		{"at the deadline", 256 * MIB, 300 * MIB, 9 * NSEC_PER_SEC, 2, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct lent lent = {
			.limit_bytes = cases[i].limit,
			.least_ns = lending_least_ns(5 * NSEC_PER_SEC, false),
			.deadline_ns = 9 * NSEC_PER_SEC,
			.cpus = cases[i].cpus,
		};

		cr_expect_eq(lending_may_end(&lent, cases[i].need, cases[i].now_ns),
			     cases[i].may_end, "%s", cases[i].what);
	}
}

Test(lending, a_stall_keeps_its_loan_for_longer)
{
	cr_expect_eq(lending_least_ns(5 * NSEC_PER_SEC, false), 6 * NSEC_PER_SEC);
	cr_expect_eq(lending_least_ns(5 * NSEC_PER_SEC, true), 15 * NSEC_PER_SEC);
	cr_expect_eq(lending_least_ns(UINT64_MAX, true), UINT64_MAX);
}

Test(lending, what_becomes_of_a_loan_whose_limit_was_to_go_back)
{
	static const struct {
		const char *what;
		int error;
		bool wanted_again;
		enum lending_end end;
	} cases[] = {
		{"it is back", 0, false, LENDING_ENDED},
		{"the cgroup is gone", -ENOENT, false, LENDING_ENDED},
		{"its files are", -ENODEV, false, LENDING_ENDED},
		{"its id is", -ESTALE, false, LENDING_ENDED},
		{"v1: more is in use", -EBUSY, false, LENDING_REFUSED},
		{"not allowed any more", -EACCES, false, LENDING_REFUSED},
		{"it is back, and another trip came", 0, true, LENDING_RENEWED},
		{"refused, and another trip came", -EBUSY, true, LENDING_RENEWED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(lending_end(cases[i].error, cases[i].wanted_again), cases[i].end, "%s",
			     cases[i].what);
}

Test(lending, a_limit_that_cannot_go_back_follows_what_is_used)
{
	const struct {
		const char *what;
		uint64_t before, now, used, to;
	} cases[] = {
		{"with what is used", 128 * MIB, 1024 * MIB, 500 * MIB, 501 * MIB},
		{"in whole pages", 128 * MIB, 1024 * MIB, 500 * MIB + 1, 501 * MIB},
		{"never below what it was", 128 * MIB, 1024 * MIB, 10 * MIB, 128 * MIB},
		{"not by less than it is worth", 128 * MIB, 502 * MIB - 1, 500 * MIB,
		 502 * MIB - 1},
		{"by what it is worth", 128 * MIB, 502 * MIB, 500 * MIB, 501 * MIB},
		{"not up", 128 * MIB, 300 * MIB, 500 * MIB, 300 * MIB},
		{"what is used is not known", 128 * MIB, 300 * MIB, UINT64_MAX, 300 * MIB},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(lending_step_bytes(cases[i].before, cases[i].now, cases[i].used, PAGE),
			     cases[i].to, "%s", cases[i].what);
}
