/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs and functions that run beside the worker; they die with it. */
#pragma once

#include "bench.h"

struct child {
	pid_t pid;
	int pidfd;
	/* When it was in its group, just before its first instruction: moving there waits for all CPUs, 6 to 20 ms. */
	uint64_t start_ns;
	bool exited;
	int status;    /* of waitpid(2), once exited */
	int output_fd; /* standard output */
	char *output;  /* what came of it so far, NUL-terminated */
	size_t output_size;
};

/* argv ends in NULL; argv[0] is looked up in $PATH. Standard error goes to `errors`, or is ours. */
struct child *child_exec(const struct group *group, const char *errors, const char *const argv[]);
/* Runs body(arg) in a fork and exits with its result. Not killed before it was freed or we end. */
struct child *child_fork(const struct group *group, int (*body)(void *arg), void *arg);
/* Whether it ended within that time. Collects its output. */
bool child_wait(struct child *child, unsigned int timeout_ms);
/* Reads what is there, after waiting for something at most that long. False: nothing more comes. */
bool child_read(struct child *child, unsigned int timeout_ms);
void child_signal(const struct child *child, int signal);
/* SIGKILL if it runs. Returns NULL. */
struct child *child_free(struct child *child);
/* As a shell says it: the exit status, or 128 and the signal. */
int child_code(const struct child *child);
