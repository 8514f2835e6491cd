/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command of `run`, as a shell has it: it waits behind a gate until all is ready for it, signals are passed on to
 * it, its orphans are reaped, and its exit status is ours.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/types.h>

struct wrapped {
	pid_t pid;
	const char *name;
	const char *cgroup; /* that it was to be moved into */
	int gate;	    /* a byte here lets it start */
	int failed;	    /* says why it did not; end of file: it runs */
	/* Told of every child that has ended, with its status of wait(2); NULL: nobody is. */
	void (*on_end)(pid_t pid, int status, void *userdata);
	void *userdata;
};

struct wrapped_start {
	char **argv;
	const sigset_t *mask; /* signals that it blocks: those that we had blocked */
	const char *cgroup;   /* into which it is moved; NULL: it is where we are */
	int cgroup_dirfd;
};

/*
 * Starts it behind the gate. 0; or, after an error that is logged, an exit status: also 128 and the signal where we were
 * asked to end meanwhile: then it never runs. Signals are blocked in the caller.
 */
int wrapped_prepare(struct wrapped *ret, const struct wrapped_start *start);
/* Opens the gate. -1: it runs; or, logged, 126, 127 or another exit status: it does not. */
int wrapped_let_go(struct wrapped *command);

/* Whether who sends it wants an end: INT, TERM, HUP or QUIT. */
bool wrapped_asks_to_end(uint32_t signal_number);
/* Whether a signal that we got is for the command. */
bool wrapped_takes(const struct wrapped *command, const struct signalfd_siginfo *info);
/*
 * Reaps all that has ended, and stops with the command where a terminal stops its foreground job. 1: the command has
 * ended, *ret_status as a shell says it; -ECHILD: no child is left; else 0.
 */
int wrapped_reap(const struct wrapped *command, int *ret_status);
