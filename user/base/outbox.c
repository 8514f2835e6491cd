// SPDX-License-Identifier: BSD-2-Clause
#include "base/outbox.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/util.h"

/* Bytes of the kernel's, taken only when they are filled: some thousand messages. */
#define ROOM (1 << 20)

int outbox_open(struct outbox *outbox, size_t size)
{
	*outbox = OUTBOX_NONE;
	outbox->size = size;
	if (pipe2(outbox->fds, O_CLOEXEC | O_NONBLOCK)) {
		*outbox = OUTBOX_NONE;
		return -errno;
	}
	(void)fcntl(outbox->fds[1], F_SETPIPE_SZ, ROOM); /* refused: as large as it is */
	return 0;
}

void outbox_close(struct outbox *outbox)
{
	outbox->fds[0] = close_fd(outbox->fds[0]);
	outbox->fds[1] = close_fd(outbox->fds[1]);
}

void outbox_put(struct outbox *outbox, const void *message)
{
	/* Below PIPE_BUF: whole or not at all. */
	if (write(outbox->fds[1], message, outbox->size) != (ssize_t)outbox->size)
		__atomic_add_fetch(&outbox->lost, 1, __ATOMIC_RELAXED);
}

int outbox_fd(const struct outbox *outbox)
{
	return outbox->fds[0];
}

bool outbox_take(const struct outbox *outbox, void *ret)
{
	return read(outbox->fds[0], ret, outbox->size) == (ssize_t)outbox->size;
}

uint64_t outbox_lost(const struct outbox *outbox)
{
	return __atomic_load_n(&outbox->lost, __ATOMIC_RELAXED);
}
