/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <signal.h>

#include "base/util.h"
#include "core/stop_signal.h"

/* What a process does with signals; with all others what it does with SIGTERM. */
struct does {
	enum apo_disposition term, interrupt, quit;
};

static enum apo_disposition disposition(int signal, void *userdata)
{
	const struct does *does = userdata;

	return signal == SIGINT ? does->interrupt : signal == SIGQUIT ? does->quit : does->term;
}

Test(stop_signal, is_the_one_that_makes_the_most_of_the_process)
{
	static const struct {
		struct does does;
		bool is_given;
		int signal;
	} cases[] = {
		{{APO_DISP_HANDLED, APO_DISP_HANDLED, 0}, false, SIGTERM},
		{{APO_DISP_BLOCKED, APO_DISP_HANDLED, 0}, false, SIGTERM},
		{{APO_DISP_UNKNOWN, APO_DISP_HANDLED, 0}, false, SIGTERM},
		{{APO_DISP_DEFAULT, APO_DISP_HANDLED, 0}, false, SIGINT},
		{{APO_DISP_DEFAULT, APO_DISP_HANDLED, 0}, true, SIGTERM},
		{{APO_DISP_DEFAULT, APO_DISP_DEFAULT, 0}, false, SIGTERM},
		{{APO_DISP_DEFAULT, APO_DISP_BLOCKED, 0}, false, SIGTERM},
		{{APO_DISP_IGNORED, APO_DISP_HANDLED, 0}, false, SIGINT},
		{{APO_DISP_IGNORED, APO_DISP_HANDLED, 0}, true, SIGINT},
		{{APO_DISP_IGNORED, APO_DISP_DEFAULT, 0}, false, 0},
		{{APO_DISP_INIT, APO_DISP_HANDLED, 0}, false, SIGINT},
		{{APO_DISP_INIT, APO_DISP_INIT, 0}, true, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct stop_wish wish = {.signal = SIGTERM, .is_given = cases[i].is_given};
		struct stop_signal stop =
			stop_signal_choose(&wish, disposition, (void *)&cases[i].does);

		cr_expect_eq(stop.signal, cases[i].signal, "case %zu: %d", i, stop.signal);
		cr_expect_eq(stop.disposition, cases[i].does.term, "case %zu", i);
		cr_expect_null(stop.profile);
		cr_expect_not_null(stop.why);
	}
}

Test(stop_signal, of_its_owner_counts_where_it_does_something)
{
	static const struct profile is_never_told = {.is_protected = true};
	static const struct {
		struct does does;
		bool is_given;
		enum apo_declaration by;
		int signal;
		enum apo_declaration decided;
	} cases[] = {
		{{APO_DISP_HANDLED, 0, APO_DISP_HANDLED},
		 false,
		 APO_DECLARED_KILL_SIGNAL,
		 SIGQUIT,
		 APO_DECLARED_KILL_SIGNAL},
		{{APO_DISP_HANDLED, 0, APO_DISP_BLOCKED},
		 false,
		 APO_DECLARED_CONTAINER,
		 SIGQUIT,
		 APO_DECLARED_CONTAINER},
		/* It has no handler, and that is as he wants it. */
		{{APO_DISP_HANDLED, 0, APO_DISP_DEFAULT},
		 false,
		 APO_DECLARED_RESTART_SIGNAL,
		 SIGQUIT,
		 APO_DECLARED_RESTART_SIGNAL},
		{{APO_DISP_HANDLED, 0, APO_DISP_IGNORED},
		 false,
		 APO_DECLARED_KILL_SIGNAL,
		 SIGTERM,
		 APO_DECLARED_NOTHING},
		{{APO_DISP_HANDLED, 0, APO_DISP_INIT},
		 false,
		 APO_DECLARED_CONTAINER,
		 SIGTERM,
		 APO_DECLARED_NOTHING},
		{{APO_DISP_HANDLED, 0, APO_DISP_HANDLED},
		 true,
		 APO_DECLARED_KILL_SIGNAL,
		 SIGTERM,
		 APO_DECLARED_NOTHING},
		/* Its manager does not need one. */
		{{APO_DISP_HANDLED, 0, APO_DISP_IGNORED},
		 false,
		 APO_DECLARED_EXEC_STOP,
		 SIGQUIT,
		 APO_DECLARED_EXEC_STOP},
		{{APO_DISP_HANDLED, 0, APO_DISP_HANDLED},
		 true,
		 APO_DECLARED_EXEC_RESTART,
		 SIGTERM,
		 APO_DECLARED_NOTHING},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct stop_wish wish = {
			.signal = SIGTERM,
			.is_given = cases[i].is_given,
			.declared = {.signal = SIGQUIT, .by = cases[i].by},
		};
		struct stop_signal stop =
			stop_signal_choose(&wish, disposition, (void *)&cases[i].does);

		cr_expect_eq(stop.signal, cases[i].signal, "case %zu: %d", i, stop.signal);
		cr_expect_eq(stop.declared, cases[i].decided, "case %zu: %d", i, stop.declared);
		cr_expect_not_null(stop.why);
		wish.profile = &is_never_told; /* his word counts for more */
		stop = stop_signal_choose(&wish, disposition, (void *)&cases[i].does);
		cr_expect_eq(stop.declared, cases[i].decided, "case %zu: %d", i, stop.declared);
	}
}

static const struct profile quits = {.stop_signal = SIGQUIT};
static const struct profile terms = {.stop_signal = SIGTERM};
static const struct profile silent = {.never_warn = 1ULL << (SIGUSR1 - 1)};
static const struct profile is_protected = {.is_protected = true};

Test(stop_signal, of_a_profile_counts_where_the_process_takes_it)
{
	static const struct {
		const char *what;
		const struct profile *profile;
		struct does does;
		bool is_given;
		int signal;
		bool decides;
	} cases[] = {
		{"taken", &quits, {APO_DISP_HANDLED, 0, APO_DISP_HANDLED}, false, SIGQUIT, true},
		{"waited for",
		 &quits,
		 {APO_DISP_HANDLED, 0, APO_DISP_BLOCKED},
		 false,
		 SIGQUIT,
		 true},
		{"not taken",
		 &quits,
		 {APO_DISP_HANDLED, 0, APO_DISP_DEFAULT},
		 false,
		 SIGTERM,
		 false},
		{"not known",
		 &quits,
		 {APO_DISP_HANDLED, 0, APO_DISP_UNKNOWN},
		 false,
		 SIGTERM,
		 false},
		{"ignored",
		 &quits,
		 {APO_DISP_DEFAULT, APO_DISP_HANDLED, APO_DISP_IGNORED},
		 false,
		 SIGINT,
		 false},
		{"the operator's",
		 &quits,
		 {APO_DISP_DEFAULT, 0, APO_DISP_HANDLED},
		 true,
		 SIGTERM,
		 false},
		{"TERM, which has no handler",
		 &terms,
		 {APO_DISP_DEFAULT, APO_DISP_HANDLED, 0},
		 false,
		 SIGINT,
		 false},
		{"nothing of stops", &silent, {APO_DISP_HANDLED, 0, 0}, false, SIGTERM, false},
		{"never", &is_protected, {APO_DISP_HANDLED, 0, 0}, false, 0, true},
		{"never, but for the operator",
		 &is_protected,
		 {APO_DISP_HANDLED, 0, 0},
		 true,
		 SIGTERM,
		 false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct stop_wish wish = {.signal = SIGTERM,
					       .is_given = cases[i].is_given,
					       .profile = cases[i].profile};
		struct stop_signal stop =
			stop_signal_choose(&wish, disposition, (void *)&cases[i].does);

		cr_expect_eq(stop.signal, cases[i].signal, "%s: %d", cases[i].what, stop.signal);
		cr_expect_eq(stop.profile, cases[i].decides ? cases[i].profile : NULL, "%s",
			     cases[i].what);
	}
}

static int warned(int signal, const struct profile *profile, enum apo_disposition takes)
{
	const struct stop_wish wish = {.signal = signal, .profile = profile};
	struct does does = {takes, takes, takes};

	return stop_signal_warn(&wish, disposition, &does).signal;
}

Test(stop_signal, of_a_warning_is_for_who_takes_it)
{
	cr_expect_eq(warned(SIGUSR1, NULL, APO_DISP_HANDLED), SIGUSR1);
	cr_expect_eq(warned(SIGUSR1, NULL, APO_DISP_BLOCKED), SIGUSR1);
	cr_expect_eq(warned(SIGUSR1, NULL, APO_DISP_DEFAULT), 0);
	cr_expect_eq(warned(SIGUSR1, NULL, APO_DISP_IGNORED), 0);
	cr_expect_eq(warned(SIGUSR1, NULL, APO_DISP_UNKNOWN), 0);
}

Test(stop_signal, of_a_warning_is_none_that_the_profile_forbids)
{
	static const struct profile cancels = {.warn_signal = SIGINT};

	cr_expect_eq(warned(SIGUSR1, &silent, APO_DISP_HANDLED), 0);
	cr_expect_eq(warned(SIGUSR2, &silent, APO_DISP_HANDLED), SIGUSR2);
	cr_expect_eq(warned(0, &cancels, APO_DISP_HANDLED), SIGINT, "what the profile says");
	cr_expect_eq(warned(0, &cancels, APO_DISP_DEFAULT), 0, "it would end it");
	cr_expect_eq(warned(0, &silent, APO_DISP_HANDLED), 0, "it says nothing");
	cr_expect_eq(warned(0, NULL, APO_DISP_HANDLED), 0);
}
