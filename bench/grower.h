/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that grows a page at a time and notes, in memory the worker shares, how far it was
 * when its SIGTERM handler was entered. Then it stops and exits.
 */
#pragma once

#include <stdatomic.h>

#include "child.h"

enum grower_kind { GROW_ANON, GROW_SHMEM, GROW_THP };

struct grower_plan {
	enum grower_kind kind;
	unsigned int threads;
	double mib_per_s;     /* 0: flat out */
	uint64_t from_pages;  /* the rate applies from here on; before, flat out */
	uint64_t until_pages; /* gives up */
	bool wanders;	      /* changes CPU every MiB */
	/* Begins on one CPU, goes on on another, and is back on the first from here on; 0: no. */
	uint64_t hop_pages;
	/* After each page from here on, look at the cgroup's own usage file; 0: never. */
	uint64_t watch_pages;
	uint64_t watch_line_bytes; /* crossed when usage is more */
};

struct grower_result {
	_Atomic uint64_t claimed;      /* pages begun */
	_Atomic uint64_t touched;      /* pages done */
	_Atomic uint64_t handler_ns;   /* CLOCK_MONOTONIC; 0: never called */
	_Atomic uint64_t claimed_then; /* at the handler */
	_Atomic uint64_t touched_then;
	_Atomic uint64_t file_crossed; /* pages done when the usage file first showed it; 0 never */
	_Atomic uint64_t rate_from_ns, rate_until_ns;
	atomic_int go, prepared;
};

struct grower;

/* Made and prepared, waiting to grow. */
struct grower *grower_new(const struct bench *bench, const struct group *group,
			  const struct grower_plan *plan);
void grower_go(struct grower *grower);
/* Waits for its end; false: it did not come. */
bool grower_wait(struct grower *grower, unsigned int timeout_ms);
const struct grower_result *grower_result(const struct grower *grower);
const struct grower_plan *grower_plan_of(const struct grower *grower);
pid_t grower_pid(const struct grower *grower);
struct grower *grower_free(struct grower *grower);
