/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel tells of the memory of a cgroup by itself to who waits for it, without any privilege: on v1 that its
 * usage has passed a threshold, on v2 that a charge has met its limit. It saves waiting for the next look; it does not
 * spare any.
 */
#pragma once

#include <poll.h>
#include <stdint.h>

#include "sense/cgroup.h"

struct cgroup_news {
	int fd;
	short events; /* to poll for */
};
#define CGROUP_NEWS_NONE ((struct cgroup_news){.fd = -1})

/* bytes: of usage, where that is a threshold. -errno: there is none to be had here. */
int cgroup_news_open(const struct cgroup_tree *tree, int dirfd, uint64_t bytes,
		     struct cgroup_news *ret);
/* Takes in what is there. */
void cgroup_news_read(const struct cgroup_news *news);
void cgroup_news_close(struct cgroup_news *news);
