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
