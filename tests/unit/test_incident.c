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
	incident->grower.unit = strdup("j");
	incident->grower.user_unit = strdup("k");
	incident->target.unit = strdup("l");
	incident->target.user_unit = strdup("m");
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

Test(incident, every_bit_that_may_be_missing_has_its_words)
{
	for (unsigned int bit = 1; bit <= INCIDENT_MISSING_ALL; bit <<= 1) {
		cr_expect_str_neq(incident_missing_sentence(bit), "", "bit %#x", bit);
		cr_expect_str_neq(incident_missing_word(bit), "", "bit %#x", bit);
	}
}

Test(incident, action_of_a_lost_trip_is_known_once_it_is_seen)
{
	struct incident i = {.action = APO_ACT_NONE};

	cr_expect(incident_action_is_known(&i));
	i.missing = INCIDENT_MISSING_RESTART | INCIDENT_MISSING_END;
	cr_expect(incident_action_is_known(&i));
	i.missing = INCIDENT_MISSING_TRIP;
	cr_expect_not(incident_action_is_known(&i));
	i.action = APO_ACT_SENT;
	cr_expect(incident_action_is_known(&i));
	cr_expect_not(incident_is_measured(&i));
}

Test(incident, the_first_peak_of_a_lost_trip_has_none_before_it)
{
	struct incident i = {.peak_need_bytes = 100, .least_headroom_bytes = 50};

	incident_note_peak(&i, 90, 60);
	cr_expect_eq(i.peak_need_bytes, 100);
	cr_expect_eq(i.least_headroom_bytes, 50);
	incident_note_peak(&i, 120, 30);
	cr_expect_eq(i.peak_need_bytes, 120);
	cr_expect_eq(i.least_headroom_bytes, 30);
	i = (struct incident){.missing = INCIDENT_MISSING_TRIP};
	incident_note_peak(&i, 90, 60);
	cr_expect_eq(i.peak_need_bytes, 90);
	cr_expect_eq(i.least_headroom_bytes, 60);
	incident_note_peak(&i, 80, 70);
	cr_expect_eq(i.least_headroom_bytes, 60);
}
