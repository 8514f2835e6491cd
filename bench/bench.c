/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

void fail(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

char *text(const char *format, ...)
{
	char *string = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&string, format, args) < 0)
		fail("out of memory");
	va_end(args);
	return string;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

#define SETTLE_MS 200	  /* so long it is to be idle, */
#define SETTLE_SHARE 0.95 /* this much of the time, */
#define SETTLE_TRIES 25	  /* at most that often */

/* Clock ticks of all CPUs, in all and idle. */
static void read_ticks(double *ret_all, double *ret_idle)
{
	_cleanup_free_ char *stat = NULL;
	double all = 0, idle = 0;
	char *at;

	if (file_read(AT_FDCWD, "/proc/stat", &stat, NULL) < 0 || strncmp(stat, "cpu ", 4) != 0)
		fail("cannot read /proc/stat");
	at = stat + 4;
	for (int i = 0; i < 8; i++) { /* the rest is part of these */
		double ticks = strtod(at, &at);

		all += ticks;
		if (i == 3 || i == 4) /* idle, iowait */
			idle += ticks;
	}
	*ret_all = all;
	*ret_idle = idle;
}

void machine_settle(void)
{
	double all[2], idle[2];

	read_ticks(&all[0], &idle[0]);
	for (unsigned int i = 0; i < SETTLE_TRIES; i++) {
		sleep_ms(SETTLE_MS);
		read_ticks(&all[1], &idle[1]);
		if (idle[1] - idle[0] >= SETTLE_SHARE * (all[1] - all[0]))
			return;
		all[0] = all[1];
		idle[0] = idle[1];
	}
}

void pin_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fail("cannot run on CPU %u: %s", cpu, strerror(errno));
}

bool is_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	while (list && *list) {
		size_t word = strcspn(list, ", ");

		if (word == length && strncmp(list, name, word) == 0)
			return true;
		list += word + (list[word] != '\0');
	}
	return false;
}

bool is_wanted(const struct bench *bench, const char *name)
{
	const char *part = bench->only;

	while (part && *part) {
		size_t length = strcspn(part, ",");

		if (length && memmem(name, strlen(name), part, length))
			return true;
		part += length + (part[length] == ',');
	}
	return !bench->only;
}

unsigned int repeats(const struct bench *bench, unsigned int full, unsigned int quick)
{
	if (bench->repetitions)
		return bench->repetitions;
	return bench->quick ? quick : full;
}

char *memory_new(const struct bench *bench)
{
	char *path = text("%s/tmpfs", bench->dir);

	if (mkdir(path, 0700) < 0 || mount("tmpfs", path, "tmpfs", 0, "size=1G,mode=700") < 0)
		fail("cannot mount a tmpfs at %s", path);
	return path;
}

void memory_free(char *path)
{
	umount2(path, MNT_DETACH);
	rmdir(path);
	free(path);
}

struct group *group_new(const struct bench *bench, const struct group *parent, const char *name,
			uint64_t limit)
{
	static unsigned int serial;
	struct group *group = calloc(1, sizeof(*group));
	int r;

	if (!group)
		fail("out of memory");
	group->rel = text("%s/%u-%s", parent ? parent->rel : bench->root, serial++, name);
	r = cgroup_create(bench->tree, group->rel);
	if (r == 0)
		r = cgroup_open(bench->tree, group->rel, &group->fd);
	if (r == 0)
		r = cgroup_id(group->fd, &group->id);
	if (r < 0)
		fail("cannot make cgroup %s: %s", group->rel, strerror(-r));
	if (limit)
		group_set_limit(bench, group, limit);
	return group;
}

void group_set_limit(const struct bench *bench, const struct group *group, uint64_t bytes)
{
	int r = cgroup_write_limit(bench->tree, group->fd, bytes);

	if (r < 0)
		fail("cannot limit cgroup %s: %s", group->rel, strerror(-r));
}

void group_move(const struct group *group, pid_t pid)
{
	int r = cgroup_attach(group->fd, pid);

	if (r < 0)
		fail("cannot move a process into cgroup %s: %s", group->rel, strerror(-r));
}

struct cgroup_memory group_memory(const struct bench *bench, const struct group *group)
{
	struct cgroup_memory memory;
	int r = cgroup_memory_read(bench->tree, group->fd, &memory);

	if (r < 0)
		fail("cannot read the memory of cgroup %s: %s", group->rel, strerror(-r));
	return memory;
}

uint64_t group_oom_kills(const struct bench *bench, const struct group *group)
{
	struct cgroup_events events;
	int r = cgroup_events_read(bench->tree, group->fd, &events);

	if (r < 0)
		fail("cannot read the events of cgroup %s: %s", group->rel, strerror(-r));
	return events.oom_kills;
}

struct group *group_free(const struct bench *bench, struct group *group)
{
	if (!group)
		return NULL;
	close_fd(group->fd);
	group_sweep(bench->tree, group->rel);
	free(group->rel);
	free(group);
	return NULL;
}

#define MAX_SWEPT 1024

struct sweep {
	char *paths[MAX_SWEPT];
	size_t count;
};

static int kill_and_note(int dirfd, const char *path, void *userdata)
{
	struct sweep *sweep = userdata;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;

	if (cgroup_procs(dirfd, &pids, &n) == 0)
		for (size_t i = 0; i < n; i++)
			kill(pids[i], SIGKILL);
	if (sweep->count < MAX_SWEPT)
		sweep->paths[sweep->count++] = strdup(path);
	return 0;
}

void group_sweep(const struct cgroup_tree *tree, const char *rel)
{
	int r = -EBUSY, fd;

	for (int i = 0; i < 2500 && r == -EBUSY; i++) {
		struct sweep sweep = {.count = 0};

		if (cgroup_open(tree, rel, &fd) < 0)
			return;
		cgroup_walk(fd, kill_and_note, &sweep);
		close_fd(fd);
		r = 0;
		while (sweep.count > 0) {
			char *path = sweep.paths[--sweep.count];
			char full[4096];

			snprintf(full, sizeof(full), "%s%s", rel, strcmp(path, "/") ? path : "");
			r = cgroup_remove(tree, full);
			free(path);
		}
		if (r == -ENOENT)
			r = 0;
		if (r < 0)
			sleep_ms(2);
	}
	if (r < 0)
		fprintf(stderr, "bench: cannot remove cgroup %s: %s, ignoring\n", rel,
			strerror(-r));
}
