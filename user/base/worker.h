/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that goes round until it is stopped: it polls its wake_fd beside its own descriptors, and says
 * after each round that it lives. Nothing here blocks but worker_stop().
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker {
	const char *name; /* of the thread, as in /proc; static text */
	pthread_t thread;
	bool is_started;
	bool is_stopping; /* atomic, as turns */
	uint64_t turns;
	int wake_fd; /* eventfd: readable when it is to go round; -1: none */
};
#define WORKER_NONE ((struct worker){.wake_fd = -1})

/* Before worker_start(), and before anything can wake it. 0 or -errno. */
int worker_open(struct worker *worker, const char *name);
/* Also anew, after worker_stop(). */
int worker_start(struct worker *worker, size_t stack_bytes, void *(*fn)(void *userdata),
		 void *userdata);
/* Waits for its end; again from any state. */
void worker_stop(struct worker *worker);
/* Takes one that was never opened, if it is WORKER_NONE. */
void worker_close(struct worker *worker);

/* Of the thread itself: whether it goes on, and that it has been round. */
bool worker_goes_on(const struct worker *worker);
void worker_turned(struct worker *worker);

/* Of the others: has it go round once, and how often it did. */
void worker_ping(const struct worker *worker);
uint64_t worker_turns(const struct worker *worker);
