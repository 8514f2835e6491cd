/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line on a real machine: bad input, run, rss, doctor, and names that try to break out. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "events.h"

TestSuite(cli, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define USAGE 2
#define CANNOT 3

/* `run` guards the limit it finds itself in, so give it one. */
static struct live_spawn in_limit(void)
{
	return (struct live_spawn){.cgroup = live_cgroup(NULL, "limited", 128 * MIB)};
}

static struct live_process *tool_in_limit(const char *const args[])
{
	struct live_spawn spec = in_limit();
	struct live_process *tool = live_tool_argv(&spec, args);

	live_wait_exit(tool);
	return tool;
}

/* One clear line that names the value, the right status, and nothing on standard output. */
static void expect_refused(const char *const args[], int status, const char *named)
{
	struct live_process *tool = tool_in_limit(args);
	const char *error = tool->output[1] ? tool->output[1] : "";
	const char *end = strchr(error, '\n');

	live_check(live_exit_code(tool) == status, "%s: status %d, not %d", tool->name,
		   live_exit_code(tool), status);
	live_check(end && end != error && end[1] == '\0', "%s: not one line: '%s'", tool->name,
		   error);
	live_check(strstr(error, named), "%s: does not name '%s': %s", tool->name, named, error);
	live_check(!tool->output[0], "%s: says '%s'", tool->name, tool->output[0]);
}

static void expect_status(int status, const char *const args[])
{
	struct live_process *tool = tool_in_limit(args);

	live_check(live_exit_code(tool) == status, "%s: status %d, not %d", tool->name,
		   live_exit_code(tool), status);
}

#define REFUSED(name, status, named, ...)                                                  \
	Test(cli, name)                                                                    \
	{                                                                                  \
		expect_refused((const char *const[]){__VA_ARGS__, NULL}, (status), named); \
	}

REFUSED(unknown_command, USAGE, "frobnicate", "frobnicate")
REFUSED(command_with_a_typo, USAGE, "did you mean status?", "statsu")
REFUSED(option_with_a_typo, USAGE, "did you mean --reserve?", "watch", "--all", "--resreve", "1M")
REFUSED(signal_with_a_typo, USAGE, "did you mean TERM?", "watch", "--all", "--signal", "SIGTREM")
REFUSED(option_before_the_command, USAGE, "the command comes first", "--json", "status")
REFUSED(help_on_nothing, USAGE, "did you mean run?", "help", "runn")
REFUSED(size_without_a_unit, USAGE, "'40': a unit is missing", "watch", "--all", "--reserve", "40")
REFUSED(unknown_option, USAGE, "--frobnicate", "watch", "--all", "--frobnicate")
REFUSED(size_with_a_strange_suffix, USAGE, "12Q", "watch", "--all", "--reserve", "12Q")
REFUSED(negative_size, USAGE, "-5M", "watch", "--all", "--reserve=-5M")
REFUSED(size_beyond_64_bits, USAGE, "99999999999999999999", "watch", "--all", "--reserve",
	"99999999999999999999")
REFUSED(percent_over_100, USAGE, "101%", "watch", "--all", "--reserve", "101%")
REFUSED(reserve_of_nothing, USAGE, "0", "watch", "--all", "--reserve", "0")
REFUSED(no_such_signal, USAGE, "NOSUCH", "watch", "--all", "--signal", "NOSUCH")
REFUSED(signal_out_of_range, USAGE, "900", "watch", "--all", "--signal", "900")
REFUSED(kill_is_no_graceful_signal, USAGE, "KILL", "watch", "--all", "--signal", "KILL")
REFUSED(no_such_target, USAGE, "everybody", "watch", "--all", "--target", "everybody")
REFUSED(duration_without_a_unit_we_know, USAGE, "5parsecs", "watch", "--all", "--grace", "5parsecs")
REFUSED(warn_level_over_100, USAGE, "180%", "watch", "--all", "--warn", "180%")
REFUSED(warn_with_a_strange_signal, USAGE, "80%:FOO", "watch", "--all", "--warn", "80%:FOO")
REFUSED(pid_that_is_no_number, USAGE, "12x", "watch", "--pid", "12x")
REFUSED(pid_that_does_not_exist, USAGE, "4194303", "watch", "--pid", "4194303")
REFUSED(rss_of_a_pid_that_does_not_exist, USAGE, "4194303", "rss", "4194303")
REFUSED(cgroup_that_does_not_exist, USAGE, "/no/such/group", "watch", "--cgroup", "/no/such/group")
REFUSED(cgroup_with_dots, USAGE, "/a/../b", "watch", "--cgroup", "/a/../b")
REFUSED(pod_that_is_not_here, USAGE, "cannot find pod '2c48913c-0000': it has no cgroup below /",
	"watch", "--pod", "2c48913c-0000")
REFUSED(pod_by_a_path, USAGE, "../pod", "watch", "--pod", "../pod")
REFUSED(nothing_to_watch, USAGE, "--pid", "watch")
REFUSED(two_things_to_watch, USAGE, "--all", "watch", "--pid", "1", "--all")
REFUSED(run_without_a_command, USAGE, "CMD", "run")
REFUSED(limit_below_a_megabyte, USAGE, "1K", "run", "--limit", "1K", "--", "true")
REFUSED(value_with_a_line_break, USAGE, "\\n", "watch", "--all", "--reserve", "12\nQ")

Test(cli, cgroup_without_a_limit)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "unlimited", 0);

	expect_refused((const char *const[]){"watch", "--cgroup", cgroup->rel, NULL}, USAGE,
		       cgroup->rel);
}

Test(cli, reserve_above_the_limit)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "small", 64 * MIB);

	expect_refused((const char *const[]){"watch", "--cgroup", cgroup->rel, "--reserve", "1G",
					     NULL},
		       USAGE, "--reserve '1");
}

Test(cli, report_directory_that_is_a_file)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "reports", 64 * MIB);
	const char *file = live_path("file");

	live_check(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0, "%s: %m", file);
	expect_refused((const char *const[]){"watch", "--cgroup", cgroup->rel, "--report-dir", file,
					     NULL},
		       USAGE, file);
}

/* Nothing is left behind by a command that is refused. */
Test(cli, report_directory_is_not_made_for_a_bad_cgroup)
{
	const char *dir = live_path("reports");

	expect_refused((const char *const[]){"watch", "--cgroup", "/no/such/group", "--report-dir",
					     dir, NULL},
		       USAGE, "/no/such/group");
	live_check(access(dir, F_OK) < 0 && errno == ENOENT, "%s is there", dir);
}

/* The directory is made, for root's eyes only, but not the way there. */
Test(cli, report_directory_below_nothing)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "reports", 64 * MIB);
	const char *dir = live_format("%s/reports", live_path("nowhere"));

	expect_refused((const char *const[]){"watch", "--cgroup", cgroup->rel, "--report-dir", dir,
					     NULL},
		       USAGE, dir);
}

Test(cli, report_directory_is_made_private)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "reports", 64 * MIB);
	const char *dir = live_path("new");
	struct stat st;

	live_stop(live_watch("--cgroup", cgroup->rel, "--report-dir", dir));
	live_check(stat(dir, &st) == 0 && st.st_mode == (S_IFDIR | 0700), "mode of %s is %o", dir,
		   st.st_mode);
}

Test(cli, report_that_is_not_there)
{
	const char *dir = live_path("empty"), *file = live_path("file.json");

	live_check(mkdir(dir, 0700) == 0, "mkdir %s: %m", dir);
	live_check(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0, "%s: %m", file);
	expect_refused((const char *const[]){"report", "--report-dir", dir, NULL}, USAGE, dir);
	expect_refused((const char *const[]){"report", "--report-dir", "/no/such", NULL}, USAGE,
		       "/no/such");
	expect_refused((const char *const[]){"report", "00aa", "--report-dir", dir, NULL}, USAGE,
		       "'00aa'");
	expect_refused((const char *const[]){"report", file, NULL}, USAGE, file);
}

Test(cli, reports_of_root_are_asked_for_with_sudo)
{
	const char *dir = live_path("private");
	const struct live_spawn nobody = {.user = 65534};
	struct live_process *tool;

	live_check(mkdir(dir, 0700) == 0, "mkdir %s: %m", dir);
	tool = live_tool_argv(&nobody, (const char *const[]){"report", "--report-dir", dir, NULL});
	live_wait_exit(tool);
	live_check(live_exit_code(tool) == USAGE, "status %d", live_exit_code(tool));
	live_check(tool->output[1] && strstr(tool->output[1], "sudo"), "it says '%s'",
		   tool->output[1] ? tool->output[1] : "");
}

static const char *report_file(void)
{
	static const char text[] =
		"{\"schema\":1,\"id\":\"00aa\",\"verdict\":\"saved\",\"recording\":{\"stacks\":[{"
		"\"bytes\":4096,\"samples\":1,\"locations\":[]}]}}";
	const char *file = live_path("report.json");
	int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	live_check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s: %m",
		   file);
	close(fd);
	return file;
}

Test(cli, report_as_stacks)
{
	const char *file = report_file();
	struct live_process *tool = live_tool("report", "--folded", file);

	live_check(tool->output[0] && strcmp(tool->output[0], "[unknown] 4096\n") == 0,
		   "it says '%s'", tool->output[0] ? tool->output[0] : "");
	tool = live_tool("report", "--pprof", file);
	live_check(live_exit_code(tool) == 0 && tool->output[0], "status %d", live_exit_code(tool));
}

/* A page for root's eyes only, in place of an older one, and of nothing but a file. */
Test(cli, report_as_a_page)
{
	const char *file = report_file(), *page = live_path("page.html");
	const char *fifo = live_path("fifo"), *link = live_path("link");
	struct stat st;

	live_check(close(open(page, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)) == 0, "%s: %m", page);
	live_check(mkfifo(fifo, 0600) == 0 && symlink(page, link) == 0, "%s, %s: %m", fifo, link);
	expect_status(0, (const char *const[]){"report", "--html", page, file, NULL});
	live_check(stat(page, &st) == 0 && st.st_mode == (S_IFREG | 0600) && st.st_size > 10000,
		   "mode of %s is %o", page, st.st_mode);
	for (size_t i = 0; i < 4; i++) {
		const char *bad[] = {fifo, link, "/no/such/page.html", "/proc/self/page.html"};

		expect_refused((const char *const[]){"report", "--html", bad[i], file, NULL}, USAGE,
			       bad[i]);
	}
	live_check(stat(fifo, &st) == 0 && S_ISFIFO(st.st_mode), "%s is replaced", fifo);
	expect_refused((const char *const[]){"report", "--html", page, "--json", file, NULL}, USAGE,
		       "--html");
	expect_refused((const char *const[]){"report", "list", "--folded", NULL}, USAGE, "list");
}

/* /proc/self takes no files, not even from root. */
Test(cli, report_directory_that_is_read_only)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "reports", 64 * MIB);

	expect_refused((const char *const[]){"watch", "--cgroup", cgroup->rel, "--report-dir",
					     "/proc/self", NULL},
		       USAGE, "/proc/self");
}

static void expect_help(const char *const args[], const char *contains)
{
	struct live_process *tool = live_tool_to_end(args);

	live_check(live_exit_code(tool) == 0, "%s: status %d", tool->name, live_exit_code(tool));
	live_check(tool->output[0] && strstr(tool->output[0], contains), "%s: no '%s'", tool->name,
		   contains);
	live_check(!tool->output[1], "%s: complains", tool->name);
}

Test(cli, help_and_version)
{
	expect_help((const char *const[]){"--help", NULL}, "watch");
	expect_help((const char *const[]){"help", NULL}, "watch");
	expect_help((const char *const[]){"help", "run", NULL}, "--limit");
	expect_help((const char *const[]){"-h", NULL}, "watch");
	expect_help((const char *const[]){"--version", NULL}, "apoptosis");
	expect_help((const char *const[]){"-V", NULL}, "apoptosis");
	expect_help((const char *const[]){"version", NULL}, "apoptosis");
	expect_help((const char *const[]){"watch", "--help", NULL}, "--reserve");
	expect_help((const char *const[]){"run", "--help", NULL}, "--limit");
	expect_help((const char *const[]){"rss", "--help", NULL}, "--json");
	expect_help((const char *const[]){"doctor", "--help", NULL}, "--json");
}

static const char *shell(void)
{
	const char *path = live_program("sh");

	if (!path)
		live_skip("sh", "no shell in $PATH");
	return path;
}

Test(cli, run_passes_the_exit_status_on)
{
	const char *sh = shell();

	expect_status(0, (const char *const[]){"run", "--", sh, "-c", "exit 0", NULL});
	expect_status(7, (const char *const[]){"run", "--", sh, "-c", "exit 7", NULL});
	expect_status(137, (const char *const[]){"run", "--", sh, "-c", "kill -KILL $$", NULL});
	expect_status(143, (const char *const[]){"run", "--", sh, "-c", "kill -TERM $$", NULL});
}

/* Quiet, because the guard is ready before the command is looked for. */
Test(cli, run_of_a_command_that_is_not_there)
{
	expect_refused((const char *const[]){"run", "-q", "--", "/no/such/program", NULL}, 127,
		       "/no/such/program");
}

Test(cli, run_of_a_file_that_is_no_program)
{
	const char *file = live_path("data");

	live_check(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0, "%s: %m", file);
	expect_refused((const char *const[]){"run", "-q", "--", file, NULL}, 126, file);
}

Test(cli, run_keeps_standard_output_for_the_command)
{
	struct live_process *tool = tool_in_limit((const char *const[]){
		"run", "--json", "--", shell(), "-c", "echo out; echo err >&2", NULL});

	live_check(live_exit_code(tool) == 0, "status %d", live_exit_code(tool));
	live_check(tool->output[0] && strcmp(tool->output[0], "out\n") == 0,
		   "standard output is '%s'", tool->output[0] ? tool->output[0] : "");
}

Test(cli, run_forwards_signals)
{
	const int signals[] = {SIGTERM, SIGINT};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		const char *state = live_path("state"), *result = live_path("result");
		struct live_spawn spec = in_limit();
		struct live_process *run = live_run(&spec, "--", live_workload("victim"), "--max",
						    "4M", "--hold", "--handle-int", "--state",
						    state, "--result", result, "--ready-fd", "1");

		live_wait_output(run, 0, ".");
		live_signal(run, signals[i]);
		live_wait_exit(run);
		live_check(live_exit_code(run) == 0, "status %d", live_exit_code(run));
		live_check(live_state_reason(state), "the command was not told");
		live_check(strstr(live_read(result),
				  live_format("\"handler_signal\":%d", signals[i])),
			   "another signal came: %s", live_read(result));
	}
}

Test(cli, run_reaps_orphans)
{
	struct live_spawn spec = in_limit();
	struct live_process *run = live_run(&spec, "--", live_workload("orphan"));
	json_t *report;

	live_wait_exit(run);
	live_check(live_exit_code(run) == 0, "the orphan was not reaped");
	report = json_loads(run->output[0] ? run->output[0] : "", 0, NULL);
	live_check(report, "no report");
	live_expect_int(report, "adopter", run->pid);
	live_expect_int(report, "parent", run->pid);
	json_decref(report);
}

/* A cgroup of its own with that limit, guarded, and gone afterwards. */
Test(cli, run_with_a_limit_saves_and_cleans_up)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		const char *state = live_path("state");
		struct live_process *run = live_run(NULL, "--limit", "128M", "--",
						    live_workload("victim"), "--state", state);
		const json_t *ready = live_event(run, "ready", 0);
		const char *cgroup = live_text(ready, "guard.cgroup");
		json_t *verdict;
		int fd;

		live_expect_int(ready, "guard.limit_bytes", 128 * MIB);
		live_wait_exit(run);
		verdict = live_event(run, "verdict", (pid_t)live_int(ready, "child"));
		live_check(live_exit_code(run) == ENDED_BY_TRIP, "status %d", live_exit_code(run));
		live_check(live_state_reason(state), "the shutdown was not finished");
		live_expect_text(verdict, "verdict", "saved");
		live_expect_int(verdict, "memory.limit_bytes", 128 * MIB);
		live_check(cgroup_open(live_tree(), cgroup, &fd) == -ENOENT, "cgroup %s is left",
			   cgroup);
	}
}

/* As the entrypoint of a container: in the limited cgroup itself. */
Test(cli, run_guards_the_limit_it_is_in)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", 128 * MIB);
	const struct live_spawn spec = {.cgroup = cgroup};
	const char *state = live_path("state");
	struct live_process *run = live_run(&spec, "--", live_workload("victim"), "--state", state);
	pid_t child = (pid_t)live_int(live_event(run, "ready", 0), "child");

	live_wait_exit(run);
	live_check(live_exit_code(run) == ENDED_BY_TRIP, "status %d", live_exit_code(run));
	live_expect_saved(run, child, state, cgroup);
}

/* The sum of one field over the mappings whose line contains `name`; NULL: the only one there. */
static uint64_t smaps_bytes(const char *text, const char *name, const char *field)
{
	bool counts = name == NULL;
	uint64_t sum = 0, kib;

	while (*text) {
		const char *end = strchrnul(text, '\n');
		const char *colon = memchr(text, ':', (size_t)(end - text));

		/* "559d5c600000-559d5c601000 r--p ..." begins a mapping, "Rss:  4 kB" does not. */
		if (name && memchr(text, '-', strcspn(text, " ")))
			counts = memmem(text, (size_t)(end - text), name, strlen(name)) != NULL;
		if (counts && colon && strncmp(text, field, strlen(field)) == 0 &&
		    sscanf(colon + 1, "%" SCNu64 " kB", &kib) == 1)
			sum += kib * 1024;
		text = *end ? end + 1 : end;
	}
	return sum;
}

Test(cli, rss_equals_smaps_to_the_page)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "pattern", 128 * MIB);
	const struct live_spawn spec = {.cgroup = cgroup, .wants_stdin = true};
	struct live_process *pattern = live_spawn_argv(
		&spec, (const char *const[]){live_workload("pattern"), "20480", "8192", "4096",
					     getenv("APO_LIVE_TESTS"), NULL});
	struct live_process *tool;
	const char *rollup, *smaps;
	uint64_t anon, resident, shmem;
	json_t *rss;

	live_wait_output(pattern, 0, "ready\n");
	tool = live_tool("rss", "--json", live_format("%d", (int)pattern->pid));
	live_check(live_exit_code(tool) == 0, "status %d", live_exit_code(tool));
	rss = json_loads(tool->output[0] ? tool->output[0] : "", 0, NULL);
	live_check(rss, "not JSON");

	rollup = live_read(live_format("/proc/%d/smaps_rollup", (int)pattern->pid));
	smaps = live_read(live_format("/proc/%d/smaps", (int)pattern->pid));
	resident = smaps_bytes(rollup, NULL, "Rss:");
	anon = smaps_bytes(rollup, NULL, "Anonymous:");
	shmem = smaps_bytes(smaps, "/dev/zero (deleted)", "Rss:");
	live_check(shmem == 4 * MIB, "the pattern has %" PRIu64 " bytes of shmem", shmem);
	live_check(anon >= 20 * MIB && resident - anon - shmem >= 8 * MIB, "no such pattern:\n%s",
		   rollup);
	live_expect_int(rss, "rss_bytes.anon", (json_int_t)anon);
	live_expect_int(rss, "rss_bytes.shmem", (json_int_t)shmem);
	live_expect_int(rss, "rss_bytes.file", (json_int_t)(resident - anon - shmem));
	live_expect_int(rss, "rss_bytes.swap", (json_int_t)smaps_bytes(rollup, NULL, "Swap:"));
	live_expect_int(rss, "pid", pattern->pid);
	live_expect_text(rss, "cgroup.path", cgroup->rel);
	live_expect_text(rss, "cgroup.limit_cgroup", cgroup->rel);
	live_expect_int(rss, "cgroup.limit_bytes", 128 * MIB);
	json_decref(rss);
}

/* A kernel may hide it from BPF programs, which has to be said. */
Test(cli, rss_of_init_is_shown_or_it_is_said_why_not)
{
	struct live_process *tool = live_tool("rss", "1");
	int status = live_exit_code(tool);
	const char *text = status == 0 ? tool->output[0] : tool->output[1];

	live_check(status == 0 || status == CANNOT, "status %d", status);
	live_check(text && strstr(text, status == 0 ? "resident" : "hides it"), "it says '%s'",
		   text ? text : "");
}

Test(cli, rss_as_text)
{
	struct live_process *tool = live_tool("rss", live_format("%d", (int)getpid()));

	live_check(live_exit_code(tool) == 0, "status %d", live_exit_code(tool));
	live_check(tool->output[0] && strstr(tool->output[0], "anon"), "no word of anon");
}

Test(cli, doctor_says_what_works)
{
	struct live_process *tool = live_tool("doctor", "--json");
	json_t *report = json_loads(tool->output[0] ? tool->output[0] : "", 0, NULL);
	const char *level;

	live_check(report, "not JSON");
	level = live_format("%s", live_text(report, "protection"));
	/* The other live tests are the proof that it is not impossible here. */
	live_check(live_exit_code(tool) == (strcmp(level, "full") == 0 ? 0 : 1),
		   "status %d for '%s'", live_exit_code(tool), level);
	live_expect_text(json_array_get(json_object_get(report, "triggers"), 0), "", "growth");
	json_decref(report);
	tool = live_tool("doctor");
	live_check(tool->output[0] && strstr(tool->output[0], level), "the text does not say '%s'",
		   level);
}

/* What a report of a save becomes in it, and what of a command line. */
Test(cli, bugreport_has_reports_without_command_lines)
{
	const char *reports = live_path("reports"), *path = live_path("bug.tar.gz");
	const char *tar = live_program("tar");
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", 64 * MIB);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel, "--report-dir", reports);
	struct live_process *process;
	const char *text;

	live_expect_victim_saved(guard, live_victim(cgroup, "--rate", "0"), cgroup);
	live_stop(guard);
	process = live_tool("bugreport", "--report-dir", reports, "--output", path);
	live_check(live_exit_code(process) == 0, "it ended with %d: %s", live_exit_code(process),
		   process->output[1]);
	live_check(tar, "no tar");
	process = live_start(NULL, tar, "-xzOf", path);
	live_wait_exit(process);
	live_check(live_exit_code(process) == 0, "it is no tarball: %s", process->output[1]);
	text = process->output[0];
	live_check(strstr(text, "\"verdict\":\"saved\"") && strstr(text, "\"protection\"") &&
			   strstr(text, "MemTotal:") &&
			   strstr(text, "\"cmdline\":\"(left out)\"") && !strstr(text, "--rate"),
		   "it says: %s", text);
	process = live_tool("bugreport", "--output", path);
	live_check(live_exit_code(process) == 2, "it was written over");
}

#define STRANGE_COMM "a\nb\"\xff\\"
#define STRANGE_CGROUP "we\"ird \\ \xff\xfe\tname{}"

Test(cli, strange_names_do_not_break_json)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, STRANGE_CGROUP, 64 * MIB);
	const char *reports = live_path("reports");
	struct live_process *guard, *victim;
	json_t *verdict;

	live_check(mkdir(reports, 0700) == 0, "mkdir %s: %m", reports);
	guard = live_watch("--report-dir", reports, "--cgroup", cgroup->rel);
	victim = live_victim(cgroup, "--comm", STRANGE_COMM, "--rate", "200");
	verdict = live_expect_victim_saved(guard, victim, cgroup);
	live_expect_text(verdict, "process.comm", "a\nb\"\xef\xbf\xbd\\");
	live_check(strstr(live_text(verdict, "process.cgroup"), "we\"ird \\ \xef\xbf\xbd"),
		   "the cgroup is '%s'", live_text(verdict, "process.cgroup"));
	live_check(strstr(live_text(verdict, "process.cmdline"), "--comm a\nb\"\xef\xbf\xbd\\"),
		   "the command line is '%s'", live_text(verdict, "process.cmdline"));
	live_stop(guard);
}

Test(cli, strange_names_do_not_break_a_line)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, STRANGE_CGROUP, 64 * MIB);
	struct live_process *guard =
		live_tool_argv(NULL, (const char *const[]){"watch", "--cgroup", cgroup->rel, NULL});
	struct live_process *victim;

	live_wait_output(guard, 0, "\n"); /* says when it is ready */
	victim = live_victim(cgroup, "--comm", STRANGE_COMM, "--rate", "200");
	live_wait_exit(victim);
	live_wait_output(guard, 0, "saved");
	live_signal(guard, SIGTERM);
	live_wait_exit(guard);
	live_check(live_exit_code(guard) == 0, "status %d", live_exit_code(guard));
	for (const char *c = guard->output[0]; *c; c++)
		live_check((unsigned char)*c >= ' ' || *c == '\n', "control character %#x", *c);
	live_check(strstr(guard->output[0], "a\\nb"), "the name is not escaped");
}

/* Human lines without a terminal carry no colour. */
Test(cli, no_colour_in_a_pipe)
{
	struct live_process *tool = live_tool("doctor");

	live_check(tool->output[0] && !strchr(tool->output[0], '\033'), "colour in a pipe");
}
