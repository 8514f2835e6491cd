/* SPDX-License-Identifier: BSD-2-Clause */
/* How one thread has another that polls go round: an eventfd that becomes readable. Never blocks. */
#pragma once

#include <stdint.h>
#include <sys/eventfd.h>

#include "base/util.h"

/* A descriptor, or -errno. */
static inline int wake_open(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static inline void wake(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n; /* full: it is awake */
}

static inline void wake_clear(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n; /* it need not have been woken */
}
