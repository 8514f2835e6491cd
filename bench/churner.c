/* SPDX-License-Identifier: BSD-2-Clause */
#include "churner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

#define PAUSE_NS 1000000 /* between two */

struct churner {
	const struct group *group;
	struct child *child;
};

static void move(int dirfd, const char *path)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		fail("cannot move to %s: %s", path, strerror(errno));
}

static int churn(void *arg)
{
	const struct churner *churner = arg;
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int fd = churner->group->fd;

	raise(SIGSTOP);
	for (;;) {
		/* Own processes and children: a cgroup of v2 that gives controllers has none of its own. */
		if (mkdirat(fd, "churn", 0755) < 0 && errno != EEXIST)
			fail("cannot make a cgroup: %s", strerror(errno));
		move(fd, "churn/cgroup.procs");
		move(fd, "home/cgroup.procs");
		unlinkat(fd, "churn", AT_REMOVEDIR);
		nanosleep(&pause, NULL);
	}
}

struct churner *churner_new(const struct group *group)
{
	struct churner *churner = calloc(1, sizeof(*churner));

	if (!churner)
		fail("out of memory");
	churner->group = group;
	if (mkdirat(group->fd, "home", 0755) < 0)
		fail("cannot make a cgroup: %s", strerror(errno));
	churner->child = child_fork(NULL, churn, churner);
	return churner;
}

void churner_set(struct churner *churner, bool on)
{
	child_signal(churner->child, on ? SIGCONT : SIGSTOP);
}

struct churner *churner_free(struct churner *churner)
{
	if (!churner)
		return NULL;
	child_free(churner->child);
	free(churner);
	return NULL;
}
