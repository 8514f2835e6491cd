/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guard takes for itself stays what it was, however much happens: its own memory, descriptors and
 * threads. Bounds of memory, not of time.
 */
#include <dirent.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/util.h"
#include "events.h"

TestSuite(self, .init = live_setup, .fini = live_teardown, .timeout = 1200);

#define LIMIT (16 * MIB)
#define MOST_KIB (24 * 1024)
#define GROWTH_KIB 1024 /* by what a heap may grow without a leak */

/* A field of its /proc/PID/status, KiB. */
static uint64_t status_kib(const struct live_process *guard, const char *key)
{
	uint64_t value;

	live_check(!parse_field_u64(live_read(live_format("/proc/%d/status", (int)guard->pid)), key,
				    &value),
		   "no %s", key);
	return value;
}

static size_t count_entries(const struct live_process *guard, const char *what)
{
	DIR *dir = opendir(live_format("/proc/%d/%s", (int)guard->pid, what));
	size_t count = 0;

	live_check(dir, "cannot count %s: %m", what);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* One after the other in one cgroup, as a service that is restarted. */
static void trips(struct live_process *guard, const struct live_cgroup *cgroup, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct live_process *victim = live_victim(cgroup, "--rate", "0");

		live_wait_exit(victim);
		live_event(guard, "verdict", victim->pid);
	}
}

static void wait_for_reports(const char *dir, size_t n)
{
	uint64_t deadline = live_deadline();

	for (size_t found = 0; found < n;) {
		DIR *reports = opendir(dir);
		char what[64];

		live_check(reports, "cannot open %s: %m", dir);
		found = 0;
		for (struct dirent *entry = readdir(reports); entry; entry = readdir(reports))
			found += strstr(entry->d_name, ".json") != NULL;
		closedir(reports);
		snprintf(what, sizeof(what), "%zu reports, of which %zu are there", n, found);
		live_pump(deadline, what);
	}
}

Test(self, trips_one_after_the_other_leave_nothing_behind)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
	const char *reports = live_path("reports");
	struct live_process *guard =
		live_watch("--airbag", "auto", "--report-dir", reports, "--cgroup", cgroup->rel);
	unsigned int first = live_bulk(300), rest = live_bulk(300);
	uint64_t anon_kib, most_kib;
	size_t descriptors = count_entries(guard, "fd"), threads;
	uint64_t deadline;

	trips(guard, cgroup, first);
	/* They have up to 400 KiB each, and of all 64 MiB are kept. */
	wait_for_reports(reports, MIN(first, 100U));
	anon_kib = status_kib(guard, "RssAnon");
	threads = count_entries(guard, "task");
	trips(guard, cgroup, rest);
	live_expect_limit_back(cgroup, LIMIT);
	live_check(status_kib(guard, "RssAnon") <= anon_kib + GROWTH_KIB,
		   "it had %llu KiB after %u trips, and %llu after %u",
		   (unsigned long long)anon_kib, first,
		   (unsigned long long)status_kib(guard, "RssAnon"), first + rest);
	most_kib = status_kib(guard, "VmHWM");
	live_check(most_kib <= MOST_KIB, "it had %llu KiB at most", (unsigned long long)most_kib);
	/* Files of a process that is gone are kept for seconds, for a record that is on its way. */
	deadline = live_deadline();
	while (count_entries(guard, "fd") > descriptors)
		live_pump(deadline, live_format("%zu of %zu descriptors to be closed",
						count_entries(guard, "fd") - descriptors,
						count_entries(guard, "fd")));
	live_check(count_entries(guard, "task") <= threads, "%zu threads became %zu", threads,
		   count_entries(guard, "task"));
	live_stop(guard);
}

Test(self, processes_that_come_and_go_leave_nothing_behind)
{
	static const char *const script =
		"i=0; while [ $i -lt $1 ]; do /bin/true; i=$((i + 1)); done";
	struct live_cgroup *cgroup = live_cgroup(NULL, "jobs", 64 * MIB);
	struct live_process *guard = live_watch("--airbag", "auto", "--cgroup", cgroup->rel);
	const char *few = live_format("%u", live_bulk(1000)),
		   *many = live_format("%u", live_bulk(10000));
	uint64_t anon_kib;
	size_t descriptors;

	live_wait_exit(live_start(cgroup, "/bin/sh", "-c", script, "jobs", few));
	anon_kib = status_kib(guard, "RssAnon");
	descriptors = count_entries(guard, "fd");
	live_wait_exit(live_start(cgroup, "/bin/sh", "-c", script, "jobs", many));
	live_check(status_kib(guard, "RssAnon") <= anon_kib + GROWTH_KIB, "%llu KiB became %llu",
		   (unsigned long long)anon_kib, (unsigned long long)status_kib(guard, "RssAnon"));
	live_check(count_entries(guard, "fd") == descriptors, "%zu descriptors became %zu",
		   descriptors, count_entries(guard, "fd"));
	live_expect_quiet(guard);
}

Test(self, the_start_says_what_is_taken)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", 64 * MIB);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	json_t *ready = live_event(guard, "ready", 0);

	live_check(live_bool(ready, "self.memory_locked"), "nothing is locked");
	live_check(live_bool(ready, "self.realtime"), "the responder is not in real time");
	live_check(live_int(ready, "self.descriptors_max") >= 1024, "few descriptors");
	live_check(live_int(ready, "self.limits_max") >= 1024, "few accounts");
	live_check(status_kib(guard, "VmLck") > 0, "it says so, and nothing is locked");
	live_stop(guard);
}

/* Hexadecimal in status, of each of its threads. */
static uint64_t task_bits(const char *task, const char *key)
{
	const char *text = parse_field(live_read(live_format("%s/status", task)), key);

	live_check(text, "no %s in %s", key, task);
	return strtoull(text, NULL, 16);
}

static void expect_confined(const struct live_process *guard)
{
	/* Of the machine, its devices, its network and its time. */
	const int given_up[] = {CAP_CHOWN,	CAP_SETPCAP,   CAP_NET_ADMIN, CAP_NET_RAW,
				CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT,  CAP_SYS_TIME,
				CAP_MKNOD,	CAP_SETFCAP,   CAP_SYS_CHROOT};
	const char *dir = live_format("/proc/%d/task", (int)guard->pid);
	DIR *tasks = opendir(dir);
	const struct dirent *task;
	unsigned int count = 0;

	while (tasks && (task = readdir(tasks))) {
		const char *path = live_format("%s/%s", dir, task->d_name);
		uint64_t has;

		if (*task->d_name == '.')
			continue;
		has = task_bits(path, "CapEff:") | task_bits(path, "CapPrm:") |
		      task_bits(path, "CapBnd:");
		for (size_t i = 0; i < ARRAY_SIZE(given_up); i++)
			live_check(!(has >> given_up[i] & 1), "%s has capability %d", path,
				   given_up[i]);
		live_check(has >> CAP_KILL & 1, "%s cannot signal", path);
		live_check(task_bits(path, "Seccomp:") == 2, "%s may call what it likes", path);
		count++;
	}
	if (tasks)
		closedir(tasks);
	live_check(count >= 3, "%u threads", count);
}

Test(self, what_it_cannot_need_is_given_up)
{
	struct live_process *guard = live_daemon("");

	expect_confined(guard);
	live_reload(guard);
	expect_confined(guard);
	live_stop(guard);
	guard = live_watch("--all");
	expect_confined(guard);
	live_stop(guard);
}
