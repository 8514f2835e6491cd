/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many reports want names at once: what looks them up stays small, the many of one tenant do not keep
 * the few of another, and what is refused is said. Judged by /proc, and by the files of the reports.
 */
#include <dirent.h>
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

TestSuite(naming, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (16 * MIB)
#define GO_LIMIT (768 * MIB) /* huge pages of the runtime itself take 50 MiB */
#define MOST 64
#define AT_ONCE 2
#define WAITING_MAX 32
#define SEARCHES_MIB_MAX 64 /* resident, of all together; measured: 5 */

/* --- searches, by /proc -------------------------------------------------------------------- */

static struct {
	pid_t pids[MOST];
	size_t count;
} searches; /* at the last look */

static uint64_t resident_bytes(pid_t pid)
{
	char path[40], text[128];
	uint64_t pages = 0;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	if (file_read_into(AT_FDCWD, path, text, sizeof(text)) < 0 ||
	    sscanf(text, "%*u %" SCNu64, &pages) != 1)
		return 0; /* it has ended */
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Whether it is one of the guard's, and has not ended. */
static bool is_search(const char *pid, pid_t guard)
{
	char path[300], text[1024], state;
	int parent;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	return file_read_into(AT_FDCWD, path, text, sizeof(text)) >= 0 &&
	       sscanf(text, "%*d (apoptosis-symbo) %c %d", &state, &parent) == 2 && state != 'Z' &&
	       parent == guard;
}

/* Those that run now, which must never be more than may. */
static void look_for_searches(const struct live_process *guard)
{
	DIR *proc = opendir("/proc");
	uint64_t bytes = 0;
	struct dirent *item;

	live_check(proc, "/proc: %m");
	searches.count = 0;
	while ((item = readdir(proc)) && searches.count < MOST) {
		if (*item->d_name < '0' || *item->d_name > '9' ||
		    !is_search(item->d_name, guard->pid))
			continue;
		searches.pids[searches.count] = (pid_t)strtol(item->d_name, NULL, 10);
		bytes += resident_bytes(searches.pids[searches.count++]);
	}
	closedir(proc);
	live_check(searches.count <= AT_ONCE, "%zu searches at once", searches.count);
	live_check(bytes <= SEARCHES_MIB_MAX * MIB, "searches take %" PRIu64 " KiB", bytes >> 10);
}

static void signal_searches(int signal_number)
{
	for (size_t i = 0; i < searches.count; i++)
		kill(searches.pids[i], signal_number); /* it may have ended */
}

/* --- incidents ----------------------------------------------------------------------------- */

struct scene {
	const char *dir; /* of the reports */
	struct live_cgroup *parent;
	struct live_process *guard;
	struct live_process *victims[MOST];
	const char *tenants[MOST];
	const char *reports[MOST]; /* paths */
	size_t count;
};

static struct scene new_scene(void)
{
	struct scene scene = {
		.dir = live_path("reports"),
		.parent = live_cgroup(NULL, "tenants", 1200 * MIB),
	};

	memset(&searches, 0, sizeof(searches));
	scene.guard = live_watch("--grace", "500s", "--cgroup", scene.parent->rel, "--report-dir",
				 scene.dir);
	return scene;
}

/* So many processes of a tenant, each in a cgroup of its own, that begin to shut down and are held there. */
static void trip(struct scene *scene, const char *tenant, unsigned int times)
{
	struct live_cgroup *above = live_cgroup(scene->parent, tenant, 0);

	while (times--) {
		struct live_cgroup *cgroup = live_cgroup(above, "part", LIMIT);
		struct live_process *victim =
			live_victim(cgroup, "--rate", "200", "--shutdown-ms", "2000");
		const json_t *trip;

		live_wait_shutdown(victim);
		live_signal(victim, SIGSTOP);
		trip = live_event(scene->guard, "trip", victim->pid);
		scene->tenants[scene->count] = tenant;
		scene->reports[scene->count] =
			live_format("%s/%s.json", scene->dir, live_text(trip, "id"));
		scene->victims[scene->count++] = victim;
	}
}

/* They go on, end, and the guard hears of all ends at one time. */
static void close_at_once(const struct scene *scene)
{
	live_signal(scene->guard, SIGSTOP);
	for (size_t i = 0; i < scene->count; i++)
		live_signal(scene->victims[i], SIGCONT);
	for (size_t i = 0; i < scene->count; i++)
		live_wait_exit(scene->victims[i]);
	live_signal(scene->guard, SIGCONT);
}

/* Its report is there. By the file: so many events at once are more than a pipe holds. */
static bool is_closed(const struct scene *scene, size_t index)
{
	return access(scene->reports[index], F_OK) == 0;
}

static bool all_closed(const struct scene *scene)
{
	size_t i = 0;

	while (i < scene->count && is_closed(scene, i))
		i++;
	return i == scene->count;
}

#define LOOKS 20 /* for each time that outputs are waited for, which takes 50 ms */

static void hold_what_is_seen(const struct live_process *guard)
{
	for (int i = 0; i < LOOKS; i++) {
		look_for_searches(guard);
		signal_searches(SIGSTOP);
	}
}

/* Holds each search that is seen until all incidents are closed and as many are held as may run. */
static void hold_searches(const struct scene *scene)
{
	uint64_t deadline = live_deadline();

	while (searches.count < AT_ONCE || !all_closed(scene)) {
		hold_what_is_seen(scene->guard);
		live_pump(deadline, "all reports, and two searches");
	}
}

static void release_searches(const struct scene *scene)
{
	look_for_searches(scene->guard);
	signal_searches(SIGCONT);
}

/* --- reports ------------------------------------------------------------------------------- */

static json_t *report_of(const struct scene *scene, size_t index)
{
	json_t *report = json_load_file(scene->reports[index], 0, NULL);

	live_check(report, "%s is no report", scene->reports[index]);
	return report;
}

/* Looked up or not, it will not be written again. */
static bool is_finished(const json_t *report)
{
	return !json_is_null(live_member(report, "recording.trouble")) ||
	       json_array_size(live_member(report, "recording.locations")) > 0;
}

static size_t count_finished(const struct scene *scene)
{
	size_t finished = 0;

	for (size_t i = 0; i < scene->count; i++) {
		json_t *report = report_of(scene, i);

		finished += is_finished(report);
		json_decref(report);
	}
	return finished;
}

static void await_finished(const struct scene *scene)
{
	uint64_t deadline = live_deadline();

	while (count_finished(scene) < scene->count) {
		for (int i = 0; i < LOOKS; i++)
			look_for_searches(scene->guard);
		live_pump(deadline, "all reports to be finished");
	}
}

/* With the name of the function that grows, or with its place and the reason. */
static bool is_named(const struct scene *scene, size_t index, const char *trouble)
{
	json_t *report = report_of(scene, index);
	const json_t *recording = live_member(report, "recording");
	bool named = json_is_null(live_member(recording, "trouble"));

	live_check(strstr(live_text(recording, "top.0.module"), "victim"), "it was %s",
		   live_text(recording, "top.0.module"));
	live_check(strncmp(live_text(recording, "top.0.offset"), "0x", 2) == 0, "no place");
	if (named)
		live_check(*live_text(recording, "top.0.function"), "no name");
	else
		live_expect_text(recording, "trouble", trouble);
	json_decref(report);
	return named;
}

#define REFUSED "too many reports were waiting for names"

static size_t count_named(const struct scene *scene, const char *tenant)
{
	size_t named = 0;

	for (size_t i = 0; i < scene->count; i++)
		if (strcmp(scene->tenants[i], tenant) == 0)
			named += is_named(scene, i, REFUSED);
	return named;
}

/* --- tests --------------------------------------------------------------------------------- */

Test(naming, thirty_at_once_are_named_by_two_small_searches)
{
	struct scene scene = new_scene();

	trip(&scene, "a", 10);
	trip(&scene, "b", 10);
	trip(&scene, "c", 10);
	close_at_once(&scene);
	hold_searches(&scene);
	release_searches(&scene);
	await_finished(&scene);
	live_check(count_named(&scene, "a") == 10 && count_named(&scene, "b") == 10 &&
			   count_named(&scene, "c") == 10,
		   "only %zu, %zu and %zu of 10 are named", count_named(&scene, "a"),
		   count_named(&scene, "b"), count_named(&scene, "c"));
	live_stop(scene.guard);
}

/* The tenant with many has come first, and all of what is refused is its own. */
Test(naming, beyond_the_bound_the_reports_of_who_has_most_stay_without_names)
{
	enum { MANY = 38, FEW = 2 };
	struct scene scene = new_scene();
	size_t named;

	trip(&scene, "many", MANY);
	trip(&scene, "few", FEW);
	close_at_once(&scene);
	hold_searches(&scene);
	release_searches(&scene);
	await_finished(&scene);
	named = count_named(&scene, "many");
	live_check(count_named(&scene, "few") == FEW, "another's reports are refused");
	live_check(named + FEW >= WAITING_MAX + AT_ONCE, "only %zu are named", named);
	live_check(named < MANY, "nothing was refused");
	live_stop(scene.guard);
}

#define STOPPED "apoptosis was stopped before the names were found"

/* A search that makes no progress holds up its end for no longer than one may take. */
Test(naming, the_end_of_the_guard_does_not_wait_for_all)
{
	struct scene scene = new_scene();
	uint64_t deadline = live_deadline();
	size_t stopped = 0;

	/* Many: what is held is killed sooner than the guard gives up, and some may be named between. */
	trip(&scene, "a", 24);
	close_at_once(&scene);
	hold_searches(&scene);
	live_signal(scene.guard, SIGTERM);
	while (!scene.guard->exited) {
		hold_what_is_seen(scene.guard);
		live_pump(deadline, "the end of the guard");
	}
	live_check(live_exit_code(scene.guard) == 0, "it ended with %d",
		   live_exit_code(scene.guard));
	for (size_t i = 0; i < scene.count; i++) {
		json_t *report = report_of(&scene, i);
		const json_t *trouble = live_member(report, "recording.trouble");

		live_check(is_finished(report), "report %zu says nothing", i);
		stopped += json_is_string(trouble) &&
			   strcmp(json_string_value(trouble), STOPPED) == 0;
		json_decref(report);
	}
	live_check(stopped > 0, "none says that it was given up");
}

/* --- what a search may do ------------------------------------------------------------------ */

/* A file of /proc/PID, as it is now. */
static const char *about(pid_t pid, const char *file)
{
	return live_read(live_format("/proc/%d/%s", pid, file));
}

static void expect_line(pid_t pid, const char *file, const char *line)
{
	const char *text = about(pid, file);

	live_check(strstr(text, line), "no '%s' in %s:\n%s", line, file, text);
}

/* Stops it. Whether it was where it has given up its privileges, and not at its end. */
static bool hold_if_confined(pid_t pid)
{
	char path[40], text[4096];

	kill(pid, SIGSTOP);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	do {
		if (file_read_into(AT_FDCWD, path, text, sizeof(text)) < 0 ||
		    strstr(text, "\nState:\tX") || strstr(text, "\nState:\tZ"))
			return false;
	} while (!strstr(text, "\nState:\tT"));
	return strstr(text, "\nSeccomp:\t2\n");
}

static pid_t hold_confined(const struct scene *scene)
{
	uint64_t deadline = live_deadline();

	for (;;) {
		look_for_searches(scene->guard);
		for (size_t i = 0; i < searches.count; i++) {
			if (hold_if_confined(searches.pids[i]))
				return searches.pids[i];
			kill(searches.pids[i], SIGCONT);
		}
		if (!searches.count)
			live_pump(deadline, "a search that is confined");
	}
}

/* Whether the process has that file open. */
static bool has_open(pid_t pid, const char *path)
{
	DIR *dir = opendir(live_format("/proc/%d/fd", pid));
	struct stat wanted, info;
	struct dirent *item;
	bool found = false;

	live_check(dir && stat(path, &wanted) == 0, "%s of %d: %m", path, pid);
	while ((item = readdir(dir)))
		found |= fstatat(dirfd(dir), item->d_name, &info, 0) == 0 &&
			 info.st_ino == wanted.st_ino && info.st_dev == wanted.st_dev;
	closedir(dir);
	return found;
}

/* Nothing but what it reads, and where it answers. */
static void expect_few_descriptors(pid_t pid)
{
	DIR *dir = opendir(live_format("/proc/%d/fd", pid));
	struct dirent *item;
	size_t count = 0;

	live_check(dir, "descriptors of %d: %m", pid);
	while ((item = readdir(dir))) {
		count += *item->d_name != '.';
		live_check(strcmp(item->d_name, "0") != 0, "standard input is open");
	}
	closedir(dir);
	live_check(count >= 3 && count <= 5, "%zu descriptors", count);
}

/* One that takes a while: Go programs have long tables, and this one is told to end at once. */
static pid_t hold_long_search(const struct scene *scene)
{
	const char *program = live_workload("hugejson");
	struct live_cgroup *cgroup = live_cgroup(scene->parent, "go", GO_LIMIT);

	live_start(cgroup, program, "-self-request", "-state", live_path("state"));
	return hold_confined(scene);
}

/* That of a guard which was started with a descriptor that is none of its business. */
Test(naming, a_search_has_no_more_than_it_takes)
{
	const char *stray = live_path("stray");
	int fd = open(stray, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	int inherited = fcntl(fd, F_DUPFD, 100); /* beyond those that programs of tests have */
	struct scene scene = new_scene();
	uint64_t deadline = live_deadline();
	pid_t pid;

	live_check(inherited >= 0 && has_open(scene.guard->pid, stray), "the guard has not got it");
	pid = hold_long_search(&scene);
	live_check(!has_open(pid, stray), "it has what the guard was started with");
	expect_few_descriptors(pid);
	live_check(!*about(pid, "environ"), "it has an environment");
	expect_line(pid, "oom_score_adj", "1000");
	expect_line(pid, "status", "\nUid:\t65534\t65534\t65534\t65534\n");
	expect_line(pid, "status", "\nGid:\t65534\t65534\t65534\t65534\n");
	expect_line(pid, "status", "\nGroups:\t \n");
	expect_line(pid, "status", "\nCapPrm:\t0000000000000000\n");
	expect_line(pid, "status", "\nCapEff:\t0000000000000000\n");
	expect_line(pid, "status", "\nNoNewPrivs:\t1\n");
	expect_line(pid, "limits", "\nMax cpu time              20 ");
	expect_line(pid, "limits", "\nMax processes             0 ");
	expect_line(pid, "limits", "\nMax open files            0 ");
	expect_line(pid, "limits", "\nMax core file size        0 ");
	expect_line(pid, "limits", "\nMax file size             8388608 ");
	/* Nobody waits for it any more. */
	live_signal(scene.guard, SIGKILL);
	live_wait_exit(scene.guard);
	while (kill(pid, 0) == 0 && !strstr(about(pid, "status"), "\nState:\tZ"))
		live_pump(deadline, "the end of the search");
}
