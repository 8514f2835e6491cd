/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a machine offers, and what that means for protection. Pure: facts in, judgement out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/hooks.h"

/* What this kernel offers; filled by source_probe(). */
struct kernel_features {
	bool has_btf;		   /* the kernel describes its types: nothing works without */
	bool hooks[HOOKS_MAX];	   /* by row of the table: there, as the row's program needs it */
	bool bpf_send_signal_task; /* kfunc: signals a process other than the current one */
	int load_error;		   /* 0: all programs really loaded; else -errno */
};

enum protection_capability {
	PROTECTION_CAP_BPF = 0,
	PROTECTION_CAP_PERFMON,
	PROTECTION_CAP_SYS_RESOURCE,
	PROTECTION_CAP_KILL,
	PROTECTION_CAP_SYS_PTRACE,
	PROTECTION_CAP_SYS_NICE,
	PROTECTION_CAP_DAC_READ_SEARCH,
	PROTECTION_CAP_SYS_ADMIN,
	PROTECTION_CAPS,
};

enum protection_lockdown {
	PROTECTION_LOCKDOWN_NONE = 0, /* or the kernel has no lockdown */
	PROTECTION_LOCKDOWN_INTEGRITY,
	PROTECTION_LOCKDOWN_CONFIDENTIALITY,
};

enum protection_thp {
	PROTECTION_THP_UNKNOWN = 0, /* or compiled out */
	PROTECTION_THP_NEVER,
	PROTECTION_THP_MADVISE,
	PROTECTION_THP_ALWAYS,
};

struct protection_facts {
	struct kernel_features features;
	bool capabilities[PROTECTION_CAPS]; /* effective */
	enum protection_lockdown lockdown;
	int cgroup_version;	  /* of the memory controller: 1, 2; 0 = not found */
	bool cgroup_hybrid;	  /* v1 memory and a unified mount side by side */
	const char *cgroup_mount; /* borrowed; NULL = none */
	bool limits_writable;
	enum protection_thp thp;
	uint64_t swap_total_bytes;
	uint64_t swap_free_bytes;
	unsigned int cpus; /* online */
	uint64_t page_bytes;
	const char *kernel_release; /* borrowed; NULL = unknown */
};

enum protection_level {
	PROTECTION_FULL = 0,
	PROTECTION_PARTIAL,
	PROTECTION_IMPOSSIBLE,
};

/* By what growth is seen, the best last. */
enum protection_rung {
	PROTECTION_RUNG_NONE = 0,
	PROTECTION_RUNG_LOOK,	/* limits are looked at; nothing is lent */
	PROTECTION_RUNG_TOKEN,	/* the kernel side, by a BPF token and without its capabilities */
	PROTECTION_RUNG_KERNEL, /* the kernel side */
};

/* One line of the doctor's table. All text is static. */
struct protection_finding {
	const char *group; /* "kernel", "tracepoint", "kernel function", "capability", "cgroup" */
	const char *name;
	bool ok;
	enum protection_weight weight;
	const char *gives;  /* what it is good for */
	const char *lost;   /* what its absence costs; told when !ok */
	const char *remedy; /* how to get it; told when !ok */
};

#define PROTECTION_FINDINGS_MAX (HOOKS_MAX + 16)

struct protection {
	enum protection_level level;
	enum protection_rung rung;
	struct trigger_names triggers; /* that will work here */
	/* Ways to signal that will work here. */
	bool signal_in_fault;	      /* the grower, from its own page fault */
	bool signal_other_kernel;     /* any process, from the kernel side */
	bool signal_responder;	      /* any process, from the responder */
	uint64_t counter_error_pages; /* bound of the lag of an RSS counter on this machine */
	size_t finding_count;
	struct protection_finding findings[PROTECTION_FINDINGS_MAX];
};

/* Judges the facts. Every finding is in the result, ok or not, in the order to show them. */
void protection_judge(const struct protection_facts *facts, struct protection *ret);

/*
 * Largest distance between an RSS counter and the truth: each CPU holds back up to batch - 1
 * pages, batch = max(32, 2 * CPUs) (lib/percpu_counter.c, compute_batch_value; Linux 6.2 on).
 */
uint64_t protection_counter_error_pages(unsigned int cpus);

/* "full", "partial", "impossible". */
const char *protection_level_name(enum protection_level level);
/* "none", "look", "token", "kernel". */
const char *protection_rung_name(enum protection_rung rung);
/* How soon a spike is answered there, and what the next one takes; NULL: there is none. Static text. */
const char *protection_rung_latency(enum protection_rung rung);
const char *protection_rung_next(enum protection_rung rung);
/* Exit status of `doctor`: 0 full, 1 partial, 3 impossible. */
int protection_exit_code(enum protection_level level);
/* "CAP_BPF"... */
const char *protection_capability_name(enum protection_capability capability);
/* "none", "integrity", "confidentiality". */
const char *protection_lockdown_name(enum protection_lockdown lockdown);
/* "unknown", "never", "madvise", "always". */
const char *protection_thp_name(enum protection_thp thp);
