/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds out about processes what they can keep from being read, see profile/inspection.h: each time in a
 * helper with a deadline. A process that does not let itself be looked at costs its own report the
 * names, and nobody else's: one helper at a time for a cgroup, however long it hangs; a bound on all.
 * On the engine's loop, which never waits for it.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "profile/inspection.h"

struct inspector;
struct inspection;

/* NULL: no memory. */
struct inspector *inspector_new(uv_loop_t *loop);
/* Asks that are not answered end without a word; helpers are killed. Takes NULL. Returns NULL. */
struct inspector *inspector_free(struct inspector *inspector);

struct inspector_subject {
	pid_t pid;    /* in our PID namespace */
	pid_t ns_pid; /* in its own */
	uint64_t start_boottime_ns;
	uint64_t cgroup; /* for whose turn it counts */
	int limit_dirfd; /* whose files are asked for, not kept; -1: there is none */
};

/* What is there; not after the call. Of its error -ETIMEDOUT: it took too long. -EBUSY: too many others. */
typedef void (*inspector_fn)(struct inspected *found, void *userdata);

/*
 * Called back once, not from within. parts: bits of enum inspection_part. NULL: there will be no answer,
 * for want of memory or of turns.
 */
struct inspection *inspector_ask(struct inspector *inspector,
				 const struct inspector_subject *subject, unsigned int parts,
				 inspector_fn fn, void *userdata);
/* Somebody else is called back. */
void inspection_redirect(struct inspection *inspection, inspector_fn fn, void *userdata);
/* Nobody is. Takes NULL. Returns NULL. */
struct inspection *inspection_drop(struct inspection *inspection);
