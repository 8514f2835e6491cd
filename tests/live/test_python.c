/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which line of a Python program allocated, without a flag of the interpreter: what a report says against the
 * line of tests/workloads/allocate.py that is marked. By each release of CPython that is here, see
 * find_interpreters().
 */
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"
#include "events.h"

TestSuite(python, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define LIMIT (512 * MIB)
#define INTERPRETERS_MAX 32
#define AT_ONCE ((size_t)4)

struct service {
	const char *interpreter;
	struct live_cgroup *cgroup;
	struct live_process *process;
	json_t *verdict;
};

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

static void expect_line(const json_t *report, const char *interpreter, const char *kind,
			const char *function)
{
	const json_t *top = live_member(report, "recording.top");
	const char *all = live_format("%s, %s", interpreter, json_dumps(top, JSON_COMPACT));
	const json_t *first = json_array_get(top, 0);
	const char *dot = strrchr(function, '.');
	const char *bare = dot ? dot + 1 : function; /* before 3.11 code has no qualified name */

	live_check(json_is_null(live_member(report, "recording.trouble")), "%s: %s", interpreter,
		   live_text(report, "recording.trouble"));
	live_check(json_is_string(live_member(first, "function")) &&
			   (!strcmp(live_text(first, "function"), function) ||
			    !strcmp(live_text(first, "function"), bare)),
		   "it was not %s: %s", function, all);
	live_check(text_starts_with(live_text(report, "recording.interpreter.name"), "CPython 3."),
		   "its interpreter: %s", all);
	live_check(strstr(live_text(first, "source"), "allocate.py"), "its file: %s", all);
	live_check(live_int(first, "line") == marked_line(workload_path(), kind), "its line: %s",
		   all);
	live_check(json_number_value(live_member(first, "share")) >= 0.9, "its share: %s", all);
}

/* NULL: nobody knows yet. */
static const char *name_of_interpreter(const json_t *status, pid_t pid)
{
	const json_t *processes = live_member(status, "processes"), *process;
	size_t i;

	json_array_foreach ((json_t *)processes, i, process)
		if (live_int(process, "pid") == pid)
			return json_string_value(live_member(process, "interpreter"));
	return NULL;
}

/* Growth before that is the interpreter's own: a slow machine takes longer to find it than to fill the limit. */
static void wait_until_known(struct live_process *guard, const struct service *service,
			     const char *as)
{
	uint64_t deadline = live_deadline();

	for (;;) {
		const char *name = name_of_interpreter(live_status(guard), service->process->pid);

		if (name && text_starts_with(name, as))
			break;
		live_pump(deadline, live_format("%s to be known", service->interpreter));
	}
}

/* --- which interpreters -------------------------------------------------------------------- */

static const char *interpreters[INTERPRETERS_MAX];
static size_t interpreter_count;

static void add_interpreters(const char *pattern)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc && interpreter_count < INTERPRETERS_MAX; i++)
		interpreters[interpreter_count++] = live_format("%s", found.gl_pathv[i]);
	globfree(&found);
}

/* The machine's own, those that tests/python has fetched, and those that were built here by pyenv. */
static void find_interpreters(void)
{
	const char *workloads = getenv("WORKLOADS") ?: "build/workloads";
	const char *pyenv = getenv("PYENV_ROOT") ?: live_format("%s/.pyenv", getenv("HOME") ?: "/");

	interpreters[0] = live_python();
	interpreter_count = 1;
	add_interpreters(live_format("%s/../python/bin/python3.[0-9]*", workloads));
	add_interpreters(live_format("%s/versions/3.[89].*/bin/python3", pyenv));
	add_interpreters(live_format("%s/versions/3.1[0-4].*/bin/python3", pyenv));
}

/* They fill all that they allocate and free. */
static bool is_debug_build(const char *interpreter)
{
	return strstr(interpreter, "-dbg");
}

/* --- the services -------------------------------------------------------------------------- */

struct guarded {
	const struct live_cgroup *parent;
	const char *dir;
	struct live_process *guard;
};

static struct guarded guard_services(void)
{
	struct guarded guarded = {
		.parent = live_cgroup(NULL, "services", 64 * LIMIT),
		.dir = live_path("reports"),
	};

	guarded.guard = live_watch("--cgroup", guarded.parent->rel, "--report-dir", guarded.dir,
				   "--airbag", "auto");
	return guarded;
}

static void start_service(struct service *service, const struct live_cgroup *parent, uint64_t limit,
			  const char *kind)
{
	const char *argv[] = {service->interpreter, workload_path(), kind, NULL};

	service->cgroup = live_cgroup(parent, "service", limit);
	service->process =
		live_spawn_argv(&(const struct live_spawn){.cgroup = service->cgroup}, argv);
	live_wait_ready(service->process);
}

static json_t *read_report(const char *dir, const json_t *verdict)
{
	const char *path = live_format("%s/%s.json", dir, live_text(verdict, "id"));
	json_t *report = json_load_file(path, 0, NULL);

	live_check(report, "%s is no report", path);
	return report;
}

static void expect_end(struct live_process *guard, struct service *service)
{
	service->verdict = live_event(guard, "verdict", service->process->pid);
	live_expect_text(service->verdict, "verdict", "saved");
	live_wait_exit(service->process);
	live_check(live_exit_code(service->process) == 0, "%s ended with %d", service->interpreter,
		   live_exit_code(service->process));
}

/* Some of them at the same time, each in a cgroup of its own: a handler has to have its turn within the grace. */
static void expect_found_by(struct service *services, size_t count, uint64_t limit,
			    const char *kind, const char *function)
{
	struct guarded guarded = guard_services();

	for (size_t i = 0; i < count; i++) {
		start_service(&services[i], guarded.parent, limit, kind);
		wait_until_known(guarded.guard, &services[i], "CPython 3.");
	}
	for (size_t first = 0; first < count; first += AT_ONCE) {
		size_t end = MIN(first + AT_ONCE, count);

		for (size_t i = first; i < end; i++)
			live_signal(services[i].process, SIGUSR1);
		for (size_t i = first; i < end; i++)
			expect_end(guarded.guard, &services[i]);
	}
	live_stop(guarded.guard); /* writes what it has not yet */
	for (size_t i = 0; i < count; i++) {
		json_t *report = read_report(guarded.dir, services[i].verdict);

		expect_line(report, services[i].interpreter, kind, function);
		json_decref(report);
	}
}

/* 11 of ".../bin/python3.11-dbg" and ".../versions/3.11.7/bin/python3"; 0: it is not in the path, as of the machine's. */
static unsigned long minor_of(const char *interpreter)
{
	const char *at = strstr(interpreter, "/bin/python3.")
				 ?: strstr(interpreter, "/versions/3.");

	return at ? strtoul(strstr(at, "3.") + 2, NULL, 10) : 0;
}

static bool has_release(const struct service *services, size_t count, const char *interpreter)
{
	for (size_t i = 0; i < count; i++)
		if (minor_of(services[i].interpreter) == minor_of(interpreter))
			return true;
	return false;
}

enum builds {
	BUILDS_ALL,	/* of each release, as Debian's and pyenv's */
	BUILDS_ONE,	/* of each release */
	BUILDS_OF_DEBUG /* of each release, too */
};

static void expect_found_by_builds(enum builds builds, uint64_t limit, const char *kind,
				   const char *function)
{
	struct service services[INTERPRETERS_MAX] = {};
	size_t count = 0;

	find_interpreters();
	for (size_t i = 0; i < interpreter_count; i++)
		if (is_debug_build(interpreters[i]) == (builds == BUILDS_OF_DEBUG) &&
		    (builds == BUILDS_ALL || !has_release(services, count, interpreters[i])))
			services[count++].interpreter = interpreters[i];
	expect_found_by(services, count, limit, kind, function);
}

static void expect_found_by_each(uint64_t limit, const char *kind, const char *function)
{
	expect_found_by_builds(BUILDS_ONE, limit, kind, function);
}

Test(python, line_of_a_loop)
{
	expect_found_by_builds(BUILDS_ALL, LIMIT, "loop", "remember_row");
}

/* Their structures have more members. */
Test(python, line_in_a_debug_build)
{
	expect_found_by_builds(BUILDS_OF_DEBUG, LIMIT, "generator", "rows_of");
	expect_found_by_builds(BUILDS_OF_DEBUG, LIMIT, "thread", "remember_row");
}

/* The main thread sleeps. */
Test(python, line_in_a_thread)
{
	expect_found_by_each(LIMIT, "thread", "remember_row");
}

Test(python, line_below_asyncio)
{
	expect_found_by_each(LIMIT, "asyncio", "remember_row");
}

/* A frame of its own, which lies elsewhere than those of functions. */
Test(python, line_in_a_generator)
{
	expect_found_by_each(LIMIT, "generator", "rows_of");
}

/* The library's own functions, and its module in C, are not to blame. */
Test(python, line_that_parses_json)
{
	expect_found_by_each(LIMIT, "json", "parse_reply");
}

/* No instruction of Python runs meanwhile. */
Test(python, line_of_one_call_that_parses_json)
{
	expect_found_by_each(LIMIT, "large", "parse_large_reply");
}

/* A package in C, which Debian's interpreter alone has. */
Test(python, line_that_calls_numpy)
{
	struct service service = {.interpreter = live_python()};
	struct live_process *tool = live_start(NULL, service.interpreter, "-c", "import numpy");

	live_wait_exit(tool);
	if (live_exit_code(tool))
		live_skip("numpy", "it is not installed");
	expect_found_by(&service, 1, LIMIT, "numpy", "fill_array");
}

/* Some 40 MiB in a second. */
Test(python, line_of_a_slow_leak)
{
	expect_found_by_each(LIMIT, "leak", "Leak.handle");
}

/* Python that C calls, which Python has called. */
Test(python, line_of_a_function_that_c_calls)
{
	expect_found_by_each(LIMIT, "callback", "weigh");
}

/* --- less usual ---------------------------------------------------------------------------- */

/* A thread that makes an interpreter has a state in that, too. */
Test(python, line_in_a_process_of_several_interpreters)
{
	expect_found_by_each(LIMIT, "creator", "remember_row");
}

/* Threads of all of them are looked through. */
Test(python, line_in_another_interpreter_of_the_process)
{
	expect_found_by_each(LIMIT, "interpreter", "remember_row");
}

static void expect_found_in(const char *program)
{
	struct service service = {.interpreter = live_workload(program)};

	expect_found_by(&service, 1, LIMIT, "loop", "remember_row");
}

Test(python, line_in_a_program_that_has_the_library)
{
	expect_found_in("embed_python");
}

/* No file is called like an interpreter: the extensions that it loads are. */
Test(python, line_in_a_program_that_has_it_inside)
{
	expect_found_in("embed_python-static");
}

/* What was known of the first is of no use, though the process is the same. */
Test(python, line_of_an_interpreter_that_another_became)
{
	const char *next = live_format("%s/../python/bin/python3.14",
				       getenv("WORKLOADS") ?: "build/workloads");
	struct service service = {.interpreter = live_python()};
	struct guarded guarded = guard_services();
	json_t *report;

	if (access(next, X_OK))
		live_skip("python3.14", "there is no other interpreter");
	service.cgroup = live_cgroup(guarded.parent, "service", LIMIT);
	service.process =
		live_start(service.cgroup, service.interpreter, workload_path(), "exec", next);
	live_wait_ready(service.process);
	wait_until_known(guarded.guard, &service, "CPython 3.");
	live_signal(service.process, SIGUSR1);
	service.interpreter = next;
	wait_until_known(guarded.guard, &service, "CPython 3.14");
	live_signal(service.process, SIGUSR1);
	expect_end(guarded.guard, &service);
	live_stop(guarded.guard);
	report = read_report(guarded.dir, service.verdict);
	live_expect_text(report, "recording.interpreter.name", "CPython 3.14");
	expect_line(report, next, "exec", "remember_row");
	json_decref(report);
}

/* No name of theirs is longer than what is kept, and no stack deeper. */
static void expect_bounded(const json_t *report, const char *kind)
{
	const json_t *stacks = live_member(report, "recording.stacks"), *stack;
	size_t i;

	live_check(json_array_size(stacks) > 0, "%s: nothing was recorded", kind);
	json_array_foreach ((json_t *)stacks, i, stack)
		live_check(json_array_size(live_member(stack, "locations")) <= 127,
			   "%s: %zu places", kind,
			   json_array_size(live_member(stack, "locations")));
	live_check(live_int(report, "recording.recorded_bytes") >
			   live_int(report, "recording.grown_bytes") / 2,
		   "%s: little of it was recorded", kind);
}

/* It grows, is recorded, told and saved as any program. */
Test(python, structures_that_nobody_would_make_are_harmless)
{
	static const char *const kinds[] = {"loops", "others", "deep",	"nowhere",
					    "large", "types",  "random"};
	struct service services[ARRAY_SIZE(kinds)] = {};
	struct guarded guarded = guard_services();

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		services[i].interpreter = live_workload("python3_hostile");
		services[i].cgroup = live_cgroup(guarded.parent, kinds[i], LIMIT);
		services[i].process =
			live_start(services[i].cgroup, services[i].interpreter, kinds[i]);
		live_wait_ready(services[i].process);
		wait_until_known(guarded.guard, &services[i], "CPython 3.14");
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		live_signal(services[i].process, SIGUSR1);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		expect_end(guarded.guard, &services[i]);
	live_stop(guarded.guard);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		json_t *report = read_report(guarded.dir, services[i].verdict);

		expect_bounded(report, kinds[i]);
		json_decref(report);
	}
}

/* The report says that there are no lines, and why. */
Test(python, what_is_only_called_like_one_is_told)
{
	const char *dir = live_path("bin"), *file = live_format("%s/python3.11", dir);
	struct guarded guarded = guard_services();
	struct service service = {.interpreter = file};
	json_t *report;

	live_check(mkdir(dir, 0755) == 0, "%s: %m", dir);
	live_wait_exit(live_start(NULL, "/bin/cp", live_workload("victim"), file));
	service.cgroup = live_cgroup(guarded.parent, "service", LIMIT);
	service.process = live_start(service.cgroup, file, "--rate", "200", "--base", "64M");
	expect_end(guarded.guard, &service);
	live_stop(guarded.guard);
	report = read_report(guarded.dir, service.verdict);
	live_expect_text(report, "recording.interpreter.name", "CPython 3.11");
	live_check(strstr(live_text(report, "recording.interpreter.trouble"), "symbols"), "%s",
		   live_text(report, "recording.interpreter.trouble"));
	json_decref(report);
}
