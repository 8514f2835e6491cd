/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/util.h"
#include "output/event.h"
#include "output/format.h"

#define MIB (1024ULL * 1024)
#define NOON 1769860800ULL /* 2026-01-31 12:00:00 UTC */

static struct incident saved(void)
{
	return (struct incident){
		.id = 1,
		.realtime_ns = NOON * NSEC_PER_SEC + 123456789,
		.verdict = VERDICT_SAVED,
		.reason = "shut down and exited with status 0",
		.trigger = APO_TRIGGER_GROWTH,
		.rule = APO_RULE_RESERVE,
		.grower = {.pid = 1234,
			   .comm = "server",
			   .cgroup = "/docker/ab12",
			   .disposition = APO_DISP_HANDLED},
		.target = {.pid = 1234, .comm = "server", .disposition = APO_DISP_HANDLED},
		.limit_cgroup = "/docker/ab12",
		.limit_bytes = 256 * MIB,
		.need_bytes = 2426405683 / 10, /* 231.4 MiB */
		.rate_bytes_s = 812 * MIB,
		.wanted_signal = SIGTERM,
		.signal = SIGTERM,
		.action = APO_ACT_SENT,
		.targets_signalled = 1,
		.crossed_ns = 5000000,
		.signal_ns = 5002000,
		.generated_ns = 5001000,
		.delivered_ns = 5048000,
		.exit_ns = 5002000 + 212 * NSEC_PER_MSEC,
		.exit = {.known = true, .code = 0},
	};
}

static char *line_of(const struct incident *incident, bool colour)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_eq(event_line(file, incident, colour), 0);
	fclose(file);
	return text;
}

static void expect_part(struct incident incident, const char *part)
{
	_cleanup_free_ char *text = line_of(&incident, false);

	cr_expect_not_null(strstr(text, part), "%s", text);
}

static void expect(struct incident incident, const char *line)
{
	_cleanup_free_ char *text = line_of(&incident, false);

	cr_expect_str_eq(text, line, "%s", text);
}

Test(event, saved)
{
	expect(saved(), "12:00:00.123Z saved    server[1234] in /docker/ab12: exited 0 after "
			"212 ms, handler after 48 us\n");
}

Test(event, verdict_alone_has_all_of_it)
{
	const struct incident i = saved();
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_eq(event_message(file, &i), 0);
	fclose(file);
	cr_expect_str_eq(text,
			 "12:00:00.123Z saved    server[1234] in /docker/ab12 grew 812.0 MiB/s "
			 "to 231.4 MiB of 256.0 MiB: SIGTERM sent in the fault; exited 0 "
			 "after 212 ms, handler after 48 us\n");
}

Test(event, what_the_responder_has_sent_is_news_in_a_verdict)
{
	struct incident i = saved();

	i.action = APO_ACT_SENT_RESPONDER;
	expect(i, "12:00:00.123Z saved    server[1234] in /docker/ab12: SIGTERM sent by the "
		  "responder; exited 0 after 212 ms, handler after 48 us\n");
}

Test(event, trip_ends_with_the_action)
{
	struct incident i = saved();

	i.verdict = VERDICT_OPEN;
	expect(i, "12:00:00.123Z trip     server[1234] in /docker/ab12 grew 812.0 MiB/s to "
		  "231.4 MiB of 256.0 MiB: SIGTERM sent in the fault\n");
	i.trigger = APO_TRIGGER_TICK;
	expect(i, "12:00:00.123Z trip     server[1234] in /docker/ab12 grew 812.0 MiB/s to "
		  "231.4 MiB of 256.0 MiB: SIGTERM sent at the timer tick\n");
	i.trigger = APO_TRIGGER_RECLAIM;
	expect(i, "12:00:00.123Z trip     server[1234] in /docker/ab12 grew 812.0 MiB/s to "
		  "231.4 MiB of 256.0 MiB: SIGTERM sent at the limit\n");
}

Test(event, forecast_tells_the_time_left)
{
	struct incident i = saved();

	i.verdict = VERDICT_OPEN;
	i.rule = APO_RULE_FORECAST;
	i.forecast_ns = 80 * NSEC_PER_MSEC;
	expect(i, "12:00:00.123Z trip     server[1234] in /docker/ab12 grew 812.0 MiB/s to "
		  "231.4 MiB of 256.0 MiB, 80.0 ms from the limit: SIGTERM sent in the fault\n");
}

Test(event, warning)
{
	struct incident i = saved();

	i.verdict = VERDICT_OPEN;
	i.rule = APO_RULE_WARN;
	i.signal = i.wanted_signal = SIGUSR1;
	expect(i, "12:00:00.123Z warn     server[1234] in /docker/ab12 grew 812.0 MiB/s to "
		  "231.4 MiB of 256.0 MiB: SIGUSR1 sent in the fault\n");
	i.signal = i.wanted_signal = 0;
	i.action = APO_ACT_NONE;
	expect(i, "12:00:00.123Z warn     server[1234] in /docker/ab12 grew 812.0 MiB/s to "
		  "231.4 MiB of 256.0 MiB\n");
}

Test(event, the_target_is_named_where_it_is_another)
{
	struct incident i = saved();

	i.verdict = VERDICT_OPEN;
	i.target = (struct incident_process){.pid = 1, .comm = "init"};
	i.limit_cgroup = "/docker";
	i.action = APO_ACT_SENT_RESPONDER;
	expect(i, "12:00:00.123Z trip     server[1234] in /docker/ab12 grew 812.0 MiB/s to "
		  "231.4 MiB of 256.0 MiB (limit of /docker): SIGTERM sent to init[1] by the "
		  "responder\n");
	i.action = APO_ACT_SENT;
	i.signal = SIGINT;
	expect(i, "12:00:00.123Z trip     server[1234] in /docker/ab12 grew 812.0 MiB/s to "
		  "231.4 MiB of 256.0 MiB (limit of /docker): SIGINT sent to init[1]\n");
	i.signal = SIGTERM;
	i.targets_signalled = 3;
	i.action = APO_ACT_DELEGATED;
	expect(i, "12:00:00.123Z trip     server[1234] in /docker/ab12 grew 812.0 MiB/s to "
		  "231.4 MiB of 256.0 MiB: SIGTERM handed to the responder for 3 processes\n");
}

Test(event, what_was_not_sent_is_said)
{
	struct incident i = saved();
	static const char head[] = "12:00:00.123Z trip     server[1234] in /docker/ab12 grew "
				   "812.0 MiB/s to 231.4 MiB of 256.0 MiB: ";
	static const struct {
		enum apo_action action;
		enum apo_disposition disposition;
		const char *tail;
	} rows[] = {
		{APO_ACT_NONE, APO_DISP_IGNORED, "no signal sent, SIGTERM is ignored\n"},
		{APO_ACT_NONE, APO_DISP_INIT,
		 "no signal sent, an init without a handler is deaf to SIGTERM\n"},
		{APO_ACT_NONE, APO_DISP_UNKNOWN,
		 "no signal sent, no process could make use of SIGTERM\n"},
		{APO_ACT_DRY_RUN, APO_DISP_HANDLED, "SIGTERM would have been sent\n"},
		{APO_ACT_DISAPPEARED, APO_DISP_HANDLED, "SIGTERM not sent, the process was gone\n"},
		{APO_ACT_FAILED, APO_DISP_HANDLED, "SIGTERM not sent, Operation not permitted\n"},
	};
	/* The kernel side has not chosen a signal. */
	static const struct {
		enum apo_action action;
		enum apo_disposition disposition;
		const char *tail;
	} unchosen[] = {
		{APO_ACT_DELEGATED, APO_DISP_INIT, "handed to the responder\n"},
		{APO_ACT_DELEGATED, APO_DISP_UNKNOWN, "handed to the responder\n"},
		{APO_ACT_NONE, APO_DISP_IGNORED, "no signal sent, SIGTERM is ignored\n"},
		{APO_ACT_DRY_RUN, APO_DISP_IGNORED, "SIGTERM would do nothing, not sent\n"},
		{APO_ACT_DRY_RUN, APO_DISP_UNKNOWN, "SIGTERM would have been sent\n"},
		{APO_ACT_DISAPPEARED, APO_DISP_INIT, "SIGTERM not sent, the process was gone\n"},
	};

	i.verdict = VERDICT_OPEN;
	i.error = -EPERM;
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		_cleanup_free_ char *text = NULL;

		i.action = rows[n].action;
		i.target.disposition = rows[n].disposition;
		text = line_of(&i, false);
		cr_assert_eq(strncmp(text, head, strlen(head)), 0, "%s", text);
		cr_expect_str_eq(text + strlen(head), rows[n].tail);
	}
	i.signal = 0;
	for (size_t n = 0; n < ARRAY_SIZE(unchosen); n++) {
		_cleanup_free_ char *text = NULL;

		i.action = unchosen[n].action;
		i.target.disposition = unchosen[n].disposition;
		text = line_of(&i, false);
		cr_assert_eq(strncmp(text, head, strlen(head)), 0, "%s", text);
		cr_expect_str_eq(text + strlen(head), unchosen[n].tail);
	}
}

Test(event, verdicts_other_than_saved_give_their_reason)
{
	struct incident i = saved();

	i.verdict = VERDICT_TOO_LATE;
	i.reason = "killed by the kernel's OOM killer before its handler ran";
	i.delivered_ns = 0;
	i.exit = (struct incident_exit){.known = true, .code = -1, .signal = SIGKILL};
	i.exit_ns = i.signal_ns + 3400000;
	expect(i, "12:00:00.123Z too late server[1234] in /docker/ab12: killed by the kernel's OOM "
		  "killer before its handler ran, after 3.40 ms\n");

	i = saved();
	i.verdict = VERDICT_IGNORED;
	i.reason = "why";
	i.killed_after_grace = true;
	i.grace_ns = 10 * NSEC_PER_SEC;
	i.exit = (struct incident_exit){.known = true, .code = -1, .signal = SIGKILL};
	i.exit_ns = i.signal_ns + 10 * NSEC_PER_SEC;
	expect(i, "12:00:00.123Z ignored  server[1234] in /docker/ab12: why, grace 10.0 s, handler "
		  "after 48 us\n");

	i = saved();
	i.verdict = VERDICT_IGNORED;
	i.reason = "crashed";
	i.exit = (struct incident_exit){.known = true, .code = -1, .signal = SIGSEGV};
	expect(i, "12:00:00.123Z ignored  server[1234] in /docker/ab12: crashed, ended by SIGSEGV "
		  "after 212 ms, handler after 48 us\n");
}

Test(event, a_save_that_runs_on_gives_its_reason)
{
	struct incident i = saved();

	i.exit.known = false;
	i.exit_ns = 0;
	i.reason = "handled the signal, gave memory back and runs on";
	expect(i, "12:00:00.123Z saved    server[1234] in /docker/ab12: handled the signal, gave "
		  "memory back and runs on, handler after 48 us\n");
}

Test(event, oom_kill)
{
	struct incident i = saved();

	i.verdict = VERDICT_MISSED;
	i.rate_bytes_s = 0;
	i.need_bytes = 256 * MIB;
	expect(i, "12:00:00.123Z oom kill server[1234] in /docker/ab12 at 256.0 MiB of 256.0 MiB: "
		  "killed by the kernel, no trip preceded\n");
}

Test(event, missing_facts_leave_their_words_out)
{
	struct incident i = {.grower.pid = 9, .limit_bytes = APO_UNLIMITED};

	expect(i, "00:00:00.000Z trip     ?[9] at 0 B\n");
}

Test(event, strange_names_stay_on_their_line)
{
	struct incident i = saved();
	_cleanup_free_ char *text = NULL;

	i.verdict = VERDICT_OPEN;
	i.grower.comm = "a\nb\033[2J\"";
	i.grower.cgroup = "/x\xff\ty";
	i.limit_cgroup = "/l\r\n";
	i.target = (struct incident_process){.pid = 5, .comm = "\x01"};
	text = line_of(&i, false);
	cr_expect_str_eq(text,
			 "12:00:00.123Z trip     a\\nb\\x1B[2J\"[1234] in /x\\xFF\\ty grew 812.0 "
			 "MiB/s to 231.4 MiB of 256.0 MiB (limit of /l\\r\\n): SIGTERM sent to "
			 "\\x01[5] from the kernel\n",
			 "%s", text);
}

Test(event, colour_is_on_the_word_alone)
{
	struct incident i = saved();
	_cleanup_free_ char *text = line_of(&i, true);
	static const char head[] = "12:00:00.123Z \033[32msaved   \033[0m server[1234] in";

	cr_expect_eq(strncmp(text, head, strlen(head)), 0, "%s", text);
	cr_expect_null(strchr(text + 30, '\033'));
}

Test(event, a_full_disk_is_an_error)
{
	FILE *file = fopen("/dev/full", "w");
	struct incident i = saved();

	cr_assert_not_null(file);
	setvbuf(file, NULL, _IONBF, 0);
	cr_expect_eq(event_line(file, &i, false), -EIO);
	fclose(file);

	file = fopen("/dev/full", "w");
	cr_assert_not_null(file);
	cr_expect_eq(event_line(file, &i, false), -ENOSPC);
	cr_expect_not(ferror(file));
	fclose(file);
}

Test(event, names_of_events)
{
	struct incident i = saved();

	cr_expect_str_eq(event_name(&i), "verdict");
	i.verdict = VERDICT_MISSED;
	cr_expect_str_eq(event_name(&i), "oom_kill");
	i.verdict = VERDICT_OPEN;
	cr_expect_str_eq(event_name(&i), "trip");
	i.rule = APO_RULE_WARN;
	cr_expect_str_eq(event_name(&i), "warn");
}

Test(event, times_are_utc)
{
	char text[FORMAT_TIME_SIZE];

	setenv("TZ", "Asia/Tokyo", 1);
	format_rfc3339(text, sizeof(text), NOON * NSEC_PER_SEC + 123456789);
	cr_expect_str_eq(text, "2026-01-31T12:00:00.123456Z");
	format_clock(text, sizeof(text), NOON * NSEC_PER_SEC + 999999999);
	cr_expect_str_eq(text, "12:00:00.999Z");
	format_rfc3339(text, sizeof(text), 0);
	cr_expect_str_eq(text, "1970-01-01T00:00:00.000000Z");
	format_rfc3339(text, sizeof(text), UINT64_MAX);
	cr_expect_str_eq(text, "2554-07-21T23:34:33.709551Z");
}

Test(event, negative_sizes_keep_their_sign)
{
	char text[24];

	format_signed_size(text, sizeof(text), -(int64_t)(3 * MIB));
	cr_expect_str_eq(text, "-3.0 MiB");
	format_signed_size(text, sizeof(text), 512);
	cr_expect_str_eq(text, "512 B");
	format_signed_size(text, sizeof(text), INT64_MIN);
	cr_expect_str_eq(text, "-8.0 EiB");
}

Test(event, who_grew_and_is_not_guarded_is_named)
{
	struct incident i = saved();

	i.cause_pid = 77;
	i.verdict = VERDICT_OPEN;
	expect_part(i, ": process 77, which nobody guards, grew ");
}

Test(event, the_airbag_is_told_with_what_was_used_of_it)
{
	struct incident i = saved();

	i.airbag = INCIDENT_AIRBAG_RAISED;
	i.airbag_bytes = 64 * MIB;
	i.peak_need_bytes = 268 * MIB;
	expect_part(i, " handler after 48 us, lent 64.0 MiB, 12.0 MiB used\n");
	i.brake_set = true;
	i.before.known = i.after.known = true;
	i.after.at_high = i.before.at_high + 1;
	expect_part(i, ", lent 64.0 MiB, 12.0 MiB used, braked\n");
	i.airbag = INCIDENT_AIRBAG_REFUSED;
	i.airbag_error = -ENOMEM;
	expect_part(i, ", nothing lent: the machine has no memory to spare\n");
	i.airbag_error = -EAGAIN;
	expect_part(i, ", nothing lent: too many in the last minutes\n");
	i.airbag_error = -EBUSY;
	expect_part(i, ", nothing lent: what was lent before is still in use\n");
	i.airbag = INCIDENT_AIRBAG_FAILED;
	i.airbag_error = -EROFS;
	expect_part(i, ", nothing lent: Read-only file system\n");
}

Test(event, what_is_missing_ends_the_line)
{
	struct incident i = saved();

	i.missing = INCIDENT_MISSING_RESTART;
	expect(i, "12:00:00.123Z saved    server[1234] in /docker/ab12: exited 0 after 212 ms, "
		  "handler after 48 us [apoptosis restarted]\n");
	i.missing = INCIDENT_MISSING_TRIP;
	expect(i, "12:00:00.123Z saved    server[1234] in /docker/ab12 at its limit of "
		  "256.0 MiB: SIGTERM sent; exited 0 after 212 ms, handler after 48 us "
		  "[trip record lost]\n");
	i.verdict = VERDICT_NEEDLESS;
	i.reason = "why";
	i.action = APO_ACT_NONE;
	i.delivered_ns = i.generated_ns = i.signal_ns = 0;
	i.exit.known = false;
	i.missing |= INCIDENT_MISSING_END;
	expect(i, "12:00:00.123Z needless server[1234] in /docker/ab12 at its limit of "
		  "256.0 MiB: no signal was seen; why [trip record lost, end not seen]\n");
}

static char kube_cgroup[] =
	"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b2c3d_4e5f_6071_8293_"
	"a4b5c6d7e8f9.slice/cri-containerd-"
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope";

/* Of the longest names there are, and with all that can be said. */
static struct incident wordy(void)
{
	struct incident i = saved();

	i.grower.comm = i.target.comm = "fifteen_letters";
	i.grower.pid = 4194303;
	i.grower.cgroup = kube_cgroup;
	i.rate_bytes_s = 1001 * MIB;
	i.need_bytes = i.limit_bytes = 1001 * MIB;
	i.airbag = INCIDENT_AIRBAG_RAISED;
	i.airbag_bytes = 1001 * MIB;
	i.peak_need_bytes = 2002 * MIB;
	i.profile = "postgresql";
	i.signal = SIGINT;
	return i;
}

static void expect_short(const struct incident *incident)
{
	_cleanup_free_ char *text = line_of(incident, false);

	cr_expect_leq(strlen(text), EVENT_LINE_MAX + 1, "%zu bytes: %s", strlen(text), text);
	cr_expect_not_null(strstr(text, "fifteen_letters[4194303] in ..."), "%s", text);
}

Test(event, lines_are_short)
{
	struct incident i = wordy();

	expect_short(&i);
	i.verdict = VERDICT_OPEN;
	expect_short(&i);
	i.limit_cgroup = "/kubepods.slice";
	i.target.pid = 4194302;
	expect_short(&i);
	i.action = APO_ACT_SENT_RESPONDER;
	expect_short(&i);
	i.rule = APO_RULE_FORECAST;
	i.forecast_ns = 1;
	expect_short(&i);
	i = wordy();
	i.verdict = VERDICT_IGNORED;
	i.reason = "hangs at its limit, no OOM killer acts (memory.oom_control): kill it or raise "
		   "the limit";
	i.exit.known = false;
	expect_short(&i);
	i.verdict = VERDICT_MISSED;
	expect_short(&i);
}

Test(event, what_is_least_important_goes_first)
{
	struct incident i = wordy();

	i.verdict = VERDICT_OPEN;
	i.target.pid = i.grower.pid;
	i.grower.cgroup = i.limit_cgroup = "/system.slice/a.service";
	expect(i, "12:00:00.123Z trip     fifteen_letters[4194303] in /system.slice/a.service grew "
		  "1001.0 MiB/s to 1001.0 MiB of 1001.0 MiB: SIGINT (profile postgresql) sent\n");
}

Test(event, a_long_path_loses_its_beginning)
{
	struct incident i = saved();

	i.grower.cgroup = i.limit_cgroup =
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-terminal.scope";
	i.verdict = VERDICT_OPEN;
	expect(i, "12:00:00.123Z trip     server[1234] in .../app.slice/app-gnome-terminal.scope "
		  "grew 812.0 MiB/s to 231.4 MiB of 256.0 MiB: SIGTERM sent in the fault\n");
}
