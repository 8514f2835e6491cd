/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plain data of a running guard, filled by the engine and rendered by output/: ready (what is
 * guarded, once at the start) and status (the accounts, at the end and on request).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"
#include "core/gap.h"
#include "core/history.h"
#include "core/hooks.h"
#include "core/incident.h"
#include "core/lending.h"
#include "core/measures.h"
#include "core/policy.h"
#include "core/workload.h"

/* Strings are borrowed and raw. */

/* What the guard takes for itself, so that it works when the machine is short of it. */
struct ready_self {
	bool is_locked;	  /* memory it has touched stays */
	bool is_realtime; /* the responder */
	uint64_t descriptors_max;
	uint32_t limits_max; /* accounts */
};

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
	bool lends;	  /* the limit is raised rather than the reserve kept */
	bool guards_host; /* the machine's own memory, too */
	uint64_t reserve_bytes;
	struct trigger_names triggers; /* attached */
	pid_t child;		       /* run: CMD; 0 = none */
	struct ready_self self;
};

struct status_limit {
	char *path; /* of the cgroup whose limit it is, raw; NULL = gone */
	struct apo_limit_key key;
	char *why;		  /* why it has that policy, policy_set_why(); NULL = not known */
	const char *guard;	  /* of the configuration; NULL = none is for it */
	struct workload workload; /* what its container is called; no more */
	const struct policy *policy; /* NULL = not known */
	struct apo_limit account;
	uint64_t lent_pages; /* by which it is raised now */
	struct loan_facts loan;
	uint64_t verdicts[VERDICTS]; /* as below */
};

struct status_process {
	pid_t pid;
	uint32_t
		python_version; /* whose frames are read, 0x30b is 3.11; 0: it runs no CPython, as far as is known */
	struct apo_process account;
};

/* A program of the kernel side, and what it has cost. */
struct status_program {
	const struct hook *hook;
	bool is_attached;  /* the growth trigger is while a limit is armed */
	uint64_t runs, ns; /* 0: the kernel does not count (kernel.bpf_stats_enabled) */
};

/* What the kernel side costs. */
struct status_cost {
	double checks_per_s; /* since the last time it was asked, or the start */
	struct status_program programs[HOOKS_MAX];
	size_t program_count;
};

/* The guard itself, as a process. */
struct status_self {
	const char *mode; /* as in ready */
	pid_t pid;
	const char *version;
	struct trigger_names triggers;
	uint64_t since_realtime_ns; /* it guards, by what it has read then */
	uint64_t memory_bytes;	    /* resident */
	uint64_t cpu_ns;
	const char *history_trouble; /* why it cannot be written; NULL = it can, or there is none */
	const char *metrics_trouble; /* the same of the file of metrics */
	/* Why nobody is answered who asks for them; NULL = he is, or need not be. */
	const char *metrics_unserved;
	const char *refused; /* of a configuration: why it stays as it was before; NULL = none */
};

#define STATUS_RECENT 8

/* Arrays are the caller's. */
struct status {
	uint64_t realtime_ns;
	uint64_t now_ns; /* CLOCK_MONOTONIC */
	uint64_t page_bytes;
	struct status_self self;
	struct status_limit *limits;
	size_t limit_count;
	struct status_process *processes;
	size_t process_count;
	struct gap *gaps;
	size_t gap_count;
	uint64_t counters[APO_STATS]; /* summed over CPUs */
	size_t accounts;	      /* of the limits, those that the kernel side has one of */
	size_t accounts_room;
	struct status_cost cost;
	uint64_t responder_late; /* results that took more than 10 ms */
	uint64_t answers_lost;	 /* of the responder and the keeper: the loop was too far behind */
	struct history_row recent[STATUS_RECENT]; /* the last verdicts, the last of all last */
	size_t recent_count;
	uint64_t verdicts[VERDICTS]; /* by enum verdict; open = not closed yet */
	struct measures measures;
	uint64_t raises; /* how often a limit was raised, silently or for a trip */
};

/* What is left below a limit now; INT64_MAX: it is none. */
int64_t status_headroom_pages(const struct apo_limit *account);
/* Growth of need; 0 where nothing has been charged for some time: nobody has looked since. */
uint64_t status_rate_pages_s(const struct apo_limit *account, uint64_t now_ns);
/* Until the limit is reached at that rate. False: it does not grow, or there is no limit. */
bool status_time_to_limit(const struct apo_limit *account, uint64_t now_ns, double *ret_seconds);

/* How a limit is guarded. */
enum status_mode {
	STATUS_MODE_LENDS = 0,
	STATUS_MODE_RESERVE,
	STATUS_MODE_DRY_RUN,
	STATUS_MODE_UNKNOWN,
};
#define STATUS_MODES (STATUS_MODE_UNKNOWN + 1)

/* policy: NULL is unknown. */
enum status_mode status_mode(const struct policy *policy);
/* "lends", "reserve", "dry run"; NULL: unknown. */
const char *status_mode_name(enum status_mode mode);
