/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/incident.h"

Test(incident, new_is_empty_and_open)
{
	struct incident *incident = incident_new();

	cr_assert_not_null(incident);
	cr_expect_eq(incident->verdict, VERDICT_OPEN);
	cr_expect_null(incident->grower.comm);
	cr_expect_not(incident->exit.known);
	cr_expect_eq(incident->exit.code, -1);
	cr_expect_null(incident_free(incident));
}

/* The sanitizer build sees a string that is not freed. */
Test(incident, free_takes_half_built_and_full_ones)
{
	struct incident *incident = incident_new();

	cr_expect_null(incident_free(NULL));
	incident->grower.comm = strdup("a");
	incident->grower.cmdline = strdup("b");
	incident->grower.cgroup = strdup("c");
	incident->grower.container_id = strdup("d");
	incident->target.comm = strdup("e");
	incident->target.cmdline = strdup("f");
	incident->target.cgroup = strdup("g");
	incident->target.container_id = strdup("h");
	incident->limit_cgroup = strdup("i");
	cr_expect_null(incident_free(incident));
}

Test(incident, verdicts_have_the_names_of_the_documents)
{
	cr_expect_str_eq(verdict_name(VERDICT_OPEN), "open");
	cr_expect_str_eq(verdict_name(VERDICT_SAVED), "saved");
	cr_expect_str_eq(verdict_name(VERDICT_TOO_LATE), "too late");
	cr_expect_str_eq(verdict_name(VERDICT_NEEDLESS), "needless");
	cr_expect_str_eq(verdict_name(VERDICT_IGNORED), "ignored");
	cr_expect_str_eq(verdict_name(VERDICT_MISSED), "missed");
	cr_expect_str_eq(verdict_name(VERDICT_DRY_RUN), "dry run");
	cr_expect_str_eq(verdict_name((enum verdict)99), "open");
}

Test(incident, margin_is_the_least_headroom_at_the_rate_of_the_trip)
{
	struct incident i = {.least_headroom_bytes = 50 << 20, .rate_bytes_s = 100 << 20};

	cr_expect_eq(incident_margin_ns(&i), 500000000);
	i.least_headroom_bytes = -1;
	cr_expect_eq(incident_margin_ns(&i), 0);
	i.rate_bytes_s = 0;
	cr_expect_eq(incident_margin_ns(&i), APO_UNLIMITED);
}

Test(incident, the_brake_held_if_the_kernel_counted_it)
{
	struct incident i = {.before = {.known = true}, .after = {.known = true, .at_high = 1}};

	cr_expect_str_eq(incident_brake(&i), "none");
	i.brake_set = true;
	cr_expect_str_eq(incident_brake(&i), "held");
	i.after.at_high = 0;
	cr_expect_str_eq(incident_brake(&i), "set");
}
