/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of one size, from threads that never wait to one that reads when it can. A pipe: what is there
 * has it readable. Whole, and in order for each thread. Where the reader is so far behind that there is no
 * room, a message is lost, and counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox {
	int fds[2]; /* read end, write end */
	size_t size;
	uint64_t lost; /* atomic */
};
#define OUTBOX_NONE ((struct outbox){.fds = {-1, -1}})

/* For messages of so many bytes, PIPE_BUF at most. 0 or -errno. */
int outbox_open(struct outbox *outbox, size_t size);
void outbox_close(struct outbox *outbox);

void outbox_put(struct outbox *outbox, const void *message);

int outbox_fd(const struct outbox *outbox);
/* False: there is none. */
bool outbox_take(const struct outbox *outbox, void *ret);
uint64_t outbox_lost(const struct outbox *outbox);
