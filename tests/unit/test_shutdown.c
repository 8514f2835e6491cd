/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <signal.h>

#include "base/util.h"
#include "core/shutdown.h"
#include "core/verdict.h"

#define MIB (1024LL * 1024)
#define CODE 75

static const struct shutdown_part ended_target = {.is_target = true, .has_ended = true};
static const struct shutdown_part running_target = {.is_target = true};
static const struct shutdown_part ended_other = {.has_ended = true};

/* A trip with a handler that ran, closed when the target had ended with 0. */
static struct incident ended(void)
{
	return (struct incident){
		.crossed_ns = 1000,
		.signal_ns = 1200,
		.generated_ns = 1100,
		.delivered_ns = 1300,
		.rule = APO_RULE_RESERVE,
		.action = APO_ACT_SENT,
		.signal = SIGTERM,
		.wanted_signal = SIGTERM,
		.target = {.pid = 7, .disposition = APO_DISP_HANDLED},
		.reserve_bytes = 25 * MIB,
		.least_headroom_bytes = 20 * MIB,
		.exit = {.known = true, .code = 0},
		.before = {.known = true},
		.after = {.known = true},
	};
}

static struct incident running_with(int64_t headroom_bytes)
{
	struct incident i = ended();

	i.exit = (struct incident_exit){.code = -1};
	i.closing_known = true;
	i.closing_headroom_bytes = headroom_bytes;
	return i;
}

/* What `run` makes of a 0 after these trips. */
static int status_after(const struct incident *first, const struct shutdown_part *first_part,
			const struct incident *second, const struct shutdown_part *second_part)
{
	struct shutdown shutdown = {};

	shutdown_on_verdict(&shutdown, first, first_part);
	if (second)
		shutdown_on_verdict(&shutdown, second, second_part);
	return shutdown_status(&shutdown, 0, CODE);
}

static int status_of(struct incident incident, struct shutdown_part part)
{
	verdict_close(&incident);
	return status_after(&incident, &part, NULL, NULL);
}

Test(shutdown, only_a_zero_after_a_trip_is_replaced)
{
	struct shutdown shutdown = {};
	struct incident i = ended();

	cr_expect_eq(shutdown_status(&shutdown, 0, CODE), 0);
	cr_expect_eq(shutdown_status(&shutdown, 7, CODE), 7);
	shutdown_on_verdict(&shutdown, &i, &ended_target);
	cr_expect_eq(shutdown_status(&shutdown, 0, CODE), CODE);
	cr_expect_eq(shutdown_status(&shutdown, 0, 1), 1);
	cr_expect_eq(shutdown_status(&shutdown, 0, 0), 0);
	cr_expect_eq(shutdown_status(&shutdown, 7, CODE), 7);
	cr_expect_eq(shutdown_status(&shutdown, 128 + SIGTERM, CODE), 128 + SIGTERM);
}

Test(shutdown, what_was_not_sent_by_us_or_not_heard_asks_nobody)
{
	static const struct {
		enum apo_action action;
		enum apo_disposition disposition;
		bool generated, delivered;
		int status;
	} rows[] = {
		{APO_ACT_SENT, APO_DISP_HANDLED, true, true, CODE},
		{APO_ACT_SENT_RESPONDER, APO_DISP_HANDLED, true, true, CODE},
		{APO_ACT_SENT, APO_DISP_BLOCKED, true, false, CODE}, /* sigwait, signalfd */
		{APO_ACT_SENT, APO_DISP_UNKNOWN, true, false, CODE},
		{APO_ACT_SENT, APO_DISP_HANDLED, false, false, CODE}, /* no record of it came */
		{APO_ACT_FAILED, APO_DISP_HANDLED, true, true, CODE}, /* the answer was lost */
		{APO_ACT_SENT, APO_DISP_HANDLED, true, false, 0}, /* ended before its handler ran */
		{APO_ACT_SENT, APO_DISP_DEFAULT, true, false, 0}, /* which ends nobody with a 0 */
		{APO_ACT_TOLD, APO_DISP_HANDLED, true, true, 0},
		{APO_ACT_FAILED, APO_DISP_HANDLED, false, false, 0},
		{APO_ACT_DISAPPEARED, APO_DISP_HANDLED, false, false, 0},
		{APO_ACT_NONE, APO_DISP_IGNORED, false, false, 0},
		{APO_ACT_DRY_RUN, APO_DISP_HANDLED, false, false, 0},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct incident i = ended();

		i.action = rows[n].action;
		i.target.disposition = rows[n].disposition;
		i.generated_ns = rows[n].generated ? 1100 : 0;
		i.delivered_ns = rows[n].delivered ? 1300 : 0;
		cr_expect_eq(status_of(i, ended_target), rows[n].status, "row %zu", n);
	}
}

/* It has lost its work all the same. */
Test(shutdown, needless_trip_that_ended_the_command_counts)
{
	struct incident i = ended();

	i.least_headroom_bytes = 26 * MIB;
	verdict_close(&i);
	cr_expect_eq(i.verdict, VERDICT_NEEDLESS);
	cr_expect_eq(status_of(i, ended_target), CODE);
}

Test(shutdown, command_that_runs_on_with_its_headroom_back_was_not_ended)
{
	struct incident needless = running_with(30 * MIB);

	needless.delivered_ns = 0;
	cr_expect_eq(status_of(running_with(30 * MIB), running_target), 0);
	cr_expect_eq(status_of(needless, running_target), 0);
	cr_expect_eq(status_of(running_with(24 * MIB), running_target), CODE);
	/* The record of its end was lost. */
	cr_expect_eq(status_of(running_with(30 * MIB), ended_target), CODE);
}

Test(shutdown, the_last_trip_decides)
{
	struct incident back = running_with(30 * MIB), low = running_with(24 * MIB), end = ended();
	struct incident told = ended();

	told.action = APO_ACT_TOLD;
	cr_expect_eq(status_after(&back, &running_target, &end, &ended_target), CODE);
	cr_expect_eq(status_after(&low, &running_target, &back, &running_target), 0);
	cr_expect_eq(status_after(&low, &running_target, &told, &ended_target), CODE);
}

Test(shutdown, trip_of_a_process_below_the_command_is_not_its_own)
{
	struct incident back = running_with(30 * MIB), low = running_with(24 * MIB), end = ended();

	cr_expect_eq(status_of(ended(), ended_other), 0);
	cr_expect_eq(status_of(ended(), (struct shutdown_part){}), 0);
	cr_expect_eq(status_after(&low, &running_target, &back, &(struct shutdown_part){}), CODE);
	cr_expect_eq(status_after(&end, &ended_target, &end, &ended_other), CODE);
}

Test(shutdown, of_all_those_count_who_were_told)
{
	struct incident end = ended(), back = running_with(30 * MIB);

	end.target_policy = back.target_policy = APO_TARGET_ALL;
	cr_expect_eq(status_of(end, (struct shutdown_part){.is_told = true}), CODE);
	cr_expect_eq(status_of(end, (struct shutdown_part){.is_told = true, .is_target = true}),
		     CODE);
	cr_expect_eq(status_of(end, (struct shutdown_part){.is_target = true, .has_ended = true}),
		     0);
	/* Another one has given memory back and runs on. */
	cr_expect_eq(status_of(back, (struct shutdown_part){.is_told = true}), 0);
	cr_expect_eq(status_of(back, (struct shutdown_part){.is_told = true, .has_ended = true}),
		     CODE);
}
