/* SPDX-License-Identifier: BSD-2-Clause */
#include "rescue/loan.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>

#include "base/util.h"
#include "unit/fixture.h"

TestSuite(loan, .init = fixture_make, .fini = fixture_remove);

#define MIB (1024 * 1024ULL)
#define MINUTE (60 * NSEC_PER_SEC)

/* A machine of 16 GiB, which keeps one of them for itself. */
static int machine(const char *available)
{
	char text[128];

	snprintf(text, sizeof(text), "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: %s kB\n",
		 available);
	fixture_file("meminfo", text);
	return fixture_root();
}

static bool was_all;

static uint64_t size_of(const struct options *options, uint64_t rate_bytes_s)
{
	uint64_t size = 0;

	cr_assert_eq(loan_size(options, machine("3145728"), 256 * MIB, rate_bytes_s, &size,
			       &was_all),
		     0);
	return size;
}

Test(loan, auto_is_two_seconds_of_growth)
{
	struct options options = {.airbag = AIRBAG_AUTO};

	cr_expect_eq(size_of(&options, 200 * MIB), 400 * MIB);
}

Test(loan, auto_is_at_least_a_quarter_of_the_limit_and_at_most_half_of_what_there_is)
{
	struct options options = {.airbag = AIRBAG_AUTO};

	cr_expect_eq(size_of(&options, 0), 64 * MIB);
	cr_expect_not(was_all);
	cr_expect_leq(size_of(&options, 5000 * MIB), 1025 * MIB);
	cr_expect_geq(size_of(&options, 5000 * MIB), 1023 * MIB);
	cr_expect(was_all);
}

Test(loan, what_is_asked_for_is_given_unless_there_is_less)
{
	struct options bytes = {.airbag = AIRBAG_FIXED, .airbag_bytes = 64 * MIB};
	struct options percent = {.airbag = AIRBAG_FIXED, .airbag_permyriad = 5000};

	cr_expect_eq(size_of(&bytes, 0), 64 * MIB);
	cr_expect(was_all);
	cr_expect_eq(size_of(&percent, 0) / MIB, 127); /* of whole ten-thousandths */
	bytes.airbag_bytes = 9000 * MIB;
	cr_expect_leq(size_of(&bytes, 0), 2049 * MIB);
	cr_expect_geq(size_of(&bytes, 0), 2047 * MIB);
}

Test(loan, a_machine_that_needs_its_memory_lends_nothing)
{
	struct options options = {.airbag = AIRBAG_FIXED, .airbag_bytes = 64 * MIB};
	uint64_t size;

	cr_expect_eq(loan_size(&options, machine("1000000"), 256 * MIB, 0, &size, &was_all),
		     -ENOMEM);
	fixture_file("meminfo", "MemTotal: 1 kB\n");
	cr_expect_eq(loan_size(&options, fixture_root(), 256 * MIB, 0, &size, &was_all), -EBADMSG);
}

Test(loan, three_in_a_row_and_then_one_a_minute)
{
	struct debt debts[LOAN_DEBTS] = {0};
	uint64_t now = 1000 * MINUTE;

	for (int i = 0; i < 3; i++) {
		cr_expect(loan_allowed(debts, 17, now));
		loan_taken(debts, 17, now);
	}
	cr_expect_not(loan_allowed(debts, 17, now));
	cr_expect(loan_allowed(debts, 18, now), "another pays for it");
	cr_expect_not(loan_allowed(debts, 17, now + MINUTE - 1));
	cr_expect(loan_allowed(debts, 17, now + MINUTE));
	loan_taken(debts, 17, now + MINUTE);
	cr_expect_not(loan_allowed(debts, 17, now + MINUTE));
}

Test(loan, of_too_many_the_one_that_has_nearly_paid_is_forgotten)
{
	struct debt debts[LOAN_DEBTS] = {0};

	for (uint64_t path = 1; path <= LOAN_DEBTS; path++)
		for (int i = 0; i < 3; i++)
			loan_taken(debts, path, path * NSEC_PER_SEC);
	loan_taken(debts, 1000, 100 * NSEC_PER_SEC);
	cr_expect(loan_allowed(debts, 1, LOAN_DEBTS * NSEC_PER_SEC));
}
