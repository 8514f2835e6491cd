/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of those who can give memory back. By systemd's protocol (sd_event_add_memory_pressure(3)) a program finds in
 * $MEMORY_PRESSURE_WATCH the path of a socket, connects, and drops its caches whenever it gets a byte. The socket is one of
 * the command of `run`: its processes are let in, whatever user they have become, and nobody else. Or it is the daemon's:
 * everybody is let in, as far as there is room for his cgroup and user, and hears of the limits at and above the cgroup
 * that he is in when he comes. What they write is discarded; one that never reads loses bytes, and no more.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#define PRESSURE_WATCH "MEMORY_PRESSURE_WATCH"
#define PRESSURE_WRITE \
	"MEMORY_PRESSURE_WRITE" /* what a program is to write there at first: nothing */

/* A socket that listens, in a directory of its own, which anybody can pass through who knows its name. */
struct pressure_socket {
	char directory[80]; /* of its own; "": there is none */
	char path[108];
	int fd;
};

#define PRESSURE_SOCKET_NONE ((struct pressure_socket){.fd = -1})

/* Below the first of the directories (NULL at the end) in which it can be made. -errno of the last. */
int pressure_socket_open(const char *const directories[], struct pressure_socket *ret);
/*
 * At that path, in whose directory anybody can go who knows its name; that is made if it is not there. The directory
 * stays. -errno.
 */
int pressure_socket_open_at(const char *path, struct pressure_socket *ret);
/* Closes and removes it. */
void pressure_socket_close(struct pressure_socket *socket);

struct pressure;

struct pressure_config {
	int fd;		 /* of a socket that listens, borrowed; -1: nobody can watch */
	bool is_for_all; /* the daemon's */
	int watchers_fd; /* pressure_leave() of the program before this one; -1: nobody; taken */
	/* Of the engine. The cgroup of a process, allocated: 0 or -errno. */
	uv_loop_t *loop;
	int (*cgroup_of)(pid_t pid, char **ret, void *userdata);
	void *userdata;
};

#define PRESSURE_CONFIG_NONE ((struct pressure_config){.fd = -1, .watchers_fd = -1})

/* -errno. */
int pressure_new(struct pressure **ret, const struct pressure_config *config);
/* Takes NULL. Returns NULL. */
struct pressure *pressure_free(struct pressure *pressure);
/* Memory is getting scarce below a limit; NULL: it is not known which, and only those of a command are told. */
void pressure_tell(struct pressure *pressure, const char *limit_cgroup);
/*
 * Before exec(3): those who watch, in a file for the next program: its descriptor, -1: nobody does. pressure_return(): we
 * go on. Take NULL.
 */
int pressure_leave(struct pressure *pressure);
void pressure_return(struct pressure *pressure);
/* Of a program that has no such socket any more: they see the end of their connections. */
void pressure_let_go(int watchers_fd);
