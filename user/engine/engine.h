/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run of the guard, whatever it guards: machine facts, the kernel side, the responder, the
 * incidents, and the event loop that ties them together. It owns them all.
 *
 *   engine_new      reads the facts of the machine; nothing is loaded or signalled
 *   engine_guards   guards are added to these; bad input is refused
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

#include "core/shutdown.h"
#include "engine/guards.h"
#include "engine/views.h"
#include "sense/cgroup.h"
#include "sinks/notifier.h"
#include "sinks/pressure.h"
#include "sinks/report_dir.h"

struct engine;

struct engine_config {
	FILE *out; /* events go here; borrowed */
	bool json;
	bool quiet;	  /* only incidents */
	bool may_look;	  /* where there is no kernel side: see engine/open_source.h */
	bool is_wrapper;  /* `run`: verdicts also go to the termination message of a container */
	const char *mode; /* "pid", "cgroup", "all", "run": for the ready event; static */
	const char *report_dir; /* NULL: no reports; borrowed */
	struct report_bounds report_bounds;
	/* It was named. Else there are none where it cannot be written, and nobody records who allocates. */
	bool wants_reports;
	const char *profiles; /* their directory; NULL: those that are installed; borrowed */
	bool no_profiles;
	bool restarts;		     /* --then restart */
	const char *pin_dir;	     /* where programs outlive us; NULL: nowhere; borrowed */
	uint32_t accounts;	     /* room for those of so many limits; 0: by the machine */
	const char *history;	     /* the file of verdicts; NULL: none; borrowed */
	uint32_t history_rows;	     /* at most */
	uint64_t lend_max_bytes;     /* of all loans at a time; 0: see the next */
	uint32_t lend_max_permyriad; /* of the machine's memory; 0 too: no more than it can spare */
	const char *
		oomd_dir; /* where systemd-oomd tells whom it is about to kill; NULL: nowhere; borrowed */
	struct views_config
		views; /* its control_fd: engine_leave() of the program before this one */
	struct notifier_config notifier; /* hooks */
	struct pressure_config
		pressure; /* its fd: -1: nobody can watch; what is the engine's is filled in there */
};

struct engine_events {
	/* A signal to this process. Signals are blocked and arrive here. */
	void (*on_signal)(const struct signalfd_siginfo *info, void *userdata);
	void *userdata;
};

/*
 * Blocks the signals of the process, except HUP, INT and QUIT where they are ignored already: those
 * stay ignored.
 */
int engine_new(struct engine **ret, const struct engine_config *config);
struct engine *engine_free(struct engine *engine);

const struct cgroup_tree *engine_cgroups(const struct engine *engine);
/* The signal mask before engine_new(), for a child. */
const sigset_t *engine_inherited_mask(const struct engine *engine);
/* Guards are added to them before engine_start(). */
struct guards *engine_guards(struct engine *engine);

/* Opens the report directory, loads, attaches. */
int engine_start(struct engine *engine, const struct engine_events *events);

/* Says that guarding has begun. child: the command of `run`, 0: none. */
void engine_ready(struct engine *engine, pid_t child);
/* A child of ours has ended, with that status of wait(2). */
void engine_on_end(struct engine *engine, pid_t pid, int status);
/* Whether trips have asked that child to end, by the verdicts so far; all are there after engine_settle(). */
const struct shutdown *engine_shutdown(const struct engine *engine);
/* The accounts, as a status event. */
void engine_status(struct engine *engine);
/* What a new configuration was refused for, which the status says from now on. */
void engine_refuse_configuration(struct engine *engine, const char *why);

/*
 * Runs until engine_stop(). Where the only guard is that of a process, it also ends when that has
 * ended, as by engine_finish().
 */
void engine_loop(struct engine *engine);
/*
 * After engine_loop(): we end, and what is attached stays in force, with what is open on record: before exec(3). For the
 * next program the descriptors of the control socket and of who watches memory (pressure_leave()); -1: there is none.
 */
struct engine_left {
	int control_fd, watchers_fd;
};
struct engine_left engine_leave(struct engine *engine);
/* It has failed: we go on. */
void engine_return(struct engine *engine);
/* Ends engine_loop() after this turn. */
void engine_stop(struct engine *engine);
/* Ends engine_loop() as soon as no trip waits for the end of its grace: at once without --grace. */
void engine_finish(struct engine *engine);
/*
 * Takes in what the kernel side has reported so far and judges every trip that is open: for the
 * end, when nothing more can happen.
 */
void engine_settle(struct engine *engine);
