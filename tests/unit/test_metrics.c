/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics: the text that a reader takes, whatever cgroups are called; the sums behind it; its file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "core/listen_address.h"
#include "core/measures.h"
#include "output/metrics.h"
#include "output/metrics_guards.h"
#include "sinks/metrics_file.h"
#include "unit/fixture.h"

#define NOON 1769860800ULL /* 2026-01-31 12:00:00 UTC */
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TestSuite(metrics, .init = fixture_make, .fini = fixture_remove);

static char *text_of(const struct status *status, enum metrics_place place)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_eq(metrics_write(file, status, place), 0);
	fclose(file);
	return text;
}

static struct status with_limits(struct status_limit *limits, size_t count)
{
	return (struct status){
		.realtime_ns = NOON * NSEC_PER_SEC,
		.now_ns = 5 * NSEC_PER_SEC,
		.page_bytes = 4096,
		.self = {.mode = "daemon", .version = "0.1.0"},
		.limits = limits,
		.limit_count = count,
	};
}

#define EXPECT(text, line) \
	cr_expect(text_has_word(text, "\n", line), "no line %s in\n%s", line, text)

/* --- what a reader takes ------------------------------------------------------------------- */

/* The end of a label's value, whose quotation mark is before it; NULL: it has none, or is no value. */
static const char *value_end(const char *at)
{
	while (*at != '"') {
		size_t length = text_utf8_sequence(at, NULL);

		if (!length || *at == '\n' || (*at == '\\' && !strchr("\\\"n", at[1])))
			return NULL;
		at += *at == '\\' ? 2 : length;
	}
	return at + 1;
}

/* The end of a series; NULL: it is none. */
static const char *series_end(const char *at)
{
	at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
	if (*at != '{')
		return at;
	do {
		at++;
		at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
		at = at[0] == '=' && at[1] == '"' ? value_end(at + 2) : NULL;
	} while (at && *at == ',');
	return at && *at == '}' ? at + 1 : NULL;
}

/* Whether a line is a comment, or a series and a number. In *ret_size the size of the series. */
static bool is_line(const char *line, size_t *ret_size)
{
	const char *at = *line == '#' ? NULL : series_end(line);
	char *end = NULL;

	*ret_size = 0;
	if (*line == '#')
		return text_starts_with(line, "# HELP ") || text_starts_with(line, "# TYPE ");
	if (!at || at == line || *at != ' ')
		return false;
	*ret_size = (size_t)(at - line);
	if (!strcmp(at, " +Inf"))
		return true;
	strtod(at + 1, &end);
	return end > at + 1 && !*end;
}

/* As strict as Prometheus, which refuses the whole text for one line: each is well-formed, and no series is there twice. */
static void expect_readable(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	const char *seen[8192];
	size_t sizes[ARRAY_SIZE(seen)], count = 0;
	char *rest = copy;

	cr_assert(text_ends_with(text, "\n"));
	for (char *line; (line = strsep(&rest, "\n")) && rest;) {
		size_t size;

		cr_assert(is_line(line, &size), "no line of metrics: %s", line);
		for (size_t i = 0; size && i < count; i++)
			cr_assert(sizes[i] != size || memcmp(seen[i], line, size) != 0,
				  "it is there twice: %s", line);
		cr_assert_lt(count, ARRAY_SIZE(seen));
		seen[count] = line;
		sizes[count++] = size;
	}
}

/* --- text ---------------------------------------------------------------------------------- */

static const struct policy lending = {.airbag = AIRBAG_AUTO};
static const struct policy reserving = {.airbag = AIRBAG_OFF, .reserve_bytes = 65536};

Test(metrics, a_guard_has_its_numbers_with_its_names)
{
	struct status_limit limits[] = {
		{.path = "/system.slice/web.service",
		 .key = {.cgroup_id = 7},
		 .guard = "web",
		 .policy = &lending,
		 .lent_pages = 16,
		 .account = {.last_ns = 5 * NSEC_PER_SEC,
			     .need_pages = 300,
			     .limit_pages = 256,
			     .rate_pages_s = 2}},
		{.path = "/docker/" ID,
		 .key = {.cgroup_id = 8},
		 .policy = &reserving,
		 .account = {.last_ns = 5 * NSEC_PER_SEC,
			     .need_pages = 56,
			     .limit_pages = 256,
			     .rate_pages_s = 80}},
		{.path = NULL, .key = {.cgroup_id = 9}},
		{.path = "/free",
		 .key = {.cgroup_id = 10},
		 .account = {.limit_pages = APO_UNLIMITED}},
		{.path = "/pod/" ID,
		 .key = {.cgroup_id = 11},
		 .workload = {.container = "t\"ill", .pod = "till-7f", .pod_namespace = "shop"},
		 .account = {.limit_pages = 256}},
	};
	struct status status = with_limits(limits, ARRAY_SIZE(limits));
	_cleanup_free_ char *text = text_of(&status, METRICS_ALONE);

#define WEB "{cgroup=\"/system.slice/web.service\",guard=\"web\",unit=\"web.service\"} "
#define DOCKER "{cgroup=\"/docker/" ID "\",container=\"" ID "\"} "
	expect_readable(text);
	EXPECT(text, "apoptosis_guards{mode=\"lends\"} 1");
	EXPECT(text, "apoptosis_guards{mode=\"reserve\"} 1");
	EXPECT(text, "apoptosis_guards{mode=\"dry run\"} 0");
	EXPECT(text, "apoptosis_guards{mode=\"unknown\"} 2");
	EXPECT(text, "apoptosis_guards_omitted 0");
	EXPECT(text, "apoptosis_guard_limit_bytes" WEB "1048576");
	EXPECT(text, "apoptosis_guard_need_bytes" WEB "1228800");
	EXPECT(text, "apoptosis_guard_headroom_bytes" WEB "-180224");
	EXPECT(text, "apoptosis_guard_growth_bytes_per_second" WEB "8192");
	EXPECT(text, "apoptosis_guard_time_to_limit_seconds" WEB "0.000");
	EXPECT(text, "apoptosis_guard_lent_bytes" WEB "65536");
	EXPECT(text, "apoptosis_airbag_lent_bytes 65536");
	cr_expect_null(strstr(text, "apoptosis_guard_reserve_bytes" WEB));
	EXPECT(text, "apoptosis_guard_reserve_bytes" DOCKER "65536");
	EXPECT(text, "apoptosis_guard_headroom_bytes" DOCKER "819200");
	EXPECT(text, "apoptosis_guard_time_to_limit_seconds" DOCKER "2.500");
	EXPECT(text, "apoptosis_guard_time_to_limit_seconds{cgroup=\"/free\"} +Inf");
	cr_expect_null(strstr(text, "apoptosis_guard_limit_bytes{cgroup=\"/free\"}"));
	EXPECT(text, "apoptosis_guard_limit_bytes{cgroup=\"/pod/" ID "\",container=\"t\\\"ill\","
		     "namespace=\"shop\",pod=\"till-7f\"} 1048576");
}

Test(metrics, each_value_of_a_label_is_there_from_the_start)
{
	struct status status = with_limits(NULL, 0);
	_cleanup_free_ char *text = text_of(&status, METRICS_ALONE);

	expect_readable(text);
	EXPECT(text, "apoptosis_build_info{mode=\"daemon\",version=\"0.1.0\"} 1");
	EXPECT(text, "apoptosis_updated_timestamp_seconds 1769860800.000000000");
	EXPECT(text, "apoptosis_trips_total{rule=\"reserve\"} 0");
	EXPECT(text, "apoptosis_trips_total{rule=\"unknown\"} 0");
	EXPECT(text, "apoptosis_verdicts_total{verdict=\"saved\"} 0");
	EXPECT(text, "apoptosis_verdicts_total{verdict=\"too late\"} 0");
	EXPECT(text, "apoptosis_verdicts_total{verdict=\"missed\"} 0");
	EXPECT(text, "apoptosis_oom_kills_total{preceded_by_trip=\"false\"} 0");
	EXPECT(text, "apoptosis_oom_kills_total{preceded_by_trip=\"true\"} 0");
	EXPECT(text, "apoptosis_gaps{reason=\"gone\"} 0");
	EXPECT(text, "apoptosis_signal_latency_seconds_bucket{le=\"1e-05\"} 0");
	EXPECT(text, "apoptosis_signal_latency_seconds_count 0");
}

Test(metrics, what_happened_is_counted)
{
	struct status status = with_limits(NULL, 0);
	_cleanup_free_ char *text = NULL;

	status.counters[APO_STAT_OOM_KILLS] = 5;
	status.counters[APO_STAT_OOM_UNCAUGHT] = 2;
	status.counters[APO_STAT_LOST_RECORDS] = 3;
	status.counters[APO_STAT_SENT] = 11;
	status.verdicts[VERDICT_SAVED] = 4;
	status.verdicts[VERDICT_OPEN] = 1;
	status.raises = 6;
	status.accounts = 12;
	status.accounts_room = 4096;
	status.self.refused = "a.conf:1: wrong";
	status.self.cpu_ns = 1500 * NSEC_PER_MSEC;
	status.cost.programs[0] =
		(struct status_program){.hook = hook_find("on_tick"), .runs = 1000, .ns = 250000};
	status.cost.programs[1] = (struct status_program){.hook = hook_find("on_rss_stat")};
	status.cost.program_count = 2;
	measures_open(&status.measures, APO_RULE_RESERVE);
	measures_open(&status.measures, APO_RULE_WARN);
	text = text_of(&status, METRICS_ALONE);
	expect_readable(text);
	EXPECT(text, "apoptosis_trips_total{rule=\"reserve\"} 1");
	EXPECT(text, "apoptosis_oom_kills_total{preceded_by_trip=\"false\"} 2");
	EXPECT(text, "apoptosis_oom_kills_total{preceded_by_trip=\"true\"} 3");
	EXPECT(text, "apoptosis_ringbuf_events_lost_total 3");
	EXPECT(text, "apoptosis_signals_total{by=\"kernel\"} 11");
	EXPECT(text, "apoptosis_verdicts_total{verdict=\"saved\"} 4");
	EXPECT(text, "apoptosis_incidents_open 1");
	EXPECT(text, "apoptosis_airbag_raises_total 6");
	EXPECT(text, "apoptosis_map_entries{map=\"limits\"} 12");
	EXPECT(text, "apoptosis_map_capacity{map=\"limits\"} 4096");
	EXPECT(text, "apoptosis_configuration_refused 1");
	EXPECT(text, "apoptosis_program_runs_total{program=\"on_tick\"} 1000");
	EXPECT(text, "apoptosis_program_run_seconds_total{program=\"on_tick\"} 0.000250000");
	cr_expect_null(strstr(text, "program=\"on_rss_stat\""));
	EXPECT(text, "process_cpu_seconds_total 1.500000000");
}

/* A collector has a process of its own, whose numbers these would be. */
Test(metrics, among_others_the_process_has_a_name_of_its_own)
{
	struct status status = with_limits(NULL, 0);
	_cleanup_free_ char *text = text_of(&status, METRICS_AMONG_OTHERS);

	expect_readable(text);
	EXPECT(text, "apoptosis_process_cpu_seconds_total 0.000000000");
	EXPECT(text, "apoptosis_process_resident_memory_bytes 0");
	cr_expect_null(strstr(text, "\nprocess_"));
}

/* --- names that others chose --------------------------------------------------------------- */

Test(metrics, a_hostile_name_stays_in_its_label)
{
	struct status_limit limits[] = {
		{.path = "/a\"} 1\napoptosis_guards 99\n\\\xff\xc0\xaf\t", .key = {.cgroup_id = 7}},
	};
	struct status status = with_limits(limits, 1);
	_cleanup_free_ char *text = text_of(&status, METRICS_ALONE);

	expect_readable(text);
	EXPECT(text, "apoptosis_guard_need_bytes{cgroup=\"/a\\\"} 1\\napoptosis_guards 99\\n\\\\"
		     "\uFFFD\uFFFD\uFFFD\t\"} 0");
}

Test(metrics, of_names_that_read_alike_the_fullest_has_its_numbers)
{
	struct status_limit limits[] = {
		{.path = "/a\xff", .key = {.cgroup_id = 7}, .account = {.limit_pages = 9}},
		{.path = "/a\xfe",
		 .key = {.cgroup_id = 8},
		 .account = {.need_pages = 2, .limit_pages = 9}},
		{.path = "/b", .key = {.cgroup_id = 9, .policy = 1}},
		{.path = "/b", .key = {.cgroup_id = 9, .policy = 2}}, /* one guard */
	};
	struct status status = with_limits(limits, ARRAY_SIZE(limits));
	_cleanup_free_ char *text = text_of(&status, METRICS_ALONE);

	expect_readable(text);
	EXPECT(text, "apoptosis_guards_omitted 1");
	EXPECT(text, "apoptosis_guard_need_bytes{cgroup=\"/a\uFFFD\"} 8192");
}

Test(metrics, of_too_many_guards_the_fullest_have_their_numbers)
{
	static struct status_limit limits[METRICS_GUARDS_MAX + 3];
	struct status status = with_limits(limits, ARRAY_SIZE(limits));
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		cr_assert_gt(asprintf(&limits[i].path, "/%zu", i), 0);
		limits[i].key.cgroup_id = i + 1;
		limits[i].account.need_pages = i + 1;
		limits[i].account.limit_pages = 10000;
	}
	text = text_of(&status, METRICS_ALONE);
	expect_readable(text);
	EXPECT(text, "apoptosis_guards_omitted 3");
	EXPECT(text, "apoptosis_guards{mode=\"unknown\"} 503");
	EXPECT(text, "apoptosis_guard_need_bytes{cgroup=\"/3\"} 16384");
	cr_expect_null(strstr(text, "{cgroup=\"/2\"}"));
}

/* From bytes that are likely to hurt; the same ones each time. */
Test(metrics, any_names_make_a_text_that_can_be_read)
{
	static const char bytes[] =
		"a/\"\\\n{}=, #\t\r\x01\x7f\x80\xbf\xc3\xa9\xe2\x82\xac\xf0\xff";
	uint32_t state = 1;

	for (int round = 0; round < 200; round++) {
		char names[8][24] = {{0}};
		struct status_limit limits[8] = {0};
		struct status status = with_limits(limits, ARRAY_SIZE(limits));
		_cleanup_free_ char *text = NULL;

		for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
			for (size_t j = 0; j < sizeof(names[i]) - 1; j++) {
				state = state * 1664525 + 1013904223;
				names[i][j] = bytes[(state >> 16) % sizeof(bytes)];
			}
			limits[i].path = names[i];
			limits[i].key.cgroup_id = i + 1;
		}
		text = text_of(&status, METRICS_AMONG_OTHERS);
		expect_readable(text);
	}
}

/* --- addresses ----------------------------------------------------------------------------- */

static int parse(const char *text, struct listen_address *ret)
{
	const char *why = NULL;

	return listen_address_parse(text, ret, &why);
}

Test(metrics, an_address_is_a_path_or_a_port_of_this_machine)
{
	static const char *const refused[] = {
		"",	      "unix:",		 "unix:a",	    "unix:/a/",	  "/a",
		"9944",	      ":9944",		 "localhost:9944",  "0.0.0.0:80", "127.0.0.1",
		"127.0.0.1:", "127.0.0.1:0",	 "127.0.0.1:65536", "[::]:9944",  "[::1]",
		"[::1]:x",    "127.0.0.1:99:44", "10.0.0.1:9944",   "[::1]:-1",
	};
	struct listen_address address;

	cr_expect_eq(parse("unix:/run/a b", &address), 0);
	cr_expect_str_eq(address.path, "/run/a b");
	cr_expect_eq(parse("127.0.0.1:9944", &address), 0);
	cr_expect_null(address.path);
	cr_expect_eq(address.port.v4.sin_family, AF_INET);
	cr_expect_eq(address.port.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	cr_expect_eq(address.port.v4.sin_port, htons(9944));
	cr_expect_eq(parse("[::1]:65535", &address), 0);
	cr_expect_eq(address.port.v6.sin6_family, AF_INET6);
	cr_expect_eq(address.port.v6.sin6_port, htons(65535));
	cr_expect_eq(address.size, sizeof(address.port.v6));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		cr_expect_eq(parse(refused[i], &address), -EINVAL, "%s is taken", refused[i]);
}

/* --- sums ---------------------------------------------------------------------------------- */

Test(metrics, a_histogram_has_what_is_at_most_a_bound_below_it)
{
	const uint64_t latencies[] = {0, 10 * NSEC_PER_USEC, 10 * NSEC_PER_USEC + 1,
				      2 * NSEC_PER_SEC};
	struct status status = with_limits(NULL, 0);
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(latencies); i++)
		measures_close(&status.measures,
			       &(const struct history_row){.latency_ns = latencies[i],
							   .shutdown_ns = 40 * NSEC_PER_MSEC});
	text = text_of(&status, METRICS_ALONE);
	EXPECT(text, "apoptosis_signal_latency_seconds_bucket{le=\"1e-05\"} 1");
	EXPECT(text, "apoptosis_signal_latency_seconds_bucket{le=\"2.5e-05\"} 2");
	EXPECT(text, "apoptosis_signal_latency_seconds_bucket{le=\"1\"} 2");
	EXPECT(text, "apoptosis_signal_latency_seconds_bucket{le=\"+Inf\"} 3");
	EXPECT(text, "apoptosis_signal_latency_seconds_sum 2.000020001");
	EXPECT(text, "apoptosis_signal_latency_seconds_count 3");
	EXPECT(text, "apoptosis_shutdown_seconds_bucket{le=\"0.025\"} 0");
	EXPECT(text, "apoptosis_shutdown_seconds_bucket{le=\"0.05\"} 4");
}

/* --- the file ------------------------------------------------------------------------------ */

static char *path_of(const char *name)
{
	char *path;

	cr_assert_gt(asprintf(&path, "%s/%s", fixture_path(), name), 0);
	return path;
}

/* Puts a text, and waits until the file has it. */
static void put(struct metrics_file *file, const char *text)
{
	metrics_file_put(file, strdup(text));
	for (;;) {
		_cleanup_free_ char *found = NULL;

		if (!file_read(fixture_root(), "a.prom", &found, NULL) && !strcmp(found, text))
			return;
		poll(NULL, 0, 1);
	}
}

Test(metrics, its_file_is_for_all_to_read_and_goes_with_it)
{
	_cleanup_free_ char *path = path_of("a.prom");
	struct metrics_file *file;
	struct stat info;

	umask(077);
	cr_assert_eq(metrics_file_new(&file, path), 0);
	put(file, "a 1\n");
	cr_expect_eq(stat(path, &info), 0);
	cr_expect_eq(info.st_mode & 07777, 0644);
	metrics_file_pause(file);
	cr_expect_eq(access(path, F_OK), 0);
	metrics_file_resume(file);
	put(file, "a 2\n");
	cr_expect_null(metrics_file_trouble(file));
	metrics_file_free(file);
	cr_expect_neq(access(path, F_OK), 0);
}

Test(metrics, a_directory_that_comes_later_ends_the_trouble)
{
	_cleanup_free_ char *path = path_of("b/a.prom");
	struct metrics_file *file;

	cr_assert_eq(metrics_file_new(&file, path), 0);
	metrics_file_put(file, strdup("a 1\n"));
	while (!metrics_file_trouble(file))
		poll(NULL, 0, 1);
	cr_expect_str_eq(metrics_file_trouble(file), strerror(ENOENT));
	fixture_directory("b");
	metrics_file_put(file, strdup("a 2\n"));
	while (metrics_file_trouble(file))
		poll(NULL, 0, 1);
	cr_expect_eq(access(path, F_OK), 0);
	metrics_file_free(file);
}

Test(metrics, what_is_none_of_ours_stays)
{
	_cleanup_free_ char *path = path_of("a.prom");
	struct metrics_file *file;

	fixture_file("a.prom", "theirs\n");
	cr_assert_eq(metrics_file_new(&file, path), 0);
	metrics_file_free(file);
	cr_expect_eq(access(path, F_OK), 0);
}
