/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source of all that is known about growth, as the other rooms see it: the BPF programs, loaded and
 * attached, what they are told, and the records and accounts that they keep. Only this room knows
 * libbpf and the maps.
 *
 * Order of use: new (opened and loaded, nothing attached), policies and guards, attach, read.
 * Everything the kernel side does ends with source_free(). Functions return 0 or -errno; new and
 * attach log in words what a user can do about it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi_profile.h"
#include "core/hooks.h"
#include "core/profiles.h"
#include "core/protection.h"
#include "core/status.h"

#define PINS_DIR_DEFAULT "/sys/fs/bpf/apoptosis"

struct source;
struct cgroup_tree;

struct source_config {
	uint64_t root_cgroup; /* id of the cgroup that paths begin at */
	bool memcg_v1;
	bool may_swap;	   /* vm.swappiness is not 0 */
	bool profiling;	   /* stacks of what grows, and samples of usage */
	bool ticks_stop;   /* on some CPUs, while one process runs: nohz_full */
	uint32_t cpu_ids;  /* highest possible CPU number + 1 */
	uint32_t node_ids; /* highest possible NUMA node number + 1 */
	/* Room for so many accounts of limits, and children of guarded processes; 0: as in bpf/. */
	uint32_t limits;
	uint32_t children;
	/* Of source_new_looking(); borrowed. */
	const struct cgroup_tree *tree;
	int proc_fd;
	/*
	 * Where the programs are kept if we end without a word, until the next start (source/pins.h); NULL: nowhere.
	 * Borrowed until source_new() is over.
	 */
	const char *pin_dir;
};

int source_new(struct source **ret, const struct source_config *config);
/*
 * The same without a kernel side: guarded are only cgroups and processes that are named, by looking at their limits
 * (source/looks.h). Pids are those of our own PID namespace. What follows of accounts of processes, stacks, gaps and
 * programs is empty, and what guards everything is refused: -EOPNOTSUPP.
 */
int source_new_looking(struct source **ret, const struct source_config *config);
bool source_is_looking(const struct source *source);
struct source *source_free(struct source *source);

/* id: below APO_MAX_POLICIES, here and below. */
int source_set_policy(struct source *source, uint32_t id, const struct apo_policy *policy);
/*
 * The policies and guards as they are now are of that generation, and in force from now on: what rested
 * on others is checked again.
 */
int source_set_generation(struct source *source, uint32_t generation);
/* What no other guard covers. */
int source_guard_all(struct source *source, uint32_t policy);
/* The cgroup and everything below it: who was found under another guard is looked at anew. -ENOSPC: too many guards. */
int source_guard_cgroup(struct source *source, uint64_t cgroup_id, uint32_t policy);
/* Nothing any more. */
void source_unguard_cgroup(struct source *source, uint64_t cgroup_id);
/* A cgroup that no guard covers, above one that the policy guards: who fills its limit is seen. */
int source_guard_above(struct source *source, uint64_t cgroup_id, uint32_t policy);
/* The machine's own memory as one more limit, of the root cgroup. */
struct source_host {
	uint32_t policy;
	uint64_t pages, available_pages;
};
/* Before attaching. */
int source_guard_host(struct source *source, const struct source_host *host);
bool source_guards_host(const struct source *source);
/* How much the growth of a command counts there, in thousandths. is_prefix: of all that begin so. -ENOSPC: too many. */
int source_weigh_command(struct source *source, const char *name, bool is_prefix, uint32_t weight);
/* From now on cgroups that are made are told of: APO_REC_CGROUP. */
void source_tell_cgroups(struct source *source);
/* The process and every child it forks from now on. pid: of the initial PID namespace. */
int source_guard_pid(struct source *source, pid_t pid, uint32_t policy);
/* Every child we fork from now on, not ourselves. */
int source_guard_children(struct source *source, uint32_t policy);

/* Whose stops and warnings the kernel side leaves to the responder. -ENOSPC: too many. */
int source_set_profiled(struct source *source, const struct profiles *profiles);

/*
 * What the owner of a process has declared about its stop; by nothing: nothing any more. pid: of the initial
 * PID namespace.
 */
int source_declare(struct source *source, pid_t pid, const struct apo_declared *entry);
/* -ENOENT: nothing is. Callable from the responder. */
int source_declared(struct source *source, pid_t pid, struct apo_declared *ret);

/*
 * How much swap is free, and where the kernel counts it (0: not known); again whenever swap is
 * turned on or off.
 */
void source_set_swap(struct source *source, uint64_t free_pages, uint64_t nr_swap_pages_address);

/*
 * Attaches what this kernel has, in the order of core/hooks.h: from here on guarded processes may be
 * signalled. Returns the triggers that got attached. What cannot be attached and is not needed is
 * logged and ignored. The growth trigger comes and goes from then on (source/arming.h).
 */
int source_attach(struct source *source, struct trigger_names *ret);

/*
 * What the programs of an earlier instance know and have recorded: who was signalled, and, by the function of
 * source_on_record(), what nobody has read. Before attaching, so that nobody is signalled twice.
 */
void source_adopt(struct source *source);
/* After attaching: those programs go, and what they have recorded until then is read, too. */
void source_replace_earlier(struct source *source);
/* We end, and the programs stay: they are to do by themselves what they would leave to us. */
void source_leave(struct source *source);
/* We do not end after all. */
void source_return(struct source *source);
/* Removes all programs that were kept there, of whichever instance. How many instances these were; -errno. */
int source_remove_kept(const char *pin_dir);

/* What the programs in use cost, as far as the kernel counts that. One thread. */
int source_cost(struct source *source, struct status_cost *ret);

/* Records, oldest first. The file descriptors become readable when there are some. */
typedef int (*source_record_fn)(const struct apo_record *record, void *userdata);
int source_on_record(struct source *source, source_record_fn fn, void *userdata);
int source_on_urgent(struct source *source, source_record_fn fn, void *userdata);
int source_records_fd(const struct source *source);
int source_urgent_fd(const struct source *source);
/* Hands over what is there; never blocks. One thread each. */
int source_consume_records(struct source *source);
int source_consume_urgent(struct source *source);

/*
 * Lets the kernel side follow a process that user space is about to signal: its delivery and
 * exit become records. Replaces an older entry.
 */
int source_follow(struct source *source, pid_t pid, const struct apo_signalled *entry);

/* A signal has been sent to who is followed: the kernel side, if there is one, has seen it. Callable from the responder. */
void source_on_sent(struct source *source, pid_t pid);
/* A child of ours has ended, with that status of wait(2): what the kernel side, if there is one, tells as well. */
void source_on_end(struct source *source, pid_t pid, int status);

/* What the kernel side remembers of a process that was signalled. -ENOENT: nothing. */
int source_followed(struct source *source, pid_t pid, struct apo_signalled *ret);

/*
 * What the kernel side is to know of a limit that is raised, or cannot be; NULL: nothing any more. -ENOSPC:
 * too many. Callable from the responder.
 */
int source_set_loan(struct source *source, uint64_t cgroup_id, const struct apo_loan *loan);
/* By how much the kernel side was told that the limit is raised. */
uint64_t source_lent_pages(struct source *source, uint64_t cgroup_id);

/* Accounts. -ENOENT: none of that key. */
int source_limit(struct source *source, const struct apo_limit_key *key, struct apo_limit *ret);
/* All of them, allocated; keys and values run in parallel. */
int source_limits(struct source *source, struct apo_limit_key **ret_keys, struct apo_limit **ret,
		  size_t *ret_n);
/* For how many there is room. */
uint32_t source_limits_room(const struct source *source);
/* It is made anew at the next check of its limit. */
void source_drop_limit(struct source *source, const struct apo_limit_key *key);
int source_processes(struct source *source, uint32_t **ret_pids, struct apo_process **ret,
		     size_t *ret_n);
/* Counters, summed over CPUs. */
int source_counters(struct source *source, uint64_t ret[APO_STATS]);

/* Gaps that the kernel side has found, allocated, and what it is to forget of them. */
int source_gaps(struct source *source, struct apo_gap_key **ret_keys, uint64_t **ret_found_ns,
		size_t *ret_n);
void source_drop_gap(struct source *source, const struct apo_gap_key *key);

/*
 * What the profiler holds: weights of stacks of all spikes; a stack (-ENOENT: overwritten); and the
 * usage samples of a limit from a time on, by time. Allocated.
 */
int source_weights(struct source *source, struct apo_weight_key **ret_keys, struct apo_weight **ret,
		   size_t *ret_n);
int source_stack(struct source *source, uint64_t key, struct apo_stack *ret);
/* -ENOENT: there is none, or none any more. */
int source_python_code(struct source *source, const struct apo_python_code_key *key,
		       struct apo_python_code *ret);
/* That a process runs CPython, from now on until it ends; NULL: that it does not. */
int source_set_python(struct source *source, uint32_t tgid, const struct apo_python *python);
/* As in apo_python; 0: it was not said that it runs any. */
uint32_t source_python_version(struct source *source, uint32_t tgid);
int source_usage_samples(struct source *source, uint64_t limit_cgroup, uint64_t from_ns,
			 struct apo_usage_sample **ret, size_t *ret_n);

/* What this kernel offers, the programs really loaded (and unloaded again). Logs nothing. */
int source_probe(struct kernel_features *ret);
