/* SPDX-License-Identifier: BSD-2-Clause */
/* Who allocated: what a report says against what the workloads are known to do. */
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apoptosis/abi_profile.h"
#include "base/util.h"
#include "events.h"

TestSuite(recording, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define LIMIT (256 * MIB)

/* Of the incident that the event is about. Stops the guard. */
static json_t *report_written(struct live_process *guard, const char *dir, const json_t *event)
{
	const char *path = live_format("%s/%s.json", dir, live_text(event, "id"));
	json_t *report;

	live_stop(guard); /* writes what it has not yet */
	report = json_load_file(path, 0, NULL);
	live_check(report, "%s is no report", path);
	return report;
}

/* The report of a program that was told to end, names and all. Checks that it was saved. */
static json_t *report_of(const char *const argv[], uint64_t limit)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "hoard", limit);
	const char *dir = live_path("reports"), *start = live_path("start");
	struct live_process *guard, *program;
	const json_t *verdict;

	guard = live_watch("--cgroup", cgroup->rel, "--report-dir", dir);
	/* Node writes a log of its own where it starts. */
	live_check(mkdir(start, 0700) == 0, "mkdir %s: %m", start);
	program = live_spawn_argv(&(const struct live_spawn){.cgroup = cgroup, .directory = start},
				  argv);
	verdict = live_event(guard, "verdict", program->pid);
	live_expect_text(verdict, "verdict", "saved");
	live_wait_exit(program);
	live_check(live_exit_code(program) == 0, "%s ended with %d", program->name,
		   live_exit_code(program));
	return report_written(guard, dir, verdict);
}

static double real_at(const json_t *document, const char *path)
{
	const json_t *member = live_member(document, path);

	live_check(json_is_number(member), "%s is no number", path);
	return json_number_value(member);
}

/* Within a twentieth. */
static void expect_close(const char *what, json_int_t value, json_int_t expected)
{
	live_check(value * 20 > expected * 19 && value * 20 < expected * 21,
		   "%s: %" JSON_INTEGER_FORMAT " is not %" JSON_INTEGER_FORMAT, what, value,
		   expected);
}

static json_int_t sum_of_stacks(const json_t *recording)
{
	const json_t *stacks = live_member(recording, "stacks"), *stack;
	json_int_t sum = 0;
	size_t i;

	json_array_foreach (stacks, i, stack)
		sum += live_int(stack, "bytes");
	return sum;
}

/*
 * The weights are what the process has grown, as the kernel counts it: its resident memory at the
 * trip, less what it had when the spike began.
 */
static void expect_weights(const json_t *report)
{
	const json_t *recording = live_member(report, "recording");
	json_int_t recorded = live_int(recording, "recorded_bytes");
	json_int_t resident = live_int(report, "memory.rss_bytes.anon");

	live_check(json_is_null(live_member(recording, "trouble")), "%s",
		   live_text(recording, "trouble"));
	live_check(live_int(recording, "lost_bytes") * 10 < recorded,
		   "%" JSON_INTEGER_FORMAT " bytes of %" JSON_INTEGER_FORMAT " are lost",
		   live_int(recording, "lost_bytes"), recorded);
	live_check(sum_of_stacks(recording) + live_int(recording, "lost_bytes") == recorded,
		   "stacks and what was lost do not add up");
	expect_close("recorded against grown", recorded, live_int(recording, "grown_bytes"));
	/* A slow machine is calm in between: then it is the last part that is recorded. */
	live_check(recorded * live_slowness() > (json_int_t)LIMIT / 3,
		   "only %" JSON_INTEGER_FORMAT " bytes recorded", recorded);
	live_check(recorded < resident + (json_int_t)(64 * MIB),
		   "more recorded than there is: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT,
		   recorded, resident);
}

/* Of the process, when the spike began. */
static json_int_t anon_at_start(const json_t *recording)
{
	return json_integer_value(live_member(recording, "timeline.rows.0.7"));
}

/*
 * The first in the list, and with all that bears that name nine tenths at least: until the interpreter is known, what
 * is Python's has but the name of its perf map.
 */
static void expect_owner(const json_t *report, const char *name)
{
	const json_t *recording = live_member(report, "recording");
	const json_t *function = live_member(recording, "top.0.function"), *owner;
	double share = 0;
	size_t i;

	expect_weights(report);
	live_check(json_is_string(function) && strstr(json_string_value(function), name),
		   "it was %s, not %s",
		   json_is_string(function) ? json_string_value(function) : "unknown", name);
	json_array_foreach (live_member(recording, "top"), i, owner) {
		function = live_member(owner, "function");
		if (json_is_string(function) && strstr(json_string_value(function), name))
			share += json_number_value(live_member(owner, "share"));
	}
	live_check(share >= 0.9, "%s has a share of only %.3f: %s", name, share,
		   json_dumps(live_member(recording, "top"), JSON_COMPACT));
}

static json_t *report_of_workload(const char *name)
{
	return report_of((const char *const[]){live_workload(name), NULL}, LIMIT);
}

/* malloc() and memset() of a C library without frame pointers; gone within the signal handler. */
Test(recording, c)
{
	json_t *report = report_of_workload("hoard");
	const json_t *recording = live_member(report, "recording");

	expect_owner(report, "remember_request");
	expect_close("grown against resident", live_int(recording, "grown_bytes"),
		     live_int(report, "memory.rss_bytes.anon") - anon_at_start(recording));
	live_check(strstr(live_text(recording, "top.0.source"), "hoard.c"), "no source line");
	json_decref(report);
}

/* Without names there is the place: a module, its build id, and the offset of one function. */
Test(recording, stripped)
{
	json_t *report = report_of_workload("hoard-stripped");
	const json_t *recording = live_member(report, "recording");

	expect_weights(report);
	live_check(json_is_null(live_member(recording, "top.0.function")), "it has a name");
	live_check(strstr(live_text(recording, "top.0.module"), "hoard-stripped"),
		   "it was not the program: %s of %s at %s",
		   json_dumps(live_member(recording, "top"), JSON_COMPACT),
		   json_dumps(live_member(recording, "stacks"), JSON_COMPACT),
		   json_dumps(live_member(recording, "locations"), JSON_COMPACT));
	live_check(strncmp(live_text(recording, "top.0.offset"), "0x", 2) == 0, "no offset");
	live_check(strlen(live_text(recording, "modules.0.build_id")) == 40, "no build id");
	json_decref(report);
}

/* The line too: that of the call, not of what the standard library has put in its place. */
static void expect_compiled(const char *name, const char *language, const char *function,
			    const char *source)
{
	json_t *report;

	if (access(live_format("%s/%s", getenv("WORKLOADS") ?: "build/workloads", name), X_OK))
		live_skip(language, "%s is not built for this architecture", name);
	report = report_of_workload(name);
	expect_owner(report, function);
	live_check(strstr(live_text(report, "recording.top.0.source"), source), "it is %s",
		   live_text(report, "recording.top.0.source"));
	json_decref(report);
}

Test(recording, cpp)
{
	expect_compiled("hoard_cpp", "c++", "shop::restock", "hoard_cpp.cc");
}

/* Functions are defined within namespaces there. */
Test(recording, cpp_of_clang)
{
	expect_compiled("hoard_cpp-clang", "c++", "shop::restock", "hoard_cpp.cc");
}

/* And here, by rustc 1.63, within types. */
Test(recording, rust)
{
	expect_compiled("hoard_rust", "rust", "hoard_rust::Inventory::restock", "hoard_rust.rs");
}

static json_t *report_of_go(const char *name)
{
	return report_of((const char *const[]){live_workload(name), "-self-request", "-state",
					       live_path("state"), NULL},
			 3 * LIMIT); /* huge pages of the runtime itself take 50 MiB */
}

/* By way of encoding/json, which is not what anyone can change. */
Test(recording, go)
{
	json_t *report = report_of_go("hugejson");

	expect_owner(report, "main.encodePart");
	json_decref(report);
}

/* Its own table of functions is left. */
Test(recording, go_stripped)
{
	json_t *report;

#ifdef __aarch64__
	live_skip("go-frames", "its frames on arm64 are not understood without DWARF");
#endif
	report = report_of_go("hugejson-stripped");
	expect_owner(report, "main.encodePart");
	json_decref(report);
}

/* From wherever the program starts. */
static const char *script(const char *name)
{
	char path[PATH_MAX];

	live_check(realpath(live_workload(name), path), "%s: %m", name);
	return live_format("%s", path);
}

/* Its functions are in the stack of the machine, too. */
Test(recording, python_with_perf_map)
{
	const char *python = live_format("%s/../python/bin/python3.14",
					 getenv("WORKLOADS") ?: "build/workloads");
	json_t *report;

	if (access(python, X_OK))
		live_skip("python3.14", "no Python that writes a perf map");
	report = report_of((const char *const[]){python, "-X", "perf", script("grow.py"),
						 live_path("state"), NULL},
			   LIMIT);
	expect_owner(report, "remember_row");
	json_decref(report);
}

/* Its own start is a spike of 70 MiB and more, files included: over when it begins to collect. */
Test(recording, node_with_perf_map)
{
	const char *node = live_program("node");
	json_t *report;

	if (!node)
		live_skip("node", "no node in $PATH");
	report = report_of((const char *const[]){node, "--perf-basic-prof",
						 "--interpreted-frames-native-stack",
						 "--no-turbo-inlining", script("grow.js"),
						 live_path("state"), "4096", "5", NULL},
			   2 * LIMIT);
	expect_owner(report, "rememberRow ");
	json_decref(report);
}

/* A web service, see docs/reports.md. */
Test(recording, python_service)
{
	const char *python = live_python(), *service = script("orders.py"),
		   *dir = live_path("data");
	json_t *report;

	live_check(mkdir(dir, 0700) == 0, "%s: %m", dir);
	live_wait_exit(live_start(NULL, python, service, dir, "--make", "1000000"));
	report = report_of((const char *const[]){python, service, dir, NULL}, LIMIT);
	expect_owner(report, "read_orders");
	json_decref(report);
}

/* The flight recorder: the way up to the line, in order, and the marks. */
Test(recording, timeline)
{
	json_t *report = report_of_workload("hoard");
	const json_t *timeline = live_member(report, "recording.timeline");
	const json_t *rows = live_member(timeline, "rows"), *row;
	json_int_t first = 0, last = 0;
	double before = -1e9;
	size_t i;

	live_check(json_array_size(rows) >= 20, "%zu points", json_array_size(rows));
	json_array_foreach (rows, i, row) {
		double ms = json_number_value(json_array_get(row, 0));

		live_check(ms >= before, "points are not in order");
		live_check(json_integer_value(json_array_get(row, 4)) == (json_int_t)LIMIT,
			   "another limit");
		before = ms;
		if (ms <= 0)
			last = json_integer_value(json_array_get(row, 2));
		first = first ?: json_integer_value(json_array_get(row, 2));
	}
	live_check(first < (json_int_t)LIMIT / 2, "begins with %" JSON_INTEGER_FORMAT, first);
	live_check(last > (json_int_t)LIMIT * 8 / 10, "ends with %" JSON_INTEGER_FORMAT, last);
	live_expect_text(timeline, "marks.0.name", "line");
	live_expect_text(timeline, "marks.1.name", "signal");
	json_decref(report);
}

/* A dry run tells nobody: what was recorded from its trip on, and times count from the kill. */
Test(recording, kill_that_nobody_was_told_of)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "missed", LIMIT);
	const char *dir = live_path("reports");
	struct live_process *guard, *victim;
	const json_t *recording, *rows, *event;
	json_int_t recorded;
	json_t *report;

	guard = live_watch("--dry-run", "--reserve", "128M", "--cgroup", cgroup->rel,
			   "--report-dir", dir);
	victim = live_victim(cgroup, "--hold");
	event = live_event(guard, "oom_kill", victim->pid);
	live_wait_exit(victim);
	report = report_written(guard, dir, event);
	live_expect_text(report, "verdict", "missed");
	recording = live_member(report, "recording");
	recorded = live_int(recording, "recorded_bytes");
	live_check(json_is_null(live_member(recording, "trouble")), "%s",
		   live_text(recording, "trouble"));
	live_check(recorded > (json_int_t)(64 * MIB) && recorded < (json_int_t)(192 * MIB),
		   "%" JSON_INTEGER_FORMAT " bytes recorded", recorded);
	live_check(strstr(live_text(recording, "top.0.module"), "victim"), "it was %s",
		   live_text(recording, "top.0.module"));
	live_expect_text(recording, "timeline.origin", "kill");
	live_expect_text(recording, "timeline.marks.0.name", "kill");
	rows = live_member(recording, "timeline.rows");
	/* The last may be of when it is taken down. */
	live_check(json_array_size(rows) >= 2 && real_at(json_array_get(rows, 1), "0") <= 0,
		   "no points before the kill");
	json_decref(report);
}

/* Many CPUs: each thread of the workload has one, and nothing of any may be overwritten. */

enum {
	LEVELS = 9, /* as the workload has them */
	PATHS_PER_CPU = 20,
	CPUS_MAX = 24,			   /* whose paths the profiler has room for */
	PATH_PAGES = 4 * APO_SAMPLE_PAGES, /* each is sampled, if not at the first page */
};

static unsigned int cpus_used(void)
{
	cpu_set_t cpus;

	live_check(sched_getaffinity(0, sizeof(cpus), &cpus) == 0, "sched_getaffinity: %m");
	return MIN((unsigned int)CPU_COUNT(&cpus), (unsigned int)CPUS_MAX);
}

/* The function a place is in, whatever was inlined there; "" without a name. */
static const char *function_at(const json_t *recording, const json_t *index)
{
	const json_t *place = json_array_get(json_object_get(recording, "locations"),
					     (size_t)json_integer_value(index));
	const json_t *functions = json_object_get(place, "functions");
	const json_t *last = json_array_get(functions, json_array_size(functions) - 1);

	return json_string_value(json_object_get(last, "name")) ?: "";
}

/* Which path of the workload a stack is; -1: none. Its innermost place is the highest bit. */
static int path_of(const json_t *recording, const json_t *stack)
{
	const json_t *index;
	int path = 0, level = 0;
	size_t i;

	json_array_foreach (json_object_get(stack, "locations"), i, index) {
		const char *function = function_at(recording, index);

		if (strcmp(function, "left") && strcmp(function, "right"))
			break;
		path = path << 1 | (strcmp(function, "right") == 0);
		level++;
	}
	return level == LEVELS ? path : -1;
}

static void expect_every_path(const json_t *recording, unsigned int paths)
{
	const json_t *stacks = json_object_get(recording, "stacks"), *stack;
	bool seen[1 << LEVELS] = {false};
	unsigned int missing = 0, last = 0;
	size_t i;

	json_array_foreach (stacks, i, stack) {
		int path = path_of(recording, stack);

		if (path >= 0)
			seen[path] = true;
	}
	for (unsigned int path = 0; path < paths; path++) {
		if (!seen[path]) {
			missing++;
			last = path;
		}
	}
	live_check(missing == 0,
		   "%u of %u paths are not among %zu stacks, path %u of CPU %u for one", missing,
		   paths, json_array_size(stacks), last % PATHS_PER_CPU, last / PATHS_PER_CPU);
	live_check(json_array_size(stacks) >= paths, "only %zu stacks", json_array_size(stacks));
}

/* The base is half the limit, from where on all is recorded; the rest ends at the line. */
Test(recording, no_stack_is_lost_on_many_cpus)
{
	unsigned int cpus = cpus_used(), paths = cpus * PATHS_PER_CPU;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), paths_bytes = paths * PATH_PAGES * page;
	uint64_t limit = 2 * paths_bytes + 160 * MIB;
	json_t *report = report_of((const char *const[]){live_workload("paths"),
							 live_format("%" PRIu64, limit / 2 / page),
							 live_format("%u", cpus),
							 live_format("%d", PATHS_PER_CPU),
							 live_format("%d", PATH_PAGES), NULL},
				   limit);
	const json_t *recording = live_member(report, "recording");

	expect_every_path(recording, paths);
	expect_weights(report);
	live_expect_int(recording, "lost_bytes", 0);
	live_check(live_int(recording, "recorded_bytes") >= (json_int_t)paths_bytes,
		   "less recorded than was grown on the paths");
	json_decref(report);
}
