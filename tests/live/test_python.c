/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which line of a Python program allocated, without a flag of the interpreter: what a report says against the
 * line of tests/workloads/allocate.py that is marked. With Debian's own, and with 3.13 where it could be had.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(python, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define LIMIT (512 * MIB)

static const char *workload_path(void)
{
	char path[PATH_MAX];

	live_check(realpath(live_workload("allocate.py"), path), "allocate.py: %m");
	return live_format("%s", path);
}

/* The line that ends with "here: ... KIND ...". */
static json_int_t marked_line(const char *path, const char *kind)
{
	FILE *file = fopen(path, "re");
	char text[512];
	json_int_t line = 0;

	live_check(file, "%s: %m", path);
	while (fgets(text, sizeof(text), file)) {
		const char *mark = strstr(text, "# here: ");

		line++;
		if (mark && strstr(mark, kind))
			break;
	}
	live_check(!feof(file), "no line of %s is marked for %s", path, kind);
	fclose(file);
	return line;
}

/* Of all that it has grown: a tenth is its start, and its state, before it was known. */
static void expect_line(const json_t *report, const char *kind, const char *function)
{
	const json_t *top = live_member(report, "recording.top");
	const char *all = json_dumps(top, JSON_COMPACT);
	const json_t *first = json_array_get(top, 0);

	live_check(json_is_null(live_member(report, "recording.trouble")), "%s",
		   live_text(report, "recording.trouble"));
	live_check(json_is_string(live_member(first, "function")) &&
			   !strcmp(live_text(first, "function"), function),
		   "it was not %s: %s", function, all);
	live_check(strstr(live_text(first, "source"), "allocate.py"), "its file: %s", all);
	live_check(live_int(first, "line") == marked_line(workload_path(), kind), "its line: %s",
		   all);
	live_check(json_number_value(live_member(first, "share")) >= 0.8, "its share: %s", all);
}

static bool is_known(const json_t *status, pid_t pid)
{
	const json_t *processes = live_member(status, "processes"), *process;
	size_t i;

	json_array_foreach ((json_t *)processes, i, process)
		if (live_int(process, "pid") == pid)
			return json_is_string(live_member(process, "interpreter"));
	return false;
}

/* Growth before that is the interpreter's own: a slow machine takes longer to find it than to fill the limit. */
static void wait_until_known(struct live_process *guard, pid_t pid)
{
	uint64_t deadline = live_deadline();

	while (!is_known(live_status(guard), pid))
		live_pump(deadline, "the interpreter to be known");
}

/* argv: the interpreter, NULL at the end. */
static void expect_found(const char *const interpreter[], const char *kind, const char *function)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
	const char *dir = live_path("reports"), *argv[8] = {}, *path;
	struct live_process *guard = live_watch("--cgroup", cgroup->rel, "--report-dir", dir),
			    *service;
	const json_t *verdict;
	json_t *report;
	size_t n = 0;

	for (; interpreter[n]; n++)
		argv[n] = interpreter[n];
	argv[n] = workload_path();
	argv[n + 1] = kind;
	service = live_spawn_argv(&(const struct live_spawn){.cgroup = cgroup}, argv);
	live_wait_ready(service);
	wait_until_known(guard, service->pid);
	live_signal(service, SIGUSR1);
	verdict = live_event(guard, "verdict", service->pid);
	live_expect_text(verdict, "verdict", "saved");
	live_wait_exit(service);
	live_check(live_exit_code(service) == 0, "it ended with %d", live_exit_code(service));
	path = live_format("%s/%s.json", dir, live_text(verdict, "id"));
	live_stop(guard); /* writes what it has not yet */
	report = json_load_file(path, 0, NULL);
	live_check(report, "%s is no report", path);
	expect_line(report, kind, function);
	json_decref(report);
}

static void expect_found_by_both(const char *kind, const char *function)
{
	const char *root = live_format("%s/../python", getenv("WORKLOADS") ?: "build/workloads");
	const char *linker = live_format("%s/lib64/ld-linux-x86-64.so.2", root);

	expect_found((const char *const[]){"/usr/bin/python3", NULL}, kind, function);
	if (access(linker, X_OK) == 0)
		expect_found((const char *const[]){linker, "--library-path",
						   live_format("%s/usr/lib/x86_64-linux-gnu", root),
						   live_format("%s/usr/bin/python3.13", root),
						   NULL},
			     kind, function);
}

Test(python, line_of_a_loop)
{
	expect_found_by_both("loop", "remember_row");
}

/* The main thread sleeps. */
Test(python, line_in_a_thread)
{
	expect_found_by_both("thread", "remember_row");
}

Test(python, line_below_asyncio)
{
	expect_found_by_both("asyncio", "remember_row");
}

/* The library's own functions, and its module in C, are not to blame. */
Test(python, line_that_parses_json)
{
	expect_found_by_both("json", "parse_reply");
}

/* A package in C, which Debian's interpreter alone has. */
Test(python, line_that_calls_numpy)
{
	struct live_process *tool = live_start(NULL, "/usr/bin/python3", "-c", "import numpy");

	live_wait_exit(tool);
	if (live_exit_code(tool))
		live_skip("numpy", "it is not installed");
	expect_found((const char *const[]){"/usr/bin/python3", NULL}, "numpy", "fill_array");
}

Test(python, line_of_a_slow_leak)
{
	expect_found_by_both("leak", "Leak.handle");
}

/* Python that C calls, which Python has called. */
Test(python, line_of_a_function_that_c_calls)
{
	expect_found_by_both("callback", "weigh");
}
