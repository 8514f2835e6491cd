/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plain pictures of a running watch, filled by the engine and rendered by output/: ready (what is
 * guarded, once at the start) and status (the accounts, at the end and on request).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"
#include "core/incident.h"
#include "core/options.h"

#define STATUS_VERDICTS (VERDICT_DRY_RUN + 1)

/* Strings are borrowed and raw. */
struct ready {
	uint64_t realtime_ns;
	const char *mode; /* "pid", "cgroup", "all" */
	pid_t pid;	  /* our own */
	const char *version;
	bool has_guard; /* false with --all */
	const char *cgroup;
	uint64_t cgroup_id;
	uint64_t limit_bytes; /* APO_UNLIMITED = none */
	const char *limit_cgroup;
	uint64_t reserve_bytes;
	bool growth, charge, pulse, reclaim; /* triggers attached */
	pid_t child;			     /* run: CMD; 0 = none */
};

struct status_guard {
	char *path; /* of the cgroup, raw; NULL = gone */
	uint64_t id;
	struct apo_guard account;
	uint64_t verdicts[STATUS_VERDICTS]; /* as below */
};

struct status_process {
	pid_t pid;
	struct apo_process account;
};

/* Arrays are the caller's. */
struct status {
	uint64_t realtime_ns;
	uint64_t page_bytes;
	struct status_guard *guards;
	size_t guard_count;
	struct status_process *processes;
	size_t process_count;
	uint64_t counters[APO_STATS];	    /* summed over CPUs */
	uint64_t responder_late;	    /* answers that took more than 10 ms */
	uint64_t verdicts[STATUS_VERDICTS]; /* by enum verdict; open = not closed yet */
};
