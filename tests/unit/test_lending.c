/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/lending.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "base/util.h"

#define MIB (1024 * 1024ULL)
#define MINUTE (60 * NSEC_PER_SEC)

#define PAGE 4096

/* A machine of 16 GiB, which keeps one of them for itself. */
static uint64_t spare(uint64_t available_bytes)
{
	return lending_spare(16384 * MIB, available_bytes);
}

static bool was_all;

static uint64_t size_of(const struct policy *policy, uint64_t rate_bytes_s)
{
	uint64_t size = 0;

	cr_assert_eq(lending_size(policy, 256 * MIB, rate_bytes_s, spare(3072 * MIB), PAGE, &size,
				  &was_all),
		     0);
	return size;
}

Test(lending, auto_is_two_seconds_of_growth)
{
	struct policy policy = {.airbag = AIRBAG_AUTO};

	cr_expect_eq(size_of(&policy, 200 * MIB), 400 * MIB);
}

Test(lending, auto_is_at_least_a_quarter_of_the_limit_and_at_most_half_of_what_there_is)
{
	struct policy policy = {.airbag = AIRBAG_AUTO};

	cr_expect_eq(size_of(&policy, 0), 64 * MIB);
	cr_expect_not(was_all);
	cr_expect_leq(size_of(&policy, 5000 * MIB), 1025 * MIB);
	cr_expect_geq(size_of(&policy, 5000 * MIB), 1023 * MIB);
	cr_expect(was_all);
}

Test(lending, what_is_asked_for_is_given_unless_there_is_less)
{
	struct policy bytes = {.airbag = AIRBAG_FIXED, .airbag_bytes = 64 * MIB};
	struct policy percent = {.airbag = AIRBAG_FIXED, .airbag_permyriad = 5000};

	cr_expect_eq(size_of(&bytes, 0), 64 * MIB);
	cr_expect(was_all);
	cr_expect_eq(size_of(&percent, 0) / MIB, 127); /* of whole ten-thousandths */
	bytes.airbag_bytes = 9000 * MIB;
	cr_expect_leq(size_of(&bytes, 0), 2049 * MIB);
	cr_expect_geq(size_of(&bytes, 0), 2047 * MIB);
}

Test(lending, a_machine_that_needs_its_memory_lends_nothing)
{
	struct policy policy = {.airbag = AIRBAG_FIXED, .airbag_bytes = 64 * MIB};
	uint64_t size;

	cr_expect_eq(spare(1000 * MIB), 0);
	cr_expect_eq(lending_size(&policy, 256 * MIB, 0, 0, PAGE, &size, &was_all), -ENOMEM);
	cr_expect_eq(lending_size(&policy, 256 * MIB, 0, PAGE - 1, PAGE, &size, &was_all), -ENOMEM);
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

Test(lending, a_limit_goes_back_when_need_fits_or_its_time_is_over)
{
	static const struct {
		const char *what;
		uint64_t need, now_ns;
		unsigned int open_trips;
		bool may_end;
	} cases[] = {
		{"no trip is open, need fits", 100 * MIB - 1, 0, 0, true},
		{"it would fill the limit", 100 * MIB, 0, 0, false},
		{"it would be beyond it", 120 * MIB, 0, 0, false},
		{"a trip is open, need is clear of the line", 80 * MIB - 1, 0, 1, true},
		{"just below the line, as after a stock is given back", 89 * MIB, 0, 1, false},
		{"between line and limit", 95 * MIB, 0, 2, false},
		{"a number that makes no sense", UINT64_MAX, 0, 1, false},
		{"just before the deadline", 120 * MIB, NSEC_PER_SEC - 1, 1, false},
		{"at the deadline", 120 * MIB, NSEC_PER_SEC, 1, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct lent lent = {
			.limit_bytes = 100 * MIB,
			.reserve_bytes = 10 * MIB,
			.deadline_ns = NSEC_PER_SEC,
			.open_trips = cases[i].open_trips,
		};

		cr_expect_eq(lending_may_end(&lent, cases[i].need, cases[i].now_ns),
			     cases[i].may_end, "%s", cases[i].what);
	}
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
