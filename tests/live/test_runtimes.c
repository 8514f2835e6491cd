/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a report says of programs whose functions nobody else can name, and whether what it says to do about it works:
 * without a flag the memory is the runtime's, by what it is for; the next time, as told, it is a function's.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "events.h"

TestSuite(runtimes, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define LIMIT (512 * MIB)

struct guarded {
	struct live_cgroup *cgroup;
	const char *dir; /* of reports */
	struct live_process *guard;
};

static struct guarded guard(void)
{
	struct guarded guarded = {
		.cgroup = live_cgroup(NULL, "runtime", LIMIT),
		.dir = live_path("reports"),
	};

	guarded.guard = live_watch("--cgroup", guarded.cgroup->rel, "--report-dir", guarded.dir);
	return guarded;
}

/* From wherever the program starts. */
static const char *script(const char *name)
{
	char path[PATH_MAX];

	live_check(realpath(live_workload(name), path), "%s: %m", name);
	return live_format("%s", path);
}

static struct live_process *start(const struct guarded *guarded, const char *const argv[])
{
	const char *directory = live_path("start");

	/* Node writes a log of its own where it starts. */
	live_check(mkdir(directory, 0700) == 0, "mkdir %s: %m", directory);
	return live_spawn_argv(&(const struct live_spawn){.cgroup = guarded->cgroup,
							  .directory = directory,
							  .wants_stdin = true},
			       argv);
}

static json_t *report_of(const struct guarded *guarded, struct live_process *program)
{
	const json_t *verdict = live_event(guarded->guard, "verdict", program->pid);
	json_t *report;

	live_wait_exit(program);
	report = live_report(guarded->guard, guarded->dir, verdict);
	live_check(json_is_null(live_member(report, "recording.trouble")), "%s, in %s",
		   json_dumps(live_member(report, "recording.trouble"), JSON_ENCODE_ANY),
		   json_dumps(report, JSON_COMPACT));
	return report;
}

static const char *top_of(const json_t *report)
{
	return json_dumps(live_member(report, "recording.top"), JSON_COMPACT);
}

static double share_of(const json_t *report, size_t i)
{
	return json_number_value(live_member(report, live_format("recording.top.%zu.share", i)));
}

/* Of all that is that runtime's, and for that, or what begins so. */
static double share_for(const json_t *report, const char *runtime, const char *space)
{
	const json_t *top = live_member(report, "recording.top"), *owner;
	double share = 0;
	size_t i;

	json_array_foreach (top, i, owner) {
		const char *its = json_string_value(live_member(owner, "runtime"));
		const char *what = json_string_value(live_member(owner, "space"));

		if (its && what && strcmp(its, runtime) == 0 &&
		    strncmp(what, space, strlen(space)) == 0)
			share += share_of(report, i);
	}
	return share;
}

static void expect_hint(const json_t *report, const char *part)
{
	const char *hint = json_string_value(live_member(report, "recording.hint"));

	live_check(hint && strstr(hint, part), "what to do is %s", hint ? hint : "not told");
}

static void expect_named(const json_t *report, const char *part)
{
	const char *name = json_string_value(live_member(report, "recording.top.0.function"));

	live_check(name && strstr(name, part) && share_of(report, 0) >= 0.5, "it was %s",
		   top_of(report));
	live_check(json_is_null(live_member(report, "recording.hint")), "there are names");
}

/* --- Node ---------------------------------------------------------------------------------- */

static const char *const node_arguments[] = {"4096", "5"}; /* MiB; seconds until it begins */

static const char *node(void)
{
	const char *path = live_program("node");

	if (!path)
		live_skip("node", "no node in $PATH");
	return path;
}

/* Its collector and its heap are not told apart where it is idle first. */
Test(runtimes, node_without_a_flag)
{
	const char *path = node();
	struct guarded guarded = guard();
	json_t *report = report_of(
		&guarded,
		start(&guarded, (const char *const[]){path, script("grow.js"), live_path("state"),
						      node_arguments[0], node_arguments[1], NULL}));

	live_check(share_for(report, "V8", "Buffers and typed arrays") >= 0.9, "it was %s",
		   top_of(report));
	expect_hint(report, "NODE_OPTIONS=\"--perf-basic-prof --interpreted-frames-native-stack\"");
	json_decref(report);
}

/* What V8 has inlined counts for the function around it. */
Test(runtimes, node_as_the_report_says)
{
	const char *path = node();
	struct guarded guarded = guard();
	json_t *report = report_of(
		&guarded,
		start(&guarded,
		      (const char *const[]){
			      "/usr/bin/env",
			      "NODE_OPTIONS=--perf-basic-prof --interpreted-frames-native-stack",
			      path, script("grow.js"), live_path("state"), node_arguments[0],
			      node_arguments[1], NULL}));

	expect_named(report, "grow.js:");
	json_decref(report);
}

/* --- Java ---------------------------------------------------------------------------------- */

/* It is warm, and waits. What is allocated next is not moved by a collector: there is room for it. */
static struct live_process *start_java(const struct guarded *guarded, const char *option)
{
	const char *java = live_program("java");
	struct live_process *program;

	if (!java || !live_program("jcmd"))
		live_skip("jdk", "no java or jcmd in $PATH");
	program =
		start(guarded, (const char *const[]){java, "-XX:+UseSerialGC", "-Xmx1g", "-Xmn600m",
						     option, script("Grow.java"), NULL});
	live_wait_output(program, 0, "warm");
	return program;
}

Test(runtimes, java_without_a_flag)
{
	struct guarded guarded = guard();
	struct live_process *program = start_java(&guarded, "-XX:+UseTLAB");
	json_t *report;

	live_release(program);
	report = report_of(&guarded, program);
	live_check(share_for(report, "the JVM", "the heap, where objects are made") +
				   share_for(report, "the JVM", "Java without names") >=
			   0.5,
		   "it was %s", top_of(report));
	expect_hint(report, "jcmd PID Compiler.perfmap");
	json_decref(report);
}

Test(runtimes, java_as_the_report_says)
{
	struct guarded guarded = guard();
	struct live_process *program = start_java(&guarded, "-XX:+PreserveFramePointer"), *jcmd;
	json_t *report;

	jcmd = live_start(NULL, live_program("jcmd"), live_format("%d", program->pid),
			  "Compiler.perfmap");
	live_wait_exit(jcmd);
	live_check(live_exit_code(jcmd) == 0, "jcmd ended with %d", live_exit_code(jcmd));
	live_release(program);
	report = report_of(&guarded, program);
	expect_named(report, "Grow.");
	unlink(live_format("/tmp/perf-%d.map", program->pid));
	json_decref(report);
}

/* --- Ruby and PHP -------------------------------------------------------------------------- */

Test(runtimes, ruby_and_what_the_report_says)
{
	const char *ruby = live_program("ruby"), *result = live_path("result");
	struct guarded guarded;
	json_t *report;

	if (!ruby)
		live_skip("ruby", "no ruby in $PATH");
	guarded = guard();
	report = report_of(&guarded, start(&guarded, (const char *const[]){ruby, script("grow.rb"),
									   result, NULL}));
	live_check(share_for(report, "Ruby", "strings") >= 0.9, "it was %s", top_of(report));
	expect_hint(report, "ObjectSpace.trace_object_allocations_start");
	/* "FILE:LINE BYTES", the largest first. */
	live_check(strstr(live_read(result), "grow.rb:14 ") &&
			   strstr(live_read(result), "grow.rb:14 ") <
				   strchr(live_read(result), '\n'),
		   "it tells:\n%.200s", live_read(result));
	json_decref(report);
}

Test(runtimes, php_and_what_the_report_says)
{
	const char *php = live_program("php"), *runtime;
	struct live_process *bounded;
	struct guarded guarded;
	json_t *report;

	if (!php)
		live_skip("php", "no php in $PATH");
	guarded = guard();
	report = report_of(&guarded,
			   start(&guarded, (const char *const[]){php, "-d", "memory_limit=-1",
								 script("grow.php"), NULL}));
	runtime = json_string_value(live_member(report, "recording.top.0.runtime"));
	live_check(runtime && strcmp(runtime, "PHP") == 0, "it was %s", top_of(report));
	expect_hint(report, "memory_limit");
	bounded = live_start(NULL, php, "-d", "memory_limit=64M", "-d", "display_errors=stderr",
			     script("grow.php"));
	live_wait_exit(bounded);
	live_check(strstr(bounded->output[1], "grow.php on line 10"), "it tells:\n%s",
		   bounded->output[1]);
	json_decref(report);
}

/* --- stripped ------------------------------------------------------------------------------ */

static void objcopy(const char *option, const char *from, const char *to)
{
	struct live_process *program;

	if (!live_program("objcopy"))
		live_skip("gcc", "no objcopy in $PATH");
	program = live_start(NULL, live_program("objcopy"), option, from, to);
	live_wait_exit(program);
	live_check(live_exit_code(program) == 0, "objcopy %s ended with %d", option,
		   live_exit_code(program));
}

/* The file that the report asks for, at the end of its hint. */
static char *wanted_file(const json_t *report)
{
	const char *hint = json_string_value(live_member(report, "recording.hint"));
	const char *at = hint ? strstr(hint, "/usr/lib/debug/.build-id/") : NULL;
	char *path = live_format("%s", at ? at : "");

	live_check(at, "what to install is %s", hint ? hint : "not told");
	path[strlen(path) - 1] = '\0'; /* the full stop */
	return path;
}

static void install(const char *from, const char *path)
{
	char *directory = live_format("%s", path);
	struct live_process *program;

	*strrchr(directory, '/') = '\0';
	program = live_start(NULL, "/bin/mkdir", "-p", directory);
	live_wait_exit(program);
	program = live_start(NULL, "/bin/cp", from, path);
	live_wait_exit(program);
	live_check(live_exit_code(program) == 0, "cp to %s failed", path);
}

static void remove_installed(const char *path)
{
	char *directory = live_format("%s", path);

	unlink(path);
	*strrchr(directory, '/') = '\0';
	rmdir(directory); /* ours, if there is nothing else in it */
}

/* The second time its names are found where distributions put them, and not believed of another build. */
Test(runtimes, stripped_and_with_what_the_report_asks_for)
{
	const char *names = live_path("names"), *stripped = live_path("shop"), *wanted;
	const char *whole = live_format("%s/hoard_cpp", getenv("WORKLOADS") ?: "build/workloads");
	struct guarded first, second, third;
	json_t *before, *after, *other;

	if (access(whole, X_OK))
		live_skip("c++", "hoard_cpp is not built for this architecture");
	objcopy("--only-keep-debug", whole, names);
	objcopy("--strip-all", whole, stripped);
	first = guard();
	before = report_of(&first, start(&first, (const char *const[]){stripped, NULL}));
	live_check(json_is_null(live_member(before, "recording.top.0.function")), "it has names");
	wanted = wanted_file(before);
	live_check(access(wanted, F_OK) != 0, "%s is there already", wanted);

	install(names, wanted);
	second = guard();
	after = report_of(&second, start(&second, (const char *const[]){stripped, NULL}));
	install(live_workload("hoard"), wanted);
	third = guard();
	other = report_of(&third, start(&third, (const char *const[]){stripped, NULL}));
	remove_installed(wanted);

	expect_named(after, "shop::restock");
	live_check(strstr(live_text(after, "recording.top.0.source"), "hoard_cpp.cc"), "no line");
	live_check(json_is_null(live_member(other, "recording.top.0.function")),
		   "names of another build were believed: %s", top_of(other));
	json_decref(before);
	json_decref(after);
	json_decref(other);
}
