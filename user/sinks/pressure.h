/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of those who can give memory back. By systemd's protocol (sd_event_add_memory_pressure(3)) a program finds in
 * $MEMORY_PRESSURE_WATCH the path of a socket, connects, and drops its caches whenever it gets a byte. The socket is one of
 * the command of `run`: its processes are let in, whatever user they have become, and nobody else. What they write is
 * discarded; one that never reads loses bytes, and no more.
 */
#pragma once

#include <uv.h>

#define PRESSURE_WATCH "MEMORY_PRESSURE_WATCH"
#define PRESSURE_WRITE \
	"MEMORY_PRESSURE_WRITE" /* what a program is to write there at first: nothing */

/* A socket that listens, in a directory of its own, which anybody can pass through who knows its name. */
struct pressure_socket {
	char directory[80]; /* "": there is none */
	char path[96];
	int fd;
};

#define PRESSURE_SOCKET_NONE ((struct pressure_socket){.fd = -1})

/* Below the first of the directories (NULL at the end) in which it can be made. -errno of the last. */
int pressure_socket_open(const char *const directories[], struct pressure_socket *ret);
/* Closes and removes it. */
void pressure_socket_close(struct pressure_socket *socket);

struct pressure;

/* fd: of a socket that listens, borrowed. -errno. */
int pressure_new(struct pressure **ret, uv_loop_t *loop, int fd);
/* Takes NULL. Returns NULL. */
struct pressure *pressure_free(struct pressure *pressure);
/* Memory is getting scarce: a byte to each who watches. */
void pressure_tell(struct pressure *pressure);
