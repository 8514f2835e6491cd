// SPDX-License-Identifier: BSD-2-Clause
#include "core/unit_state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

static struct unit_state parsed(const char *text)
{
	struct unit_state state;

	cr_assert_eq(unit_state_parse(text, &state), 0, "%s", text);
	return state;
}

Test(unit_state, what_systemctl_shows_is_read)
{
	struct unit_state state = parsed("Restart=on-failure\nResult=success\nMainPID=70\n"
					 "LoadState=loaded\nActiveState=active\n"
					 "ActiveEnterTimestampMonotonic=1500000\n"
					 "ActiveExitTimestampMonotonic=1600000\n"
					 "ExecMainExitTimestampMonotonic=1700000\n");

	cr_expect_eq(state.activity, UNIT_UP);
	cr_expect(state.is_loaded);
	cr_expect_eq(state.main_pid, 70);
	cr_expect_eq(state.up_ns, 1500 * NSEC_PER_MSEC);
	cr_expect_eq(state.left_ns, 1600 * NSEC_PER_MSEC);
	cr_expect_eq(state.main_end_ns, 1700 * NSEC_PER_MSEC);
	cr_expect_str_eq(state.restart, "on-failure");
	cr_expect_str_eq(state.result, "success");
	cr_expect_not(state.has_job);
}

Test(unit_state, of_several_units_each_is_read_in_turn)
{
	static const char text[] =
		"ActiveState=active\nMainPID=70\nExecStop={ path=/bin/true ; }\n\n"
		"ActiveState=failed\nRestart=no\n\n"
		"MainPID=90\nActiveState=active\n";
	const char *second = unit_state_next(text), *third;

	cr_expect_eq(parsed(text).main_pid, 70);
	cr_expect(parsed(text).has_exec_stop);
	cr_assert_not_null(second);
	cr_expect_eq(parsed(second).main_pid, 0, "it is the next one's");
	cr_expect_eq(parsed(second).activity, UNIT_DOWN);
	cr_expect_not(parsed(second).has_exec_stop);
	third = unit_state_next(second);
	cr_assert_not_null(third);
	cr_expect_eq(parsed(third).main_pid, 90);
	cr_expect_null(unit_state_next(third));
	cr_expect_null(unit_state_next("ActiveState=active\n\n"));
}

Test(unit_state, what_its_owner_has_declared_counts)
{
	static const struct {
		const char *text;
		bool restarts;
		enum apo_declaration by;
		int signal;
	} cases[] = {
		{"KillSignal=15\nRestartKillSignal=15\nExecStop=\n", true, APO_DECLARED_NOTHING,
		 SIGTERM},
		{"", false, APO_DECLARED_NOTHING, SIGTERM},
		{"KillSignal=3\nRestartKillSignal=3\n", false, APO_DECLARED_KILL_SIGNAL, SIGQUIT},
		{"KillSignal=3\nRestartKillSignal=3\n", true, APO_DECLARED_KILL_SIGNAL, SIGQUIT},
		{"KillSignal=3\nRestartKillSignal=10\n", false, APO_DECLARED_KILL_SIGNAL, SIGQUIT},
		{"KillSignal=3\nRestartKillSignal=10\n", true, APO_DECLARED_RESTART_SIGNAL,
		 SIGUSR1},
		{"KillSignal=3\nRestartKillSignal=15\n", true, APO_DECLARED_NOTHING, SIGTERM},
		{"KillSignal=37\n", false, APO_DECLARED_KILL_SIGNAL, 37},
		/* No graceful ones, and none. */
		{"KillSignal=9\nRestartKillSignal=9\n", true, APO_DECLARED_NOTHING, SIGTERM},
		{"KillSignal=99\n", false, APO_DECLARED_NOTHING, SIGTERM},
		{"KillSignal=3\nExecStop={ path=/x ; }\n", false, APO_DECLARED_EXEC_STOP, SIGQUIT},
		{"ExecStop={ path=/x ; }\nCanStop=yes\n", true, APO_DECLARED_EXEC_RESTART, SIGTERM},
		/* RefuseManualStop= */
		{"ExecStop={ path=/x ; }\nCanStop=no\n", true, APO_DECLARED_NOTHING, SIGTERM},
		{"ExecStopPost={ path=/x ; }\n", true, APO_DECLARED_NOTHING, SIGTERM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];
		struct unit_state state;
		struct apo_declared declared;

		snprintf(text, sizeof(text), "ActiveState=active\n%s", cases[i].text);
		state = parsed(text);
		declared = unit_declares(&state, cases[i].restarts);
		cr_expect_eq(declared.by, cases[i].by, "%s: %u", cases[i].text, declared.by);
		cr_expect_eq((int)declared.signal, cases[i].signal, "%s", cases[i].text);
	}
}

Test(unit_state, each_state_is_one_of_four)
{
	static const struct {
		const char *text;
		enum unit_activity activity;
	} cases[] = {
		{"ActiveState=reloading\n", UNIT_UP},
		{"ActiveState=activating\n", UNIT_STARTING},
		{"ActiveState=deactivating\n", UNIT_STOPPING},
		{"ActiveState=inactive\n", UNIT_DOWN},
		{"ActiveState=failed", UNIT_DOWN},
		{"ActiveState=inactive\nJob=1207\n", UNIT_STARTING},
		{"XActiveState=active\nActiveState=failed\n", UNIT_DOWN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(parsed(cases[i].text).activity, cases[i].activity, "%s",
			     cases[i].text);
}

Test(unit_state, what_is_no_answer_is_none)
{
	static const char *const texts[] = {"",
					    "\n\n",
					    "ActiveState",
					    "ActiveState=",
					    "Restart=no",
					    "ActiveState=maintenance\n"};
	struct unit_state state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		cr_expect_eq(unit_state_parse(texts[i], &state), -EINVAL, "%s", texts[i]);
}

Test(unit_state, long_values_are_cut)
{
	struct unit_state state = parsed("ActiveState=active\nRestart="
					 "0123456789012345678901234567890123456789\n");

	cr_expect_eq(strlen(state.restart), UNIT_WORD_SIZE - 1);
	cr_expect_not(parsed("ActiveState=failed\nLoadState=not-found\n").is_loaded);
}

Test(unit_state, only_two_values_of_restart_bring_back_what_has_succeeded)
{
	static const char *const others[] = {"no",	    "on-failure", "on-abnormal", "on-abort",
					     "on-watchdog", "",		  "on-success2", "alway"};

	cr_expect(unit_restarts_after_success(&(const struct unit_state){.restart = "always"}));
	cr_expect(unit_restarts_after_success(&(const struct unit_state){.restart = "on-success"}));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct unit_state state = {0};

		memcpy(state.restart, others[i], strlen(others[i]));
		cr_expect_not(unit_restarts_after_success(&state), "%s", others[i]);
		state.is_forced = true;
		cr_expect(unit_restarts_after_success(&state), "%s", others[i]);
	}
}

#define UP "ActiveState=active\nMainPID=7\n"

Test(unit_state, restart_after_a_kill_only_is_told_from_the_rest)
{
	static const struct {
		const char *text;
		bool only;
	} cases[] = {
		{UP "Restart=on-failure\n", true},
		{UP "Restart=on-abnormal\n", true},
		{UP "Restart=on-abort\n", true},
		{UP "Restart=no\n", false},
		{UP "Restart=always\n", false},
		{UP "Restart=on-success\n", false},
		{UP "Restart=on-watchdog\n", false}, /* nor after a kill */
		{UP "Restart=on-failure\nRestartForceExitStatus=0\n", false},
		{UP "Restart=on-failure\nRestartForceExitStatus=3 0 SIGTERM\n", false},
		{UP "Restart=on-failure\nRestartForceExitStatus=", true},
		{UP "Restart=on-failure\nRestartForceExitStatus=10 100\n", true},
		{UP "Restart=on-failure\nRestartForceExitStatus=10\n\nRestart=no\n0", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unit_state state = parsed(cases[i].text);

		cr_expect_eq(unit_restarts_after_failure_only(&state), cases[i].only, "%s",
			     cases[i].text);
	}
}

Test(unit_state, its_name_is_there_where_it_was_asked_for)
{
	cr_expect_str_eq(parsed("Id=web.service\n" UP).id, "web.service");
	cr_expect_str_eq(parsed(UP).id, "");
}
