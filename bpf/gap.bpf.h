/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Gaps: where a bound of ours is met, so that something is guarded less than it should be. Each is in the map
 * `gaps`, by cgroup, for the status; the slow path is told of one that is new, makes room if it can, and
 * says so in words.
 */
#pragma once

#include "maps.bpf.h"

/* A global function: verified once. */
__noinline int gap_note(__u64 cgroup_id, __u32 kind)
{
	struct apo_gap_key key = {.cgroup_id = cgroup_id, .kind = kind};
	__u64 now = bpf_ktime_get_ns(), *found_ns = bpf_map_lookup_elem(&gaps, &key);
	struct apo_gap_found *found;

	if (found_ns) {
		*found_ns = now;
		return 0;
	}
	if (bpf_map_update_elem(&gaps, &key, &now, BPF_NOEXIST)) {
		stat_add(APO_STAT_MAP_FULL);
		return 0;
	}
	any_gaps = 1;
	found = bpf_ringbuf_reserve(&records, sizeof(*found), 0);
	if (!found) { /* it is in the map all the same */
		stat_add(APO_STAT_LOST_RECORDS);
		return 0;
	}
	found->rec.type = APO_REC_GAP;
	found->rec.size = sizeof(*found);
	found->rec.policy = APO_POLICY_NONE;
	found->rec.generation = settings.generation;
	found->gap = key;
	bpf_ringbuf_submit(found, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* A global function: verified once, and its key is not on the stack of its callers. */
__noinline int gap_found_since(__u64 cgroup_id, __u32 kind, __u64 since_ns)
{
	struct apo_gap_key key = {.cgroup_id = cgroup_id, .kind = kind};
	__u64 *found_ns = any_gaps ? bpf_map_lookup_elem(&gaps, &key) : NULL;

	return found_ns && *found_ns >= since_ns;
}

/* The cgroup is gone. */
static __always_inline void gaps_forget(__u64 cgroup_id)
{
	struct apo_gap_key key = {.cgroup_id = cgroup_id};

	for (__u32 kind = 0; any_gaps && kind < APO_GAPS; kind++) {
		key.kind = kind;
		bpf_map_delete_elem(&gaps, &key);
	}
}
