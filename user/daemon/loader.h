/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel side, as the rest of the daemon sees it: loading, configuring, attaching, and the
 * records and accounts it keeps. With features.c the only module that knows libbpf.
 *
 * Order of use: new (opened and loaded, nothing attached), policies and guards, attach, read.
 * Everything the kernel side does ends with loader_free(). Functions return 0 or -errno; new,
 * attach and probe log in words what a user can do about it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"
#include "core/protection.h"

struct loader;

struct loader_config {
	bool guard_all;	    /* every cgroup with a limit, by policy 0 */
	bool guard_cgroups; /* loader_guard_cgroup() will be used */
	bool guard_pids;    /* loader_guard_pid() will be used */
	bool memcg_v1;
	bool may_swap;	   /* vm.swappiness is not 0 */
	bool recording;	   /* stacks of what grows, and the flight recorder */
	uint32_t cpu_ids;  /* highest possible CPU number + 1 */
	uint32_t node_ids; /* highest possible NUMA node number + 1 */
};

/* Which triggers got attached. */
struct loader_triggers {
	bool growth, charge, pulse, reclaim;
};

int loader_new(struct loader **ret, const struct loader_config *config);
struct loader *loader_free(struct loader *loader);

int loader_set_policy(struct loader *loader, uint32_t index, const struct apo_policy *policy);
/* The cgroup and everything below it. -ENOSPC: too many guards. */
int loader_guard_cgroup(struct loader *loader, uint64_t cgroup_id, uint32_t policy);
/* The process and every child it forks from now on. pid: of the initial PID namespace. */
int loader_guard_pid(struct loader *loader, pid_t pid, uint32_t policy);
/* Every child we fork from now on, not ourselves. */
int loader_guard_children(struct loader *loader, uint32_t policy);

/*
 * How much swap is free, and where the kernel counts it (0: not known); again whenever swap is
 * turned on or off.
 */
void loader_set_swap(struct loader *loader, uint64_t free_pages, uint64_t nr_swap_pages_address);

/* From here on guarded processes may be signalled. */
int loader_attach(struct loader *loader, struct loader_triggers *ret);

/* Records, oldest first. The file descriptors become readable when there are some. */
typedef int (*loader_record_fn)(const struct apo_record *record, void *userdata);
int loader_on_record(struct loader *loader, loader_record_fn fn, void *userdata);
int loader_on_urgent(struct loader *loader, loader_record_fn fn, void *userdata);
int loader_records_fd(const struct loader *loader);
int loader_urgent_fd(const struct loader *loader);
/* Hands over what is there; never blocks. One thread each. */
int loader_consume_records(struct loader *loader);
int loader_consume_urgent(struct loader *loader);

/*
 * Lets the kernel side follow a process that user space is about to signal: its delivery and
 * exit become records. Replaces an older entry.
 */
int loader_follow(struct loader *loader, pid_t pid, const struct apo_signalled *entry);

/* What the kernel side remembers of a process that was signalled. -ENOENT: nothing. */
int loader_followed(struct loader *loader, pid_t pid, struct apo_signalled *ret);

/* Accounts. -ENOENT: none of that key. */
int loader_guard_account(struct loader *loader, uint64_t cgroup_id, struct apo_guard *ret);
/* All of them, allocated; keys and values run in parallel. */
int loader_guards(struct loader *loader, uint64_t **ret_ids, struct apo_guard **ret, size_t *ret_n);
int loader_processes(struct loader *loader, uint32_t **ret_pids, struct apo_process **ret,
		     size_t *ret_n);
/* Counters, summed over CPUs. */
int loader_counters(struct loader *loader, uint64_t ret[APO_STATS]);

/*
 * What the recorder holds: weights of stacks of all spikes; a stack (-ENOENT: overwritten); and the
 * flight recorder's points about a limit from a time on, by time. Allocated.
 */
int loader_weights(struct loader *loader, struct apo_weight_key **ret_keys, struct apo_weight **ret,
		   size_t *ret_n);
int loader_stack(struct loader *loader, uint64_t key, struct apo_stack *ret);
int loader_points(struct loader *loader, uint64_t limit_cgroup, uint64_t from_ns,
		  struct apo_point **ret, size_t *ret_n);

/* What this kernel offers, the programs really loaded (and unloaded again). */
int loader_probe(struct loader_features *ret);

/*
 * Memory of a process, exact, and its pid in the initial PID namespace. pid is one of the PID
 * namespace with this inode (stat of /proc/self/ns/pid). -ESRCH: no such process.
 */
int loader_rss(pid_t pid, uint32_t pid_ns, uint32_t cpu_ids, struct apo_rss *ret);
