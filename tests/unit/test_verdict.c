/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <signal.h>

#include "base/util.h"
#include "core/verdict.h"

#define MIB (1024ULL * 1024)

/*
 * A trip of a process with a handler: reserve 25 MiB, 24 MiB of headroom left, SIGTERM sent in
 * the fault and seen being queued. Each test changes what it is about.
 */
static struct incident signalled(void)
{
	return (struct incident){
		.crossed_ns = 1000,
		.signal_ns = 1200,
		.generated_ns = 1100,
		.trigger = APO_TRIGGER_GROWTH,
		.rule = APO_RULE_RESERVE,
		.action = APO_ACT_SENT,
		.signal = SIGTERM,
		.wanted_signal = SIGTERM,
		.target = {.pid = 7, .disposition = APO_DISP_HANDLED},
		.reserve_bytes = 25 * MIB,
		.headroom_bytes = 24 * MIB,
		.least_headroom_bytes = 20 * MIB,
		.exit = {.code = -1},
		.before = {.known = true, .oom_kills = 3},
		.after = {.known = true, .oom_kills = 3},
	};
}

static struct incident exited(int code)
{
	struct incident i = signalled();

	i.delivered_ns = 1300;
	i.exit = (struct incident_exit){.known = true, .code = code};
	return i;
}

static struct incident ended_by(int signal)
{
	struct incident i = exited(-1);

	i.exit.signal = signal;
	return i;
}

static struct incident running_with(int64_t headroom_bytes)
{
	struct incident i = signalled();

	i.delivered_ns = 1300;
	i.closing_known = true;
	i.closing_headroom_bytes = headroom_bytes;
	return i;
}

static void expect(struct incident i, enum verdict verdict, const char *reason)
{
	verdict_close(&i);
	cr_expect_eq(i.verdict, verdict, "%s (%s)", verdict_name(i.verdict), i.reason);
	cr_expect_str_eq(i.reason, reason, "%s", i.reason);
	/* Closing again changes nothing. */
	verdict_close(&i);
	cr_expect_eq(i.verdict, verdict);
	cr_expect_str_eq(i.reason, reason);
}

Test(verdict, exit_after_the_handler_is_saved)
{
	expect(exited(0), VERDICT_SAVED, "shut down and exited with status 0");
	expect(exited(143), VERDICT_SAVED, "shut down and exited with a non-zero status");
	expect(exited(1), VERDICT_SAVED, "shut down and exited with a non-zero status");
}

Test(verdict, ending_by_the_chosen_signal_is_saved)
{
	struct incident i = ended_by(SIGTERM);

	expect(i, VERDICT_SAVED, "handled the signal, then ended by it");
	i.delivered_ns = 0;
	i.target.disposition = APO_DISP_DEFAULT;
	expect(i, VERDICT_ENDED,
	       "ended by the default action of the signal: it has no handler, and nothing was "
	       "drained");
	i.target.disposition = APO_DISP_BLOCKED; /* sigwait(3) */
	expect(i, VERDICT_SAVED, "took the signal, then ended by it");
	i.target.disposition = APO_DISP_DEFAULT; /* of the one that was wanted */
	i.wanted_signal = SIGUSR1;
	expect(i, VERDICT_SAVED, "took the signal, then ended by it");
	i.exit.signal = SIGHUP;
	expect(i, VERDICT_SAVED, "shut down and ended by another signal");
}

Test(verdict, responder_and_kernel_side_count_alike)
{
	struct incident i = exited(0);

	i.action = APO_ACT_SENT_RESPONDER;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
	i.action = APO_ACT_DELEGATED;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
	i.action = APO_ACT_FAILED;
	i.generated_ns = 0;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
}

/* What an instance that is gone has asked its responder for was done, for all that is known. */
Test(verdict, a_signal_that_was_delegated_before_a_restart_was_sent)
{
	struct incident i = exited(0);

	i.action = APO_ACT_DELEGATED;
	i.generated_ns = i.delivered_ns = 0;
	expect(i, VERDICT_NEEDLESS, "no signal was sent, and it ended by itself");
	i.missing = INCIDENT_MISSING_RESTART;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
}

Test(verdict, sigkill_of_an_oom_victim_is_too_late)
{
	struct incident i = ended_by(SIGKILL);

	i.oom_victim = true;
	expect(i, VERDICT_TOO_LATE, "killed by the kernel's OOM killer during its shutdown");
	i.delivered_ns = 0;
	expect(i, VERDICT_TOO_LATE, "killed by the kernel's OOM killer before its handler ran");
	i.target.disposition = APO_DISP_BLOCKED;
	expect(i, VERDICT_TOO_LATE, "killed by the kernel's OOM killer after the signal");
	i.exit.known = false;
	expect(i, VERDICT_TOO_LATE, "killed by the kernel's OOM killer after the signal");
}

Test(verdict, sigkill_while_the_oom_counter_rose_is_too_late)
{
	struct incident i = ended_by(SIGKILL);

	i.after.oom_kills = 4;
	expect(i, VERDICT_TOO_LATE, "killed by the kernel's OOM killer during its shutdown");
}

Test(verdict, a_counter_that_went_backwards_is_no_oom_kill)
{
	struct incident i = ended_by(SIGKILL);

	i.after.oom_kills = 2;
	expect(i, VERDICT_IGNORED, "still running when somebody else sent it SIGKILL");
}

Test(verdict, sigkill_without_oom_kill_is_somebody_elses)
{
	struct incident i = ended_by(SIGKILL);

	expect(i, VERDICT_IGNORED, "still running when somebody else sent it SIGKILL");
	i.after.known = false;
	expect(i, VERDICT_TOO_LATE, "ended in a way not known, perhaps by the kernel's OOM killer");
}

Test(verdict, what_systemd_oomd_kills_in_the_end_was_told_too_late)
{
	struct incident i = ended_by(SIGKILL);

	i.rule = APO_RULE_OOMD;
	i.least_headroom_bytes = INT64_MAX; /* no limit is near: it goes by pressure */
	expect(i, VERDICT_TOO_LATE,
	       "killed by systemd-oomd during its shutdown: PrekillHookTimeoutSec= says how long "
	       "it waits");
	i.oom_victim = true;
	expect(i, VERDICT_TOO_LATE, "killed by the kernel's OOM killer during its shutdown");
	i.oom_victim = false;
	i.exit.known = false; /* it was looked at before systemd-oomd gave up */
	i.closing_known = true;
	i.closing_headroom_bytes = INT64_MAX;
	expect(i, VERDICT_IGNORED, "still running");
	i.exit.known = true;
	i.delivered_ns = 0;
	expect(i, VERDICT_TOO_LATE,
	       "killed by systemd-oomd, which waits PrekillHookTimeoutSec= for the shutdown");
	i = exited(0);
	i.rule = APO_RULE_OOMD;
	i.least_headroom_bytes = INT64_MAX;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
}

Test(verdict, an_oom_mark_on_a_process_already_ending_does_not_undo_the_save)
{
	struct incident i = ended_by(SIGTERM);

	i.oom_victim = true;
	expect(i, VERDICT_SAVED, "handled the signal, then ended by it");
	i = exited(0);
	i.oom_victim = true;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
}

Test(verdict, an_oom_kill_of_another_process_does_not_undo_the_save)
{
	struct incident i = exited(0);

	i.after.oom_kills = 4;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
}

Test(verdict, our_sigkill_after_the_grace_is_ignored)
{
	struct incident i = ended_by(SIGKILL);

	i.killed_after_grace = true;
	expect(i, VERDICT_IGNORED, "still running when the grace ended: ended by our SIGKILL");
	i.oom_victim = true;
	i.after.oom_kills = 4;
	expect(i, VERDICT_IGNORED, "still running when the grace ended: ended by our SIGKILL");
	i.exit.known = false;
	expect(i, VERDICT_IGNORED, "still running when the grace ended: ended by our SIGKILL");
	i.action = APO_ACT_NONE;
	expect(i, VERDICT_IGNORED, "still running when the grace ended: ended by our SIGKILL");
}

Test(verdict, an_exit_that_raced_with_our_sigkill_is_saved)
{
	struct incident i = exited(0);

	i.killed_after_grace = true;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
}

Test(verdict, a_crash_is_no_shutdown)
{
	expect(ended_by(SIGSEGV), VERDICT_IGNORED,
	       "crashed after the signal instead of shutting down");
	expect(ended_by(SIGBUS), VERDICT_IGNORED,
	       "crashed after the signal instead of shutting down");
	expect(ended_by(SIGABRT), VERDICT_IGNORED,
	       "crashed after the signal instead of shutting down");
}

Test(verdict, a_crash_signal_that_we_chose_is_no_crash)
{
	struct incident i = ended_by(SIGABRT);

	i.signal = SIGABRT;
	expect(i, VERDICT_SAVED, "handled the signal, then ended by it");
}

Test(verdict, a_reserve_never_entered_is_needless)
{
	struct incident i = exited(0);

	i.rule = APO_RULE_FORECAST;
	i.least_headroom_bytes = 25 * MIB;
	expect(i, VERDICT_NEEDLESS, "the reserve was never entered");
	i.least_headroom_bytes = 25 * MIB - 1;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
	i.least_headroom_bytes = -1;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
	i = running_with(60 * MIB);
	i.least_headroom_bytes = 30 * MIB;
	expect(i, VERDICT_NEEDLESS, "the reserve was never entered");
}

Test(verdict, an_end_before_the_handler_is_needless)
{
	struct incident i = exited(0);

	i.delivered_ns = 0;
	expect(i, VERDICT_NEEDLESS, "it ended by itself before its handler ran");
	/* Nothing is known of the handler where the queueing was not seen either. */
	i.generated_ns = 0;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
	/* sigwait and signalfd take it without an entry. */
	i.generated_ns = 1100;
	i.target.disposition = APO_DISP_BLOCKED;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
}

Test(verdict, memory_given_back_by_the_handler_is_saved)
{
	struct incident i = running_with(25 * MIB);

	expect(i, VERDICT_SAVED, "handled the signal, gave memory back and runs on");
	i.delivered_ns = 0;
	expect(i, VERDICT_NEEDLESS,
	       "the headroom came back without the signal having been handled");
	i.target.disposition = APO_DISP_UNKNOWN;
	expect(i, VERDICT_NEEDLESS,
	       "the headroom came back without the signal having been handled");
	i.target.disposition = APO_DISP_BLOCKED;
	expect(i, VERDICT_SAVED, "gave memory back after the signal and runs on");
}

Test(verdict, running_on_below_the_reserve_is_ignored)
{
	struct incident i = running_with(25 * MIB - 1);

	expect(i, VERDICT_IGNORED, "handled the signal, but runs on with headroom below the line");
	i.closing_headroom_bytes = -1;
	expect(i, VERDICT_IGNORED, "handled the signal, but runs on with headroom below the line");
	i.delivered_ns = 0;
	expect(i, VERDICT_IGNORED,
	       "the signal had no effect: runs on with headroom below the line");
	i.closing_known = false;
	expect(i, VERDICT_IGNORED, "still running");
}

Test(verdict, hanging_at_a_limit_without_an_oom_killer_is_said)
{
	static const char hangs[] = "hangs at its limit, no OOM killer acts "
				    "(memory.oom_control): kill it or raise the limit";
	struct incident i = running_with(-1);

	i.after.hangs = true;
	expect(i, VERDICT_IGNORED, hangs);
	i.delivered_ns = 0;
	i.closing_known = false;
	expect(i, VERDICT_IGNORED, hangs);
	i.action = APO_ACT_NONE;
	expect(i, VERDICT_IGNORED, hangs);
	/* Others hang there. */
	i = exited(0);
	i.after.hangs = true;
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
}

Test(verdict, nothing_sent_because_nobody_could_take_it_is_ignored)
{
	struct incident i = running_with(1 * MIB);

	i.action = APO_ACT_NONE;
	i.generated_ns = i.delivered_ns = i.signal_ns = 0;
	expect(i, VERDICT_IGNORED, "no process could make use of the signal");
	i.closing_known = false;
	expect(i, VERDICT_IGNORED, "no process could make use of the signal");
	i.oom_victim = true;
	expect(i, VERDICT_IGNORED,
	       "no process could make use of the signal; killed by the kernel's OOM killer");
	i = ended_by(SIGKILL);
	i.action = APO_ACT_NONE;
	expect(i, VERDICT_IGNORED, "no process could make use of the signal");
}

Test(verdict, a_failed_send_is_ignored_or_too_late)
{
	struct incident i = running_with(1 * MIB);

	i.action = APO_ACT_FAILED;
	i.generated_ns = i.delivered_ns = 0;
	expect(i, VERDICT_IGNORED, "the signal could not be sent");
	i.action = APO_ACT_DELEGATED;
	expect(i, VERDICT_IGNORED, "the signal could not be sent");
	i.oom_victim = true;
	expect(i, VERDICT_TOO_LATE, "the signal was never sent; killed by the kernel's OOM killer");
}

Test(verdict, living_without_a_signal_is_needless)
{
	static const enum apo_action actions[] = {APO_ACT_NONE, APO_ACT_FAILED, APO_ACT_DELEGATED};

	for (size_t n = 0; n < ARRAY_SIZE(actions); n++) {
		struct incident i = exited(0);

		i.action = actions[n];
		i.generated_ns = i.delivered_ns = 0;
		expect(i, VERDICT_NEEDLESS, "no signal was sent, and it ended by itself");
		i.exit.known = false;
		i.closing_known = true;
		i.closing_headroom_bytes = 100 * MIB;
		expect(i, VERDICT_NEEDLESS, "no signal was sent, and the headroom came back");
	}
}

Test(verdict, a_process_gone_before_the_signal)
{
	struct incident i = signalled();

	i.action = APO_ACT_DISAPPEARED;
	i.generated_ns = 0;
	expect(i, VERDICT_NEEDLESS, "it was gone before the signal could be sent");
	i.after.oom_kills = 4;
	expect(i, VERDICT_TOO_LATE,
	       "killed by the kernel's OOM killer before the signal could be sent");
}

Test(verdict, an_end_that_nobody_saw_is_judged_by_the_kernels_counter)
{
	struct incident i = signalled();

	i.delivered_ns = 1300;
	i.exit_ns = 5000;
	expect(i, VERDICT_SAVED,
	       "ended after the signal, not by the kernel's OOM killer; how was not seen");
	i.after.oom_kills = 4;
	expect(i, VERDICT_TOO_LATE, "killed by the kernel's OOM killer during its shutdown");
	i.after.known = false;
	expect(i, VERDICT_TOO_LATE, "ended in a way not known, perhaps by the kernel's OOM killer");
	i.after = i.before;
	i.delivered_ns = 0;
	expect(i, VERDICT_NEEDLESS, "it ended by itself before its handler ran");
}

Test(verdict, an_oom_kill_without_a_trip_is_missed)
{
	struct incident i = {.oom_victim = true};

	expect(i, VERDICT_MISSED, "the kernel's OOM killer struck, and no trip preceded");
	i.crossed_ns = 5;
	i.verdict = VERDICT_MISSED;
	expect(i, VERDICT_MISSED, "the kernel's OOM killer struck, and no trip preceded");
}

Test(verdict, a_dry_run_says_so_however_it_ended)
{
	struct incident i = exited(0);

	i.action = APO_ACT_DRY_RUN;
	expect(i, VERDICT_DRY_RUN, "nothing was sent, by request");
	i = ended_by(SIGKILL);
	i.action = APO_ACT_DRY_RUN;
	i.oom_victim = true;
	expect(i, VERDICT_DRY_RUN,
	       "nothing was sent, by request; killed by the kernel's OOM killer");
}

Test(verdict, a_warning_stays_open)
{
	struct incident i = exited(0);

	i.rule = APO_RULE_WARN;
	expect(i, VERDICT_OPEN, "a warning, not a trip");
}

/* Whatever the facts, there is a verdict with a reason, and it never flatters. */
Test(verdict, no_combination_is_left_open_or_saved_by_the_oom_killer)
{
	static const int signals[] = {0, SIGTERM, SIGKILL, SIGSEGV, SIGHUP};

	for (unsigned int bits = 0; bits < 1 << 9; bits++) {
		for (enum apo_action action = APO_ACT_NONE; action <= APO_ACT_SENT_RESPONDER;
		     action++) {
			for (size_t s = 0; s < ARRAY_SIZE(signals); s++) {
				struct incident i = signalled();

				i.action = action;
				i.generated_ns = bits & 1 ? 1 : 0;
				i.delivered_ns = bits & 2 ? 1 : 0;
				i.oom_victim = bits & 4;
				i.exit.known = bits & 8;
				i.exit.signal = signals[s];
				i.killed_after_grace = bits & 16;
				i.closing_known = bits & 32;
				i.closing_headroom_bytes = bits & 64 ? (int64_t)(50 * MIB) : 0;
				i.after.oom_kills += bits & 128 ? 1 : 0;
				i.least_headroom_bytes = bits & 256 ? (int64_t)(30 * MIB) : 0;
				verdict_close(&i);
				cr_assert_neq(i.verdict, VERDICT_OPEN);
				cr_assert_neq(i.verdict, VERDICT_MISSED);
				cr_assert_not_null(i.reason);
				if (i.exit.known && i.exit.signal == SIGKILL)
					cr_assert_neq(i.verdict, VERDICT_SAVED, "%s", i.reason);
				if (action == APO_ACT_NONE || action == APO_ACT_DISAPPEARED)
					cr_assert_neq(i.verdict, VERDICT_SAVED, "%s", i.reason);
				if (i.least_headroom_bytes >= (int64_t)i.reserve_bytes)
					cr_assert_neq(i.verdict, VERDICT_SAVED, "%s", i.reason);
			}
		}
	}
}

/* A trip whose record was lost: neither the state of memory nor the counters before it are known. */
static struct incident lost(void)
{
	struct incident i = signalled();

	i.missing = INCIDENT_MISSING_TRIP;
	i.trigger = 0;
	i.rule = 0;
	i.target.disposition = APO_DISP_UNKNOWN;
	i.reserve_bytes = 0;
	i.headroom_bytes = i.least_headroom_bytes = 0;
	i.before.known = false;
	return i;
}

Test(verdict, trip_whose_record_was_lost_is_judged_by_what_there_is)
{
	struct incident i = lost();

	i.delivered_ns = 1300;
	i.exit = (struct incident_exit){.known = true, .code = 0};
	expect(i, VERDICT_SAVED, "shut down and exited with status 0");
	i.exit = (struct incident_exit){.known = true, .code = -1, .signal = SIGKILL};
	expect(i, VERDICT_TOO_LATE, "ended in a way not known, perhaps by the kernel's OOM killer");
	i.oom_victim = true;
	expect(i, VERDICT_TOO_LATE, "killed by the kernel's OOM killer during its shutdown");
	i = lost();
	i.oom_victim = true;
	expect(i, VERDICT_TOO_LATE, "killed by the kernel's OOM killer after the signal");
	i = lost();
	i.exit_ns = 5000;
	expect(i, VERDICT_TOO_LATE, "ended in a way not known, perhaps by the kernel's OOM killer");
}

Test(verdict, trip_whose_record_was_lost_and_whose_signal_nobody_saw_was_not_sent)
{
	struct incident i = lost();

	i.action = APO_ACT_NONE;
	i.generated_ns = 0;
	i.oom_victim = true;
	expect(i, VERDICT_TOO_LATE, "the signal was never sent; killed by the kernel's OOM killer");
	i.oom_victim = false;
	i.exit = (struct incident_exit){.known = true, .code = 0};
	expect(i, VERDICT_NEEDLESS, "no signal was sent, and it ended by itself");
}
