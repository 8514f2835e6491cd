/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run of the guard, as `watch` and `run` share it: machine facts, the kernel side, the
 * responder, the incidents, and the event loop that ties them together.
 *
 *   engine_new      looks at the machine; nothing loaded, nothing signalled
 *   engine_guard_*  what to guard; bad input is found here
 *   engine_start    loads and attaches; from here on guarded processes may be signalled
 *   engine_loop     until engine_stop()
 *   engine_free     everything is as it was before
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

struct engine;

struct engine_events {
	/* A signal to this process. Signals are blocked and arrive here. */
	void (*on_signal)(const struct signalfd_siginfo *info, void *userdata);
	void *userdata;
};

/*
 * Events go to `out`. Blocks the signals of the process, but for HUP, INT and QUIT where they are
 * ignored already: they stay so.
 */
int engine_new(struct engine **ret, const struct options *options, FILE *out);
struct engine *engine_free(struct engine *engine);

const struct cgroup_tree *engine_cgroups(const struct engine *engine);
/* The signal mask before engine_new(), for a child. */
const sigset_t *engine_inherited_mask(const struct engine *engine);

/* A cgroup, as the user wrote it, and its subtree. It must have a limit, its own or inherited. */
int engine_guard_cgroup(struct engine *engine, const char *path);
/* engine_loop() returns when the process has ended, as by engine_finish(). */
int engine_guard_pid(struct engine *engine, pid_t pid);
/* Every child of ours; they live in the cgroup we live in. */
int engine_guard_children(struct engine *engine);
int engine_guard_all(struct engine *engine);

/* Opens the report directory, loads, attaches. */
int engine_start(struct engine *engine, const struct engine_events *events);

/* Says that guarding has begun. child: the command of `run`, 0: none. */
void engine_ready(struct engine *engine, pid_t child);
/* The accounts, as a status event. */
void engine_status(struct engine *engine);

void engine_loop(struct engine *engine);
/* Ends engine_loop() after this turn. */
void engine_stop(struct engine *engine);
/* Ends engine_loop() as soon as no trip waits for the end of its grace: at once without --grace. */
void engine_finish(struct engine *engine);
/*
 * Takes in what the kernel side has reported so far and judges every trip that is open: for the
 * end, when nothing more can happen.
 */
void engine_settle(struct engine *engine);
