/* SPDX-License-Identifier: BSD-2-Clause */
#include "threshold.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

struct threshold {
	struct child *child;
	atomic_int *target; /* shared with the waiting process */
	int event_fd, usage_fd;
};

static int wait_and_signal(void *arg)
{
	struct threshold *threshold = arg;
	uint64_t count;
	pid_t pid;

	atomic_store(threshold->target, 0);
	while (read(threshold->event_fd, &count, sizeof(count)) == sizeof(count)) {
		pid = atomic_load(threshold->target);
		if (pid > 0)
			kill(pid, SIGTERM);
	}
	return 0;
}

struct threshold *threshold_new(const struct bench *bench, const struct group *group,
				uint64_t bytes)
{
	struct threshold *threshold;
	int r;

	if (cgroup_tree_version(bench->tree) != 1)
		return NULL;
	threshold = calloc(1, sizeof(*threshold));
	if (!threshold)
		fail("out of memory");
	threshold->target = mmap(NULL, sizeof(*threshold->target), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	threshold->event_fd = eventfd(0, EFD_CLOEXEC);
	threshold->usage_fd = openat(group->fd, "memory.usage_in_bytes", O_RDONLY | O_CLOEXEC);
	if (threshold->target == MAP_FAILED || threshold->event_fd < 0 || threshold->usage_fd < 0)
		fail("cannot set up a threshold: %s", strerror(errno));
	atomic_store(threshold->target, -1);
	r = file_write(group->fd, "cgroup.event_control",
		       text("%d %d %llu", threshold->event_fd, threshold->usage_fd,
			    (unsigned long long)bytes));
	if (r < 0)
		fail("cannot set up a threshold: %s", strerror(-r));
	threshold->child = child_fork(NULL, wait_and_signal, threshold);
	while (atomic_load(threshold->target) < 0 && !child_wait(threshold->child, 1))
		;
	return threshold;
}

void threshold_set_target(struct threshold *threshold, pid_t pid)
{
	atomic_store(threshold->target, pid);
}

struct threshold *threshold_free(struct threshold *threshold)
{
	if (!threshold)
		return NULL;
	child_free(threshold->child);
	munmap(threshold->target, sizeof(*threshold->target));
	close_fd(threshold->event_fd);
	close_fd(threshold->usage_fd);
	free(threshold);
	return NULL;
}
