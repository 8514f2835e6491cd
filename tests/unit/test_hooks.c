/* SPDX-License-Identifier: BSD-2-Clause */
/* That the table and the programs are of each other is for a live test: kernel/programs_load. */
#include <criterion/criterion.h>
#include <string.h>

#include "apoptosis/abi.h"
#include "core/hooks.h"
#include "output/format.h"

static bool is_trigger(const struct hook *hook, const char *name)
{
	return hook->trigger && strcmp(hook->trigger, name) == 0;
}

Test(hooks, each_program_and_each_point_has_one_row)
{
	for (size_t i = 0; i < hook_count; i++) {
		cr_expect_eq(hook_find(hooks[i].program), &hooks[i], "%s", hooks[i].program);
		for (size_t j = 0; j < i; j++)
			cr_expect_str_neq(hooks[i].point, hooks[j].point);
	}
	cr_expect_null(hook_find("prepare"));
}

Test(hooks, a_trigger_has_one_row_beside_those_whose_place_it_takes)
{
	for (size_t i = 0; i < hook_count; i++) {
		size_t rows = 0;

		if (!hooks[i].trigger)
			continue;
		for (size_t j = 0; j < hook_count; j++)
			rows += is_trigger(&hooks[j], hooks[i].trigger) && !hooks[j].unless;
		cr_expect_eq(rows, 1, "%s", hooks[i].trigger);
	}
}

Test(hooks, the_trigger_that_takes_a_place_is_another_one_of_the_table)
{
	for (size_t i = 0; i < hook_count; i++) {
		size_t rows = 0;

		if (!hooks[i].unless)
			continue;
		for (size_t j = 0; j < hook_count; j++)
			rows += j != i && is_trigger(&hooks[j], hooks[i].unless);
		cr_expect_eq(rows, 1, "%s unless %s", hooks[i].program, hooks[i].unless);
		cr_expect_not(is_trigger(&hooks[i], hooks[i].unless), "%s", hooks[i].program);
	}
}

Test(hooks, triggers_are_those_that_trips_name)
{
	for (size_t i = 0; i < hook_count; i++) {
		bool is_named = !hooks[i].trigger;

		for (unsigned int t = 1; t <= APO_TRIGGERS; t++)
			is_named |= is_trigger(&hooks[i], trigger_name((enum apo_trigger)t));
		cr_expect(is_named, "no trip has the trigger %s", hooks[i].trigger);
	}
	for (unsigned int t = 1; t <= APO_TRIGGERS; t++) {
		size_t rows = 0;

		for (size_t i = 0; i < hook_count; i++)
			rows += is_trigger(&hooks[i], trigger_name((enum apo_trigger)t));
		cr_expect_gt(rows, 0, "no hook is %s", trigger_name((enum apo_trigger)t));
	}
}

Test(hooks, what_closes_a_trip_is_attached_before_what_can_trip)
{
	bool may_trip = false;

	for (size_t i = 0; i < hook_count; i++) {
		may_trip |= hooks[i].trigger != NULL;
		cr_expect_eq(hooks[i].trigger != NULL, may_trip, "%s", hooks[i].program);
	}
	cr_expect_lt(hook_find("on_exit"), hook_find("on_fork"));
}

Test(hooks, what_is_needed_is_no_extra_and_all_is_explained)
{
	for (size_t i = 0; i < hook_count; i++) {
		if (hooks[i].needed) {
			cr_expect_neq(hooks[i].weight, PROTECTION_EXTRA, "%s", hooks[i].program);
			cr_expect_null(hooks[i].unless, "%s", hooks[i].program);
		}
		cr_expect(hooks[i].gives && hooks[i].lost && hooks[i].remedy, "%s",
			  hooks[i].program);
	}
}

static size_t row(const char *program)
{
	const struct hook *hook = hook_find(program);

	cr_assert_not_null(hook, "%s", program);
	return (size_t)(hook - hooks);
}

/* With everything there but these two programs, which are used and which triggers they are. */
static void expect_choice(const char *absent, const char *also_absent, bool is_switch_used,
			  const struct trigger_names *expected)
{
	bool there[HOOKS_MAX] = {}, used[HOOKS_MAX];
	struct trigger_names triggers;

	for (size_t i = 0; i < hook_count; i++)
		there[i] = true;
	if (absent)
		there[row(absent)] = false;
	if (also_absent)
		there[row(also_absent)] = false;
	hooks_choose(there, used);
	for (size_t i = 0; i < hook_count; i++)
		cr_expect_eq(used[i], i == row("on_switch") ? is_switch_used : there[i], "%s",
			     hooks[i].program);
	hooks_triggers(used, &triggers);
	cr_assert_eq(triggers.count, expected->count);
	for (size_t i = 0; i < expected->count; i++)
		cr_expect_str_eq(triggers.names[i], expected->names[i]);
}

Test(hooks, the_switch_is_used_where_there_is_no_charge_trigger)
{
	expect_choice(NULL, NULL, false,
		      &(struct trigger_names){4, {"growth", "charge", "tick", "reclaim"}});
	expect_choice("on_charge", NULL, true,
		      &(struct trigger_names){3, {"growth", "tick", "reclaim"}});
	expect_choice("on_charge", "on_tick", true,
		      &(struct trigger_names){3, {"growth", "tick", "reclaim"}});
	expect_choice("on_charge", "on_switch", false,
		      &(struct trigger_names){3, {"growth", "tick", "reclaim"}});
	expect_choice("on_tick", NULL, false,
		      &(struct trigger_names){3, {"growth", "charge", "reclaim"}});
	expect_choice("on_rss_stat", "on_reclaim", false,
		      &(struct trigger_names){2, {"charge", "tick"}});
}
