// SPDX-License-Identifier: BSD-2-Clause
#include "sense/cgroup_news.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "base/wake.h"

/* The kernel lets go of it when its eventfd is closed. */
static int open_threshold(int dirfd, uint64_t bytes, struct cgroup_news *ret)
{
	_cleanup_close_ int usage_fd = openat(dirfd, "memory.usage_in_bytes", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int fd = usage_fd < 0 ? -errno : wake_open();
	char text[64];
	int r;

	if (fd < 0)
		return fd;
	snprintf(text, sizeof(text), "%d %d %" PRIu64, fd, usage_fd, bytes);
	r = file_write(dirfd, "cgroup.event_control", text);
	if (r < 0)
		return r;
	*ret = (struct cgroup_news){TAKE_FD(fd), POLLIN};
	return 0;
}

int cgroup_news_open(const struct cgroup_tree *tree, int dirfd, uint64_t bytes,
		     struct cgroup_news *ret)
{
	int fd;

	*ret = CGROUP_NEWS_NONE;
	if (cgroup_tree_version(tree) == 1)
		return open_threshold(dirfd, bytes, ret);
	fd = openat(dirfd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = (struct cgroup_news){fd, POLLPRI};
	cgroup_news_read(ret); /* of what happened before nothing is told */
	return 0;
}

void cgroup_news_read(const struct cgroup_news *news)
{
	char text[512];
	ssize_t n;

	if (news->events == POLLIN) {
		wake_clear(news->fd);
		return;
	}
	n = pread(news->fd, text, sizeof(text), 0);
	(void)n; /* having been read counts, not what it says */
}

void cgroup_news_close(struct cgroup_news *news)
{
	news->fd = close_fd(news->fd);
}
