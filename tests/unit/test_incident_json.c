/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/util.h"
#include "output/incident_json.h"
#include "output/json.h"
#include "unit/json_line.h"

#define MIB (1024ULL * 1024)
#define NOON 1769860800ULL /* 2026-01-31 12:00:00 UTC */

static struct memory_file left_behind = {
	.path = (char[]){"/dev/shm/a"}, .bytes = 150, .is_older = true};

static struct incident saved(void)
{
	return (struct incident){
		.id = 0xab12,
		.realtime_ns = NOON * NSEC_PER_SEC + 123456789,
		.verdict = VERDICT_SAVED,
		.reason = "why",
		.trigger = APO_TRIGGER_GROWTH,
		.rule = APO_RULE_FORECAST,
		.level = 1,
		.grower = {.pid = 1234,
			   .ns_pid = 7,
			   .comm = "server",
			   .cmdline = "server -x",
			   .cgroup = "/docker/ab12",
			   .container_id = "ab12",
			   .unit = "user@1.service",
			   .user_unit = "a.scope",
			   .cgroup_id = 99,
			   .disposition = APO_DISP_IGNORED},
		.target = {.pid = 1200,
			   .ns_pid = 1,
			   .comm = "init",
			   .cgroup = "/docker/ab12",
			   .cgroup_id = 99,
			   .disposition = APO_DISP_HANDLED},
		.target_policy = APO_TARGET_LEADER,
		.targets_signalled = 1,
		.limit_cgroup = "/docker",
		.limit_bytes = 256 * MIB,
		.usage_bytes = 240 * MIB,
		.reclaimable_bytes = 10 * MIB,
		.cause_pid = 77,
		.need_bytes = 230 * MIB,
		.swap_bytes = 0,
		.reserve_bytes = 25 * MIB,
		.headroom_bytes = -4096,
		.rate_bytes_s = 812 * MIB,
		.forecast_ns = 80500000,
		.rss_bytes = {1, 2, 3, 4},
		.faults = 5,
		.peak_need_bytes = 258 * MIB,
		.airbag = INCIDENT_AIRBAG_RAISED,
		.airbag_bytes = 64 * MIB,
		.levels = {{.cgroup = "/docker/ab12", .lent_bytes = 64 * MIB},
			   {.lent_bytes = 4096}},
		.level_count = 2,
		.judged_ns = (NOON + 1) * NSEC_PER_SEC,
		.loan = {.lasted_ns = 2500 * NSEC_PER_MSEC,
			 .over_realtime_ns = NOON * NSEC_PER_SEC},
		.brake_set = true,
		.least_headroom_bytes = -8192,
		.wanted_signal = SIGTERM,
		.signal = SIGINT,
		.action = APO_ACT_SENT_RESPONDER,
		.crossed_ns = 1000000,
		.airbag_ns = 1090000,
		.signal_ns = 1002500,
		.generated_ns = 1001000,
		.delivered_ns = 1048250,
		.exit_ns = 1002500 + 212 * NSEC_PER_MSEC,
		.grace_ns = 10 * NSEC_PER_SEC,
		.exit = {.known = true, .code = 3},
		.before = {.known = true, .oom_kills = 1, .at_limit = 2},
		.after = {.known = true, .oom_kills = 1, .at_limit = 9, .at_high = 4},
		.parts = {.read_ns = 1500000,
			  .known = 1U << MEMORY_ANON | 1U << MEMORY_SHMEM,
			  .bytes = {[MEMORY_ANON] = 100, [MEMORY_SHMEM] = 200}},
		.parts_before = {.read_ns = 750000,
				 .known = 1U << MEMORY_ANON,
				 .bytes = {[MEMORY_ANON] = 40}},
		.files = {.known = true, .is_owned = true, .list = &left_behind, .count = 1},
	};
}

static char *text_of(const struct incident *incident, const char *event)
{
	return json_line(incident_json(incident, event));
}

Test(incident_json, a_full_document_is_exactly_this)
{
	struct incident i = saved();
	_cleanup_free_ char *text = text_of(&i, "verdict");

	cr_expect_str_eq(
		text,
		"{\"event\":\"verdict\",\"schema\":1,\"time\":\"2026-01-31T12:00:01.000000Z\","
		"\"trip_time\":\"2026-01-31T12:00:00.123456Z\","
		"\"id\":\"000000000000ab12\",\"guard\":null,\"verdict\":\"saved\",\"reason\":"
		"\"why\","
		"\"trigger\":\"growth\",\"rule\":\"forecast\",\"level\":1,"
		"\"process\":{\"pid\":1234,\"ns_pid\":7,\"comm\":\"server\","
		"\"cmdline\":\"server -x\",\"cgroup\":\"/docker/ab12\",\"cgroup_id\":99,"
		"\"container_id\":\"ab12\",\"unit\":\"user@1.service\",\"user_unit\":\"a.scope\","
		"\"disposition\":\"ignored\"},"
		"\"cause_pid\":77,"
		"\"target\":{\"policy\":\"leader\",\"pid\":1200,\"ns_pid\":1,\"comm\":\"init\","
		"\"cmdline\":null,\"cgroup\":\"/docker/ab12\",\"cgroup_id\":99,"
		"\"container_id\":null,\"unit\":null,\"user_unit\":null,\"disposition\":"
		"\"handled\",\"signalled\":1},"
		"\"memory\":{\"need_bytes\":241172480,\"usage_bytes\":251658240,"
		"\"reclaimable_bytes\":10485760,\"swap_room_bytes\":0,\"limit_bytes\":268435456,"
		"\"limit_cgroup\":\"/docker\",\"limit_kind\":\"memory\",\"headroom_bytes\":-4096,"
		"\"reserve_bytes\":26214400,\"rate_bytes_per_s\":851443712,\"forecast_ms\":80.5,"
		"\"rss_bytes\":{\"file\":1,\"anon\":2,\"swap\":3,\"shmem\":4},"
		"\"peak_need_bytes\":270532608,\"least_headroom_bytes\":-8192,"
		"\"parts\":[{\"part\":\"anon\",\"bytes\":100,\"before_bytes\":40},"
		"{\"part\":\"shmem\",\"bytes\":200,\"before_bytes\":null}],"
		"\"parts_ms\":0.5,\"parts_before_ms\":-0.25,"
		"\"files\":[{\"path\":\"/dev/shm/"
		"a\",\"bytes\":150,\"unlinked\":false,\"older\":true}],"
		"\"files_owned\":true,\"files_cut\":false},"
		"\"faults\":5,"
		"\"action\":{\"signal\":\"INT\",\"wanted_signal\":\"TERM\",\"profile\":null,"
		"\"declared\":null,"
		"\"result\":\"sent by responder\",\"error\":null,\"generated\":true,"
		"\"delivered\":true,\"killed_after_grace\":false},"
		"\"airbag\":{\"result\":\"raised\",\"error\":null,\"raised_bytes\":67108864,"
		"\"used_bytes\":2097152,\"brake\":\"held\","
		"\"limits\":[{\"cgroup\":\"/docker/ab12\",\"raised_bytes\":67108864},"
		"{\"cgroup\":null,\"raised_bytes\":4096}],"
		"\"lent_ms\":2500.0,\"paid_back\":\"2026-01-31T12:00:00.000000Z\"},"
		"\"timing\":{\"crossing_to_signal_us\":2.5,\"crossing_to_handler_us\":48.25,"
		"\"crossing_to_airbag_us\":90.0,\"margin_ms\":0.0,"
		"\"signal_to_exit_ms\":212.0,\"grace_ms\":10000.0},"
		"\"exit\":{\"code\":3,\"signal\":null},"
		"\"kernel\":{\"oom_kills_before\":1,\"oom_kills_after\":1,\"at_limit_before\":2,"
		"\"at_limit_after\":9,\"at_high_before\":0,\"at_high_after\":4,"
		"\"hangs_after\":false},\"after\":null}\n",
		"%s", text);
}

Test(incident_json, what_is_not_known_is_null)
{
	struct incident i = {.forecast_ns = APO_UNLIMITED, .limit_bytes = APO_UNLIMITED};
	_cleanup_free_ char *text = text_of(&i, "oom_kill");

	cr_expect_str_eq(
		text,
		"{\"event\":\"oom_kill\",\"schema\":1,\"time\":\"1970-01-01T00:00:00.000000Z\","
		"\"trip_time\":\"1970-01-01T00:00:00.000000Z\","
		"\"id\":\"0000000000000000\",\"guard\":null,\"verdict\":\"open\",\"reason\":null,"
		"\"trigger\":null,\"rule\":null,\"level\":0,"
		"\"process\":{\"pid\":null,\"ns_pid\":null,\"comm\":null,\"cmdline\":null,"
		"\"cgroup\":null,\"cgroup_id\":null,\"container_id\":null,"
		"\"unit\":null,\"user_unit\":null,\"disposition\":\"unknown\"},"
		"\"cause_pid\":null,"
		"\"target\":{\"policy\":\"grower\",\"pid\":null,\"ns_pid\":null,\"comm\":null,"
		"\"cmdline\":null,\"cgroup\":null,\"cgroup_id\":null,\"container_id\":null,"
		"\"unit\":null,\"user_unit\":null,\"disposition\":\"unknown\",\"signalled\":0},"
		"\"memory\":{\"need_bytes\":0,\"usage_bytes\":0,\"reclaimable_bytes\":0,"
		"\"swap_room_bytes\":0,\"limit_bytes\":null,\"limit_cgroup\":null,\"limit_kind\":"
		"\"memory\","
		"\"headroom_bytes\":0,\"reserve_bytes\":0,\"rate_bytes_per_s\":null,"
		"\"forecast_ms\":null,\"rss_bytes\":null,\"peak_need_bytes\":null,"
		"\"least_headroom_bytes\":null,"
		"\"parts\":null,\"parts_ms\":null,\"parts_before_ms\":null,\"files\":null,\"files_"
		"owned\":null,\"files_cut\":null},"
		"\"faults\":null,"
		"\"action\":{\"signal\":null,\"wanted_signal\":null,\"profile\":null,\"declared\":"
		"null,\"result\":"
		"\"none\","
		"\"error\":null,\"generated\":false,\"delivered\":false,"
		"\"killed_after_grace\":false},"
		"\"airbag\":{\"result\":\"none\",\"error\":null,\"raised_bytes\":0,"
		"\"used_bytes\":0,\"brake\":\"none\",\"limits\":[],"
		"\"lent_ms\":null,\"paid_back\":null},"
		"\"timing\":{\"crossing_to_signal_us\":null,\"crossing_to_handler_us\":null,"
		"\"crossing_to_airbag_us\":null,\"margin_ms\":null,"
		"\"signal_to_exit_ms\":null,\"grace_ms\":null},"
		"\"exit\":null,"
		"\"kernel\":{\"oom_kills_before\":null,\"oom_kills_after\":null,"
		"\"at_limit_before\":null,\"at_limit_after\":null,"
		"\"at_high_before\":null,\"at_high_after\":null,"
		"\"hangs_after\":null},\"after\":null}\n",
		"%s", text);
}

Test(incident_json, an_ending_signal_replaces_the_code)
{
	struct incident i = saved();
	_cleanup_free_ char *text = NULL;

	i.exit = (struct incident_exit){.known = true, .code = -1, .signal = SIGKILL};
	i.error = -ESRCH;
	text = text_of(&i, "verdict");
	cr_expect_not_null(strstr(text, "\"exit\":{\"code\":null,\"signal\":\"KILL\"}"), "%s",
			   text);
	cr_expect_not_null(strstr(text, "\"error\":\"No such process\""), "%s", text);
}

Test(incident_json, an_end_that_nobody_saw_is_not_still_running)
{
	struct incident i = saved();
	_cleanup_free_ char *text = NULL;

	i.exit.known = false;
	text = text_of(&i, "verdict");
	cr_expect_not_null(strstr(text, "\"exit\":{\"code\":null,\"signal\":null}"), "%s", text);
	cr_expect_not_null(strstr(text, "\"signal_to_exit_ms\":null"), "%s", text);
}

Test(incident_json, what_is_missing_is_a_list_of_sentences)
{
	struct incident i = saved();
	_cleanup_free_ char *text = text_of(&i, "verdict"), *more = NULL;

	cr_expect_null(strstr(text, "missing"));
	i.missing = INCIDENT_MISSING_END | INCIDENT_MISSING_RESTART;
	more = text_of(&i, "verdict");
	cr_expect_not_null(
		strstr(more, ",\"missing\":[\"the end was not seen: how the process ended is not "
			     "known\",\"apoptosis was restarted during this trip: what happened in "
			     "between, and who allocated, is not known\"]}\n"),
		"%s", more);
}

Test(incident_json, of_a_trip_whose_record_was_lost_memory_and_action_are_null)
{
	struct incident i = {
		.crossed_ns = 1,
		.limit_bytes = MIB,
		.missing = INCIDENT_MISSING_TRIP,
	};
	_cleanup_free_ char *text = text_of(&i, "verdict"), *later = NULL;

	cr_expect_not_null(
		strstr(text,
		       "\"memory\":{\"need_bytes\":null,\"usage_bytes\":null,"
		       "\"reclaimable_bytes\":null,\"swap_room_bytes\":null,"
		       "\"limit_bytes\":1048576,\"limit_cgroup\":null,\"limit_kind\":null,"
		       "\"headroom_bytes\":null,"
		       "\"reserve_bytes\":null,\"rate_bytes_per_s\":null,\"forecast_ms\":null,"
		       "\"rss_bytes\":null,\"peak_need_bytes\":null,"
		       "\"least_headroom_bytes\":null,"
		       "\"parts\":null,\"parts_ms\":null,\"parts_before_ms\":null,\"files\":null,"
		       "\"files_owned\":null,\"files_cut\":null},\"faults\":null,"),
		"%s", text);
	cr_expect_not_null(strstr(text, "\"result\":null"), "%s", text);
	i.reserve_bytes = 2;
	i.action = APO_ACT_SENT;
	incident_note_peak(&i, 5, -3);
	later = text_of(&i, "verdict");
	cr_expect_not_null(strstr(later, "\"reserve_bytes\":2"), "%s", later);
	cr_expect_not_null(strstr(later, "\"result\":\"sent\""), "%s", later);
	cr_expect_not_null(strstr(later, "\"peak_need_bytes\":5,\"least_headroom_bytes\":-3,"),
			   "%s", later);
}

Test(incident_json, times_out_of_order_are_zero_not_negative)
{
	struct incident i = saved();
	_cleanup_free_ char *text = NULL;

	i.signal_ns = i.crossed_ns - 1;
	text = text_of(&i, "verdict");
	cr_expect_not_null(strstr(text, "\"crossing_to_signal_us\":0.0"), "%s", text);
}

Test(incident_json, strange_names_stay_one_valid_line)
{
	struct incident i = saved();
	_cleanup_free_ char *text = NULL;
	json_error_t error;
	json_t *back;

	i.grower.comm = "a\n\"b\\";
	i.grower.cmdline = "\xff\xc3\xa9\x01";
	i.limit_cgroup = "/x\xe2\x82";
	text = text_of(&i, "trip");
	cr_expect_eq(strchr(text, '\n'), text + strlen(text) - 1);
	back = json_loads(text, 0, &error);
	cr_assert_not_null(back, "%s", error.text);
	cr_expect_str_eq(
		json_string_value(json_object_get(json_object_get(back, "process"), "comm")),
		"a\n\"b\\");
	cr_expect_str_eq(
		json_string_value(json_object_get(json_object_get(back, "process"), "cmdline")),
		"\xef\xbf\xbd\xc3\xa9\x01");
	cr_expect_str_eq(
		json_string_value(json_object_get(json_object_get(back, "memory"), "limit_cgroup")),
		"/x\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(back);
}

Test(incident_json, integers_beyond_json_are_clamped)
{
	struct incident i = saved();
	_cleanup_free_ char *text = NULL;

	i.rate_bytes_s = UINT64_MAX - 1;
	text = text_of(&i, "trip");
	cr_expect_not_null(strstr(text, "\"rate_bytes_per_s\":9223372036854775807"), "%s", text);
}

Test(incident_json, a_full_disk_is_an_error)
{
	FILE *file = fopen("/dev/full", "w");
	json_t *document = json_object();

	cr_assert_not_null(file);
	cr_expect_eq(json_write_line(file, document), -ENOSPC);
	fclose(file);
	json_decref(document);
}

Test(incident_json, no_memory_ends_in_null_and_leaks_nothing)
{
	json_t *object = json_object();

	cr_expect_null(json_finish(object, json_object_set_new(object, "a", NULL)));
	cr_expect_null(json_finish(NULL, -1));
}
