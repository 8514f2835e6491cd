/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps of the kernel side that user space reads or writes, as descriptors and as mapped data, with the
 * sizes that the kernel states for them: nothing here depends on who loaded the programs. For this room
 * only; the others say what they mean by source/source.h.
 *
 * Values of accounts are longer in the map than what user space knows of them, their beginning: what
 * follows is the kernel side's own. Functions return 0 or -errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "apoptosis/abi_profile.h"

enum map_id {			 /* key -> value, as user space knows it */
	      MAP_POLICIES = 0,	 /* __u32 id -> struct apo_policy */
	      MAP_GUARD_CGROUPS, /* __u64 cgroup id -> __u32 policy */
	      MAP_GUARD_ABOVE,	 /* the same */
	      MAP_PROFILED,	 /* struct apo_profiled_key -> __u32, enum apo_profiled */
	      MAP_HOST_WEIGHTS,	 /* struct apo_profiled_key -> __u32, thousandths */
	      MAP_DECLARED,	 /* __u32 tgid -> struct apo_declared */
	      MAP_GUARD_PIDS,	 /* __u32 tgid -> __u32 policy */
	      MAP_LIMITS,	 /* accounts: struct apo_limit_key -> struct apo_limit */
	      MAP_PROCESSES,	 /* accounts: __u32 tgid -> struct apo_process */
	      MAP_SIGNALLED,	 /* __u32 tgid -> struct apo_signalled */
	      MAP_LOANS,	 /* __u64 cgroup id -> struct apo_loan */
	      MAP_GAPS,		 /* struct apo_gap_key -> __u64 ns, when it was found last */
	      MAP_STATS,	 /* see maps_counters() */
	      MAP_STACKS,	 /* __u64 hash -> struct apo_stack */
	      MAP_WEIGHTS,	 /* struct apo_weight_key -> struct apo_weight */
	      MAP_PYTHONS,	 /* __u32 tgid -> struct apo_python */
	      MAP_PYTHON_CODES,	 /* struct apo_python_code_key -> struct apo_python_code */
	      MAP_USAGE_SAMPLES, /* see maps_usage_samples() */
	      MAP_RECORDS,	 /* ring buffer of the slow path */
	      MAP_URGENT,	 /* ring buffer of the responder */
	      MAPS,
};

struct maps;
struct bpf_object;

/*
 * Those of an object that is loaded; the object may be closed before them. -ENOENT: one is not there;
 * -EPROTO: keys or values of one are not of the size that we know.
 */
int maps_new(struct maps **ret, const struct bpf_object *object);
/* Those of no object: memory of ours (source/tables.h), which who looks reads and writes (source/looks.h). */
int maps_new_of_ours(struct maps **ret);
/* Takes NULL. Returns NULL. */
struct maps *maps_free(struct maps *maps);

/* Its descriptor, which stays ours; -1: they are of no object. */
int maps_fd(const struct maps *maps, enum map_id id);
/* How many entries it has room for. */
uint32_t maps_room(const struct maps *maps, enum map_id id);
/* The value of `.data.settings`, mapped: what is written there is in force at once. */
struct apo_settings *maps_settings(const struct maps *maps);
/* Makes every grant stale: whatever was put off is checked at its next event. */
void maps_recall_grants(const struct maps *maps);

/* Sets a value, in place of an older one. -E2BIG: the map is full. */
int maps_put(const struct maps *maps, enum map_id id, const void *key, const void *value);
/* The same, unless there is one. */
int maps_add(const struct maps *maps, enum map_id id, const void *key, const void *value);
/* -ENOENT: none of that key. */
int maps_delete(const struct maps *maps, enum map_id id, const void *key);
/* -ENOENT: none of that key. Nothing is allocated but for an account. */
int maps_get(const struct maps *maps, enum map_id id, const void *key, void *ret);
/*
 * All of a hash, allocated; keys and values run in parallel. Programs go on writing it meanwhile: each
 * bucket is of one moment, so that no entry comes twice; one that is added or deleted meanwhile
 * may be missed.
 */
int maps_copy(const struct maps *maps, enum map_id id, void **ret_keys, void **ret_values,
	      size_t *ret_n);

/* By enum apo_stat, summed over CPUs. */
int maps_counters(const struct maps *maps, uint64_t ret[APO_STATS]);
/* Of ours only: one more. */
void maps_count(const struct maps *maps, enum apo_stat stat);
/* The usage samples of a limit from a time on, by time. Allocated; NULL: there are none. */
int maps_usage_samples(const struct maps *maps, uint64_t limit_cgroup, uint64_t from_ns,
		       struct apo_usage_sample **ret, size_t *ret_n);
