/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process of ours that does what may take its time, or for ever: read what a tenant has in its hands, run what an
 * operator wants to be run. It has a deadline, and is killed past it. Even then it may live on: who waits for the answer of a file
 * system in user space cannot be killed. So there are two ends: that of the work, and that of the process.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct helper;

struct helper_config {
	uv_loop_t *loop;
	const char *path;  /* of its program */
	char *const *argv; /* NULL at the end, as is the next */
	char *const *envp; /* NULL: its environment is empty */
	int in, out;	   /* its standard input and output; -1: none. Standard error is none. */
	/* Open in it under the same numbers, which must be close-on-exec here as all are; -1: none. */
	const int *kept_fds;
	size_t kept_count;
	unsigned int patience_ms;
	/* The work: it has ended by itself, or its time is over and it has been killed. */
	void (*on_done)(bool in_time, void *userdata);
	/* The process is no more, after that. helper_free() is the owner's. NULL: not asked for. */
	void (*on_end)(void *userdata);
	void *userdata;
};

/* The file of a program of ours: beside us, as in a build tree, or where `make install` puts it. 0 or -ENOENT. */
int helper_find(const char *program, char path[PATH_MAX]);

/* Of the config nothing is kept but loop, callbacks and userdata. -errno. */
int helper_start(struct helper **ret, const struct helper_config *config);
/* Sends it a signal, if it runs. */
void helper_signal(const struct helper *helper, int signal);
/* Kills it if it runs, without a callback; it is waited for when it has ended. Takes NULL. Returns NULL. */
struct helper *helper_free(struct helper *helper);
