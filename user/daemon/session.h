/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run of the guard, as `watch` and `run` share it: machine facts, the kernel side, the
 * responder, the tracker, and the event loop that ties them together.
 *
 *   session_new      looks at the machine; nothing loaded, nothing signalled
 *   session_guard_*  what to guard; bad input is found here
 *   session_start    loads and attaches; from here on guarded processes may be signalled
 *   session_loop     until session_stop()
 *   session_free     everything is as it was before
 *
 * Functions log what went wrong and return an exit status: 0, EXIT_USAGE for what the user gave,
 * EXIT_CANNOT for what the machine does not allow.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#include "core/options.h"
#include "sense/cgroup.h"

#define EXIT_RUNTIME 1 /* something failed on the way */
#define EXIT_USAGE 2   /* bad option or value */
#define EXIT_CANNOT 3  /* no protection on this machine */

struct session;

struct session_events {
	/* A signal to this process. Signals are blocked and arrive here. */
	void (*on_signal)(const struct signalfd_siginfo *info, void *userdata);
	void *userdata;
};

/*
 * Events go to `out`. Blocks the signals of the process, but for HUP, INT and QUIT where they are
 * ignored already: they stay so.
 */
int session_new(struct session **ret, const struct options *options, FILE *out);
struct session *session_free(struct session *session);

const struct cgroup_tree *session_cgroups(const struct session *session);
/* The signal mask before session_new(), for a child. */
const sigset_t *session_inherited_mask(const struct session *session);

/* A cgroup, as the user wrote it, and its subtree. It must have a limit, its own or inherited. */
int session_guard_cgroup(struct session *session, const char *path);
/* session_loop() returns when the process has ended, as by session_finish(). */
int session_guard_pid(struct session *session, pid_t pid);
/* Every child of ours; they live in the cgroup we live in. */
int session_guard_children(struct session *session);
int session_guard_all(struct session *session);

/* Opens the report directory, loads, attaches. */
int session_start(struct session *session, const struct session_events *events);

/* Says that guarding has begun. child: the command of `run`, 0: none. */
void session_ready(struct session *session, pid_t child);
/* The accounts, as a status event. */
void session_status(struct session *session);

void session_loop(struct session *session);
/* Ends session_loop() after this turn. */
void session_stop(struct session *session);
/* Ends session_loop() as soon as no trip waits for the end of its grace: at once without --grace. */
void session_finish(struct session *session);
/*
 * Takes in what the kernel side has reported so far and judges every trip that is open: for the
 * end, when nothing more can happen.
 */
void session_settle(struct session *session);
