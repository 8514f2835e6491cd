/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One incident: a trip (or an OOM kill no trip preceded) with everything known about it. Plain
 * data, filled by the engine, judged by verdict.c, rendered by output/. Memory is in bytes here;
 * pages end at the engine. Strings are owned by the incident, raw as the kernel gave them (any
 * byte but NUL): whoever renders them escapes them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"
#include "core/comeback.h"
#include "core/lending.h"
#include "core/memory_parts.h"
#include "core/recording.h"

enum verdict {
	VERDICT_OPEN = 0, /* not closed yet */
	VERDICT_SAVED,	  /* a shutdown of its own instead of the kill */
	VERDICT_ENDED,	  /* by the signal itself, in place of the kill: nothing was drained */
	VERDICT_TOO_LATE, /* signalled, and killed by the kernel all the same */
	VERDICT_NEEDLESS, /* it would have lived without us */
	VERDICT_IGNORED,  /* the signal had no effect */
	VERDICT_MISSED,	  /* OOM kill that no trip preceded */
	VERDICT_DRY_RUN,  /* nothing was sent, by request */
};

#define VERDICTS (VERDICT_DRY_RUN + 1)

/* A process as files tell it, at the time of the trip. Missing strings are NULL. */
struct incident_process {
	pid_t pid;    /* host */
	pid_t ns_pid; /* in its own PID namespace */
	char *comm;
	char *cmdline;	    /* arguments joined by single spaces */
	char *cgroup;	    /* path below the memory hierarchy's root, "/a/b" */
	char *container_id; /* where the path shows one */
	char *unit;	    /* of systemd, where the path shows one */
	char *user_unit;    /* of a user's manager, which is then the unit */
	uint64_t cgroup_id;
	uint64_t start_boottime_ns;
	enum apo_disposition disposition;
};

/* How the process ended. */
struct incident_exit {
	bool known; /* false: still running at the close; or, with exit_ns set, not seen */
	int code;   /* exit status, -1 if ended by a signal */
	int signal; /* ending signal, 0 if none */
};

/* Kernel counters of the binding cgroup: memory.events, or memory.oom_control and failcnt. */
struct incident_events {
	bool known;
	uint64_t oom_kills;
	uint64_t at_limit; /* charges that met the limit: events max, v1 failcnt */
	uint64_t at_high;  /* charges above memory.high, v2 */
	bool hangs;	   /* threads wait at the limit, whose OOM killer is disabled, v1 */
};

/* One of the limits that were raised for it. */
struct incident_level {
	char *cgroup;	     /* its path; NULL: gone */
	uint64_t lent_bytes; /* at most */
};

enum incident_airbag {
	INCIDENT_AIRBAG_NONE = 0, /* not asked for, or no answer yet */
	INCIDENT_AIRBAG_RAISED,
	/* -ENOMEM: the host has none to spare; -EAGAIN: too often; -EBUSY: an earlier one is still owed */
	INCIDENT_AIRBAG_REFUSED,
	INCIDENT_AIRBAG_FAILED, /* see the error */
};

/* What is not known of an incident, and should be: bits. */
enum incident_missing {
	INCIDENT_MISSING_TRIP = 1 << 0,	   /* the record of the trip */
	INCIDENT_MISSING_END = 1 << 1,	   /* the record of the end */
	INCIDENT_MISSING_RESTART = 1 << 2, /* what happened while no instance ran */
	INCIDENT_MISSING_ALL = (1 << 3) - 1,
};

struct incident {
	uint64_t id;	      /* of the trip; unique since boot */
	uint64_t realtime_ns; /* CLOCK_REALTIME of the crossing */
	uint64_t judged_ns;   /* CLOCK_REALTIME of the verdict; 0: there is none yet */
	enum verdict verdict;
	const char *reason; /* one sentence for the verdict, static text */
	const char *
		guard; /* of the limit, by its name in the configuration, borrowed; NULL: none has one */

	enum apo_trigger trigger;
	enum apo_rule rule;
	uint32_t level; /* 0 for the first signal of a crossing, then 1, 2, ... */

	struct incident_process grower;
	struct incident_process target;
	pid_t cause_pid; /* on the host: who grew, where nobody guards that; 0: the grower did */
	enum apo_target target_policy;
	uint32_t targets_signalled; /* more than 1 with target "all" */

	char *limit_cgroup; /* path of the cgroup whose limit binds */
	enum apo_limit_kind limit_kind;
	bool is_unasked; /* a warning that nobody has asked for: it is for those who watch memory alone */
	uint64_t limit_bytes, usage_bytes, reclaimable_bytes, need_bytes, swap_bytes;
	uint64_t reserve_bytes;
	int64_t headroom_bytes;
	uint64_t rate_bytes_s;
	uint64_t forecast_ns; /* APO_UNLIMITED: not growing */
	uint64_t rss_bytes[APO_KINDS];
	uint64_t faults;
	uint64_t peak_need_bytes;     /* since the trip */
	int64_t least_headroom_bytes; /* since the trip */
	bool closing_known;
	int64_t closing_headroom_bytes; /* when the incident was closed, target still running */

	int wanted_signal; /* the policy's */
	int signal;	   /* the one chosen */
	const char *
		profile; /* name of the one that chose it; NULL: none did; lives as long as the engine */
	enum apo_declaration declared; /* that chose it, or had its manager asked */
	enum apo_action action;
	int error; /* 0 or -errno of the last attempt */
	enum incident_airbag airbag;
	int airbag_error;      /* -errno where it failed or was refused */
	uint64_t airbag_bytes; /* added to the limit */
	struct incident_level levels[APO_MAX_DEPTH];
	unsigned int level_count;
	struct loan_facts loan; /* on the limit that binds; it ends after the trip */
	bool brake_set;		/* when the signal was taken */
	bool killed_after_grace;
	uint64_t grace_ns;  /* 0: off */
	bool grace_is_lent; /* none was asked for: it ends only what still needs the loan */

	/* CLOCK_MONOTONIC, 0 = did not happen. */
	uint64_t crossed_ns, airbag_ns, signal_ns, generated_ns, delivered_ns, exit_ns;
	uint64_t killed_ns; /* by the kernel, without a trip */

	unsigned int missing; /* enum incident_missing */
	struct incident_exit exit;
	bool oom_victim; /* the kernel had chosen the target as OOM victim */
	struct incident_events before, after;
	struct memory_parts parts_before,
		parts;		   /* of the binding cgroup, before the spike and at the trip */
	struct memory_files files; /* what its memory on tmpfs is */
	struct comeback comeback;  /* found out after the verdict; without a unit: not followed */

	const struct recording *recording; /* borrowed; NULL: nothing was recorded */
};

/* What is found out once an incident is closed. NULL: nothing of that. */
struct amendment {
	const struct loan_facts *loan; /* it is over */
	const struct comeback *comeback;
};

/* An empty incident on the heap; NULL if there is no memory. */
struct incident *incident_new(void);

/* Frees the incident and its strings; takes NULL. Returns NULL. */
struct incident *incident_free(struct incident *incident);

/* Whether the state of memory at the trip is known: whatever the record of the trip would have told. */
bool incident_is_measured(const struct incident *incident);

/* Resident memory of the grower at the trip. */
uint64_t incident_rss(const struct incident *incident);

/* Whether it is known what was done: told by the record of the trip, or seen. */
bool incident_action_is_known(const struct incident *incident);

/* Takes in a peak of need and the headroom that was left then. */
void incident_note_peak(struct incident *incident, uint64_t need_bytes, int64_t headroom_bytes);

/* What one bit of `missing` means: a sentence without its full stop, and two or three words. */
const char *incident_missing_sentence(enum incident_missing missing);
const char *incident_missing_word(enum incident_missing missing);

/* How far need went beyond the limit there was: what the airbag was good for. */
uint64_t incident_airbag_used(const struct incident *incident);

/* "none"; "set", when the signal was taken; "held", and somebody was slowed down by it. */
const char *incident_brake(const struct incident *incident);

/* The least headroom as time, at the rate of the trip. APO_UNLIMITED: it was not growing. */
uint64_t incident_margin_ns(const struct incident *incident);

/* A copy that owns its strings; what there is no memory for is missing. */
struct incident_process incident_process_copy(const struct incident_process *process);

/* Frees what a process owns, not itself; leaves it empty. */
void incident_process_clear(struct incident_process *process);

/* "memory", "memory+swap" or "machine". */
const char *limit_kind_name(enum apo_limit_kind kind);
/* "saved", "ended", "too late", "needless", "ignored", "missed", "dry run", "open". Never NULL. */
const char *verdict_name(enum verdict verdict);
