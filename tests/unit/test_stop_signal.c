/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <signal.h>

#include "base/util.h"
#include "core/stop_signal.h"

Test(stop_signal, is_the_one_that_makes_the_most_of_the_process)
{
	static const struct {
		enum apo_disposition disposition, interrupt;
		bool is_given;
		int signal;
	} cases[] = {
		{APO_DISP_HANDLED, APO_DISP_HANDLED, false, SIGTERM},
		{APO_DISP_BLOCKED, APO_DISP_HANDLED, false, SIGTERM},
		{APO_DISP_UNKNOWN, APO_DISP_HANDLED, false, SIGTERM},
		{APO_DISP_DEFAULT, APO_DISP_HANDLED, false, SIGINT},
		{APO_DISP_DEFAULT, APO_DISP_HANDLED, true, SIGTERM},
		{APO_DISP_DEFAULT, APO_DISP_DEFAULT, false, SIGTERM},
		{APO_DISP_DEFAULT, APO_DISP_BLOCKED, false, SIGTERM},
		{APO_DISP_IGNORED, APO_DISP_HANDLED, false, SIGINT},
		{APO_DISP_IGNORED, APO_DISP_HANDLED, true, SIGINT},
		{APO_DISP_IGNORED, APO_DISP_DEFAULT, false, 0},
		{APO_DISP_INIT, APO_DISP_HANDLED, false, SIGINT},
		{APO_DISP_INIT, APO_DISP_INIT, true, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct stop_signal stop = stop_signal_choose(
			SIGTERM, cases[i].is_given, cases[i].disposition, cases[i].interrupt);

		cr_expect_eq(stop.signal, cases[i].signal, "case %zu: %d", i, stop.signal);
		cr_expect_not_null(stop.why);
	}
}

Test(stop_signal, of_a_warning_is_for_who_takes_it)
{
	cr_expect_eq(stop_signal_warn(SIGUSR1, APO_DISP_HANDLED).signal, SIGUSR1);
	cr_expect_eq(stop_signal_warn(SIGUSR1, APO_DISP_BLOCKED).signal, SIGUSR1);
	cr_expect_eq(stop_signal_warn(SIGUSR1, APO_DISP_DEFAULT).signal, 0);
	cr_expect_eq(stop_signal_warn(SIGUSR1, APO_DISP_IGNORED).signal, 0);
	cr_expect_eq(stop_signal_warn(SIGUSR1, APO_DISP_UNKNOWN).signal, 0);
}
