/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "base/util.h"
#include "output/json.h"
#include "output/status.h"
#include "output/status_json.h"
#include "unit/json_line.h"

#define MIB (1024ULL * 1024)
#define NOON 1769860800ULL /* 2026-01-31 12:00:00 UTC */
#define TIME "\"time\":\"2026-01-31T12:00:00.000000Z\""

static struct ready guarding(void)
{
	return (struct ready){
		.realtime_ns = NOON * NSEC_PER_SEC,
		.mode = "cgroup",
		.pid = 42,
		.version = "0.1.0",
		.has_guard = true,
		.cgroup = "/a\nb",
		.cgroup_id = 77,
		.limit_bytes = 256 * MIB,
		.limit_cgroup = "/a",
		.lends = true,
		.reserve_bytes = 25 * MIB,
		.triggers = {2, {"growth", "reclaim"}},
		.self = {.is_locked = true,
			 .is_realtime = true,
			 .descriptors_max = 65536,
			 .limits_max = 4096},
	};
}

Test(status_json, ready_of_a_guard)
{
	struct ready ready = guarding();
	_cleanup_free_ char *text = json_line(ready_json(&ready));

	cr_expect_str_eq(text,
			 "{\"event\":\"ready\",\"schema\":1," TIME
			 ",\"mode\":\"cgroup\",\"pid\":42,\"version\":\"0.1.0\","
			 "\"guard\":{\"cgroup\":\"/a\\nb\",\"cgroup_id\":77,"
			 "\"limit_bytes\":268435456,\"limit_cgroup\":\"/a\",\"lends\":true,"
			 "\"reserve_bytes\":26214400},\"host\":false,"
			 "\"triggers\":[\"growth\",\"reclaim\"],"
			 "\"self\":{\"memory_locked\":true,\"realtime\":true,"
			 "\"descriptors_max\":65536,\"limits_max\":4096}}\n",
			 "%s", text);
}

Test(status_json, ready_of_all_and_of_run)
{
	struct ready ready = {.realtime_ns = NOON * NSEC_PER_SEC,
			      .mode = "all",
			      .pid = 42,
			      .version = "0.1.0",
			      .guards_host = true,
			      .triggers = {1, {"tick"}},
			      .child = 43};
	_cleanup_free_ char *text = json_line(ready_json(&ready));

	cr_expect_str_eq(text,
			 "{\"event\":\"ready\",\"schema\":1," TIME
			 ",\"mode\":\"all\",\"pid\":42,\"version\":\"0.1.0\",\"guard\":null,"
			 "\"host\":true,\"triggers\":[\"tick\"],\"self\":{\"memory_locked\":false,"
			 "\"realtime\":false,\"descriptors_max\":0,\"limits_max\":0},"
			 "\"child\":43}\n",
			 "%s", text);
}

/* What is as it should be is not said. */
Test(status_json, ready_in_words)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	struct ready ready = guarding();

	cr_expect_eq(ready_text(file, &ready), 0);
	ready.lends = false; /* as where it cannot be written */
	cr_expect_eq(ready_text(file, &ready), 0);
	ready.limit_bytes = APO_UNLIMITED;
	cr_expect_eq(ready_text(file, &ready), 0);
	ready.has_guard = false;
	ready.guards_host = true;
	ready.self.is_locked = ready.self.is_realtime = false;
	ready.triggers = (struct trigger_names){3, {"growth", "tick", "reclaim"}};
	cr_expect_eq(ready_text(file, &ready), 0);
	fclose(file);
	cr_expect_str_eq(
		text,
		"12:00:00.000Z ready    guarding /a\\nb: limit 256.0 MiB, raised when it "
		"is nearly reached; triggers: growth reclaim\n"
		"12:00:00.000Z ready    guarding /a\\nb: limit 256.0 MiB, reserve 25.0 "
		"MiB; triggers: growth reclaim\n"
		"12:00:00.000Z ready    guarding /a\\nb: limit unlimited, reserve 25.0 "
		"MiB; triggers: growth reclaim\n"
		"12:00:00.000Z ready    guarding every limited cgroup and the machine's own "
		"memory; triggers: growth "
		"tick reclaim; memory not locked; responder not in real time\n",
		"%s", text);
}

static struct status_limit limits[] = {
	{.path = "/a\tb",
	 .key = {.cgroup_id = 77, .policy = 1},
	 .workload = {.container = "till", .pod = "till-7f", .pod_namespace = "shop"},
	 .why = "--cgroup /a, the nearest guard at or above /a/b",
	 .guard = "web",
	 .account = {.last_ns = 5 * NSEC_PER_SEC,
		     .need_pages = 10,
		     .peak_need_pages = 20,
		     .limit_pages = 256,
		     .least_headroom_pages = -1,
		     .rate_pages_s = 3,
		     .trips = 1,
		     .warns = 2,
		     .oom_kills = 3,
		     .oom_kills_uncaught = 4},
	 .lent_pages = 16,
	 .loan = {.lent_bytes = 131072, .lasted_ns = 1500 * NSEC_PER_MSEC, .is_for_trip = true},
	 .verdicts = {[VERDICT_SAVED] = 2}},
	{.path = NULL,
	 .key = {.cgroup_id = 78},
	 .account = {.limit_pages = APO_UNLIMITED, .least_headroom_pages = INT64_MAX},
	 .loan = {.lent_bytes = 4096,
		  .lasted_ns = 2 * NSEC_PER_SEC,
		  .over_realtime_ns = NOON * NSEC_PER_SEC}},
};

/* A comm that fills its field has no NUL. */
static struct status_process processes[] = {
	{.pid = 5,
	 .python_version = 0x30b,
	 .account = {.comm = "small\n",
		     .rss_pages = {1, 2, 3, 4},
		     .peak_pages = 9,
		     .rate_pages_s = 1,
		     .faults = 11,
		     .cgroup_id = 77}},
	{.pid = 6,
	 .account = {.comm = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n',
			      'o', 'p'},
		     .rss_pages = {0, 512, 0, 0},
		     .peak_pages = 600,
		     .cgroup_id = 78}},
};

static struct gap gaps[] = {
	{.kind = GAP_GONE, .cgroup = "/a\tc"},
	{.kind = APO_GAP_WIDE, .cgroup_id = 79},
};

static const struct policy lending = {.airbag = AIRBAG_AUTO};

static struct status full(void)
{
	limits[0].policy = &lending;
	return (struct status){
		.realtime_ns = NOON * NSEC_PER_SEC,
		.now_ns = 5 * NSEC_PER_SEC,
		.recent = {{.realtime_ns = NOON * NSEC_PER_SEC,
			    .id = 42,
			    .verdict = VERDICT_SAVED,
			    .cgroup = "/a",
			    .comm = "server"}},
		.recent_count = 1,
		.self = {.mode = "daemon",
			 .pid = 42,
			 .version = "0.1.0",
			 .triggers = {2, {"growth", "tick"}},
			 .since_realtime_ns = (NOON - 100) * NSEC_PER_SEC,
			 .memory_bytes = 10 * MIB,
			 .cpu_ns = 2 * NSEC_PER_SEC,
			 .history_trouble = "disk",
			 .metrics_trouble = "full",
			 .metrics_unserved = "taken",
			 .refused = "a.conf:1: wrong\n"},
		.page_bytes = 4096,
		.limits = limits,
		.limit_count = ARRAY_SIZE(limits),
		.processes = processes,
		.process_count = ARRAY_SIZE(processes),
		.gaps = gaps,
		.gap_count = ARRAY_SIZE(gaps),
		.counters = {100, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		.cost = {.checks_per_s = 2.5,
			 .programs = {{.hook = hook_find("on_tick"),
				       .is_attached = true,
				       .runs = 1000,
				       .ns = 250000},
				      {.hook = hook_find("on_rss_stat")}},
			 .program_count = 2},
		.responder_late = 13,
		.answers_lost = 14,
		.verdicts = {[VERDICT_SAVED] = 2, [VERDICT_TOO_LATE] = 1},
	};
}

Test(status_json, a_full_document_is_exactly_this)
{
	struct status status = full();
	_cleanup_free_ char *text = json_line(status_json(&status));

	cr_expect_str_eq(
		text,
		"{\"event\":\"status\",\"schema\":1," TIME
		",\"recent\":[{\"time\":\"2026-01-31T12:00:00.000000Z\",\"id\":"
		"\"000000000000002a\",\"verdict\":\"saved\",\"guard\":null,\"cgroup\":\"/a\","
		"\"process\":\"server\"}]"
		",\"self\":{\"mode\":\"daemon\",\"pid\":42,\"version\":\"0.1.0\","
		"\"since\":\"2026-01-31T11:58:20.000000Z\",\"seconds\":100.0,"
		"\"triggers\":[\"growth\",\"tick\"],\"memory_bytes\":10485760,"
		"\"cpu_seconds\":2.0,\"history_trouble\":\"disk\",\"metrics_trouble\":\"full\","
		"\"metrics_unserved\":\"taken\","
		"\"configuration_refused\":\"a.conf:1: wrong\\n\"}"
		",\"limits\":[{\"cgroup\":\"/a\\tb\",\"cgroup_id\":77,"
		"\"container\":\"till\",\"namespace\":\"shop\",\"pod\":\"till-7f\","
		"\"policy\":1,\"policy_from\":\"--cgroup /a, the nearest guard at or above "
		"/a/b\",\"guard\":\"web\",\"mode\":\"lends\",\"checked\":true,\"need_bytes\":40960,"
		"\"peak_need_bytes\":81920,\"limit_bytes\":1048576,\"headroom_bytes\":1007616,"
		"\"lent_bytes\":65536,"
		"\"loan\":{\"lent_bytes\":131072,\"lent_ms\":1500.0,\"for_trip\":true,"
		"\"paid_back\":null},\"least_"
		"headroom_bytes\":-4096,"
		"\"rate_bytes_per_s\":12288,\"seconds_to_limit\":82.0,\"trips\":1,\"warns\":2,"
		"\"oom_kills\":3,"
		"\"oom_kills_uncaught\":4,\"verdicts\":{\"open\":0,\"saved\":2,\"ended\":0,\"too "
		"late\":0,"
		"\"needless\":0,\"ignored\":0,\"missed\":0,\"dry run\":0}},"
		"{\"cgroup\":null,\"cgroup_id\":78,"
		"\"container\":null,\"namespace\":null,\"pod\":null,\"policy\":0,\"policy_from\":"
		"null,"
		"\"guard\":null,\"mode\":null,\"checked\":false,\"need_bytes\":0,"
		"\"peak_need_bytes\":0,"
		"\"limit_bytes\":null,\"headroom_bytes\":null,\"lent_bytes\":0,"
		"\"loan\":{\"lent_bytes\":4096,\"lent_ms\":2000.0,\"for_trip\":false,"
		"\"paid_back\":\"2026-01-31T12:00:00.000000Z\"},\"least_headroom_bytes\":null,"
		"\"rate_bytes_"
		"per_s\":0,\"seconds_to_limit\":null,"
		"\"trips\":0,\"warns\":0,\"oom_kills\":0,\"oom_kills_uncaught\":0,"
		"\"verdicts\":{\"open\":0,\"saved\":0,\"ended\":0,\"too late\":0,\"needless\":0,"
		"\"ignored\":0,\"missed\":0,\"dry run\":0}}],"
		"\"processes\":[{\"pid\":5,\"comm\":\"small\\n\",\"rss_bytes\":{\"file\":4096,"
		"\"anon\":8192,\"swap\":12288,\"shmem\":16384},\"peak_bytes\":36864,"
		"\"rate_bytes_per_s\":4096,\"faults\":11,\"cgroup_id\":77,\"interpreter\":"
		"\"CPython 3.11\"},"
		"{\"pid\":6,\"comm\":\"abcdefghijklmnop\",\"rss_bytes\":{\"file\":0,"
		"\"anon\":2097152,\"swap\":0,\"shmem\":0},\"peak_bytes\":2457600,"
		"\"rate_bytes_per_s\":0,\"faults\":0,\"cgroup_id\":78,\"interpreter\":null}],"
		"\"gaps\":[{\"cgroup\":\"/a\\tc\",\"cgroup_id\":null,\"reason\":\"gone\","
		"\"partial\":false,\"text\":\"is removed: nothing is guarded there until it is "
		"made anew\",\"remedy\":\"nothing, if what runs there is stopped\"},"
		"{\"cgroup\":null,\"cgroup_id\":79,\"reason\":\"wide\",\"partial\":true,"
		"\"text\":\"has more than 512 cgroups below it: its page cache is known with a "
		"delay\",\"remedy\":\"let its limit be raised (--airbag auto), or keep a larger "
		"--reserve\"}],"
		"\"counters\":{\"checks\":100,\"trips\":2,\"warns\":3,\"sent\":4,\"busy\":5,"
		"\"delegated\":6,\"lost_records\":7,\"map_full\":8,\"subtree_cut\":9,"
		"\"oom_kills\":10,\"samples\":11,\"oom_kills_uncaught\":12,\"responder_late\":13,"
		"\"answers_lost\":14},"
		"\"checks_per_s\":2.5,\"programs\":[{\"name\":\"on_tick\",\"point\":\"hrtimer_"
		"expire_entry\",\"trigger\":\"tick\",\"attached\":true,\"runs\":1000,\"ns\":"
		"250000},{\"name\":\"on_rss_stat\",\"point\":\"rss_stat\",\"trigger\":"
		"\"growth\",\"attached\":false,\"runs\":null,\"ns\":null}],"
		"\"verdicts\":{\"open\":0,\"saved\":2,\"ended\":0,\"too late\":1,\"needless\":0,"
		"\"ignored\":0,\"missed\":0,\"dry run\":0}}\n",
		"%s", text);
}

Test(status_json, nothing_yet)
{
	struct status status = {.page_bytes = 4096};
	_cleanup_free_ char *text = json_line(status_json(&status));

	cr_expect_not_null(
		strstr(text,
		       "\"limits\":[],\"processes\":[],\"gaps\":[],\"counters\":{\"checks\":0"),
		"%s", text);
}

static char *table_of(const struct status *status, bool colour)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	json_t *document = status_json(status);

	cr_assert_eq(status_text(file, document, colour), 0);
	json_decref(document);
	fclose(file);
	return text;
}

Test(status_json, the_table_lists_processes_by_size)
{
	struct status status = full();
	_cleanup_free_ char *text = table_of(&status, false);

	cr_expect_str_eq(
		text,
		"apoptosis 0.1.0 daemon, process 42, up 1m40s; takes 10.0 MiB and 2.00 % of a CPU; "
		"triggers: growth tick\n"
		"the history is not written: disk\n"
		"the metrics are not written: full\n"
		"the metrics are not served: taken\n"
		"the configuration is as it was before: a.conf:1: wrong\\n; to do: mend that, then "
		"have it read again by SIGHUP\n"
		"       NEED       PEAK      LIMIT       ROOM LEAST ROOM         RATE TO LIMIT "
		"TRIPS "
		"KILLS  MODE     GUARD         CGROUP\n"
		"   40.0 KiB   80.0 KiB    1.0 MiB  984.0 KiB   -4.0 KiB   12.0 KiB/s    1m22s     "
		"1 "
		"    3  lends    web           /a\\tb\n"
		"        0 B        0 B       none       none       none        0 B/s        -     "
		"0 "
		"    0  -        -             (removed)\n"
		"lent to /a\\tb: 128.0 KiB for a trip, for 1.5 s so far\n"
		"lent to (removed): 4.0 KiB, for 2.0 s, paid back at 12:00:00.000Z\n"
		"        RSS       PEAK       ANON      SHMEM         RATE  PROCESS\n"
		"    2.0 MiB    2.3 MiB    2.0 MiB        0 B        0 B/s  abcdefghijklmnop[6]\n"
		"   28.0 KiB   36.0 KiB    8.0 KiB   16.0 KiB    4.0 KiB/s  small\\n[5]\n"
		"not protected: /a\\tc is removed: nothing is guarded there until it is made anew; "
		"to do: nothing, if what runs there is stopped\n"
		"less protected: (removed) has more than 512 cgroups below it: its page cache is "
		"known with a delay; to do: let its limit be raised (--airbag auto), or keep a "
		"larger --reserve\n"
		"on_tick                    1000 runs of 250 ns\n"
		"on_rss_stat is not attached at present: no limit is armed\n"
		"checks 100 (2.5/s), trips 2, warnings 3, signals 4 by the kernel side and 6 "
		"delegated, "
		"OOM "
		"kills 10\n"
		"lost records: 7 (the signals went out all the same)\n"
		"full maps: 8 accounts had no room\n"
		"large subtrees: 9 times page cache was taken from statistics\n"
		"verdicts: saved 2, too late 1\n",
		"%s", text);
}

Test(status_json, the_table_stays_small)
{
	struct status_process many[25] = {0};
	struct status status = {.page_bytes = 4096, .processes = many, .process_count = 25};
	_cleanup_free_ char *text = NULL;

	for (int i = 0; i < 25; i++)
		many[i].pid = i + 1;
	text = table_of(&status, true);
	cr_expect_not_null(strstr(text, "[20]\n            and 5 smaller\n"), "%s", text);
	cr_expect_null(strstr(text, "[21]"));
	cr_expect_not_null(strstr(text, "\033[1m"));
	cr_expect_not_null(strstr(text, "verdicts: none\n"), "%s", text);
}
