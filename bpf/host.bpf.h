/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The machine's own memory as one more limit, of the root cgroup, where user space asks for that: what there is
 * but for what the kernel keeps back, of which what is free counts as not used, and page cache and slab that can be
 * dropped as reclaimable: headroom is MemAvailable, and free swap. It binds where it leaves less than the limits of
 * the cgroups do. It cannot be raised.
 *
 * Whom the kernel would kill is decided by oom_score_adj too, and so it is here, see host_weight().
 */
#pragma once

#include "memcg.bpf.h"

static __always_inline bool host_is_limit(void)
{
	return settings.host_policy < APO_MAX_POLICIES;
}

static __always_inline __u64 pages_counted(void *counters, __u32 item)
{
	__s64 pages = 0;

	bpf_probe_read_kernel(&pages, sizeof(pages), counters + item * sizeof(pages));
	return pages > 0 ? pages
			 : 0; /* CPUs keep some to themselves: it may seem to be less than none */
}

/*
 * What is free in the low half, what can be dropped in the high half: of one node of the machine, which each cgroup
 * leads to. Global functions: verified once.
 */
#define HOST_DROPPABLE 32

/* Some kernels hand memory to a zone only when it is needed: there that is as good as free, see host_calibrate(). */
__noinline __u64 host_zone_pages(__u64 zone_address)
{
	struct zone *zone = (void *)zone_address;
	__u64 present = 0, managed = 0;

	if (settings.host_zones_grow) {
		present = BPF_CORE_READ(zone, present_pages);
		managed = BPF_CORE_READ(zone, managed_pages.counter);
	}
	return pages_counted((void *)zone + bpf_core_field_offset(struct zone, vm_stat),
			     bpf_core_enum_value(enum zone_stat_item, NR_FREE_PAGES)) +
	       (present > managed ? present - managed : 0);
}

__noinline __u64 host_node_pages(__u64 memcg_node_address)
{
	struct mem_cgroup_per_node *memcg_node = (void *)memcg_node_address;
	struct pglist_data *node = BPF_CORE_READ(memcg_node, lruvec.pgdat);
	void *zones, *counters;
	__u64 pages = 0;

	if (!node)
		return 0;
	zones = (void *)node + bpf_core_field_offset(struct pglist_data, node_zones);
	for (__u32 i = 0; i < MAX_ZONES && i < bpf_core_field_size(struct pglist_data, node_zones) /
							   bpf_core_type_size(struct zone);
	     i++)
		pages += host_zone_pages((__u64)(zones + i * bpf_core_type_size(struct zone)));
	counters = (void *)node + bpf_core_field_offset(struct pglist_data, vm_stat);
	return pages +
	       ((pages_counted(counters,
			       bpf_core_enum_value(enum node_stat_item, NR_INACTIVE_FILE)) +
		 pages_counted(counters, bpf_core_enum_value(enum node_stat_item, NR_ACTIVE_FILE)) +
		 pages_counted(counters,
			       bpf_core_enum_value(enum node_stat_item, NR_SLAB_RECLAIMABLE_B)) +
		 pages_counted(counters, bpf_core_enum_value(enum node_stat_item,
							     NR_KERNEL_MISC_RECLAIMABLE)))
		<< HOST_DROPPABLE);
}

__noinline __u64 host_pages(__u64 memcg_address)
{
	__u64 pages = 0;

	for (__u32 i = 0; i < MAX_NODES && i < nr_nodes; i++) {
		__u64 node = memcg_node(memcg_address, i);

		if (node)
			pages += host_node_pages(node);
	}
	return pages;
}

/* What is free of that, without what the kernel keeps back. */
static __always_inline __s64 host_free(__u64 pages)
{
	return (__s64)(__u32)pages - settings.host_kept_pages;
}

/*
 * User space has said how much is available, as MemAvailable has it: what there is more is what the kernel keeps
 * back, of what is free, for its reserves, and of what could be dropped. What zones have not been given counts
 * only where there would be less: else it is the kernel's for good, or has been taken by a balloon.
 */
static __always_inline __u64 host_counted(__u64 memcg_address)
{
	__u64 pages = host_pages(memcg_address);

	return (__u32)pages + (pages >> HOST_DROPPABLE);
}

static __always_inline void host_calibrate(__u64 memcg_address)
{
	__u64 counted;

	settings.host_zones_grow = 0;
	counted = host_counted(memcg_address);
	if (counted < settings.host_available_pages) { /* by what zones are still to get */
		settings.host_zones_grow = 1;
		counted = host_counted(memcg_address);
	}
	settings.host_kept_pages = (__s64)counted - (__s64)settings.host_available_pages;
}

/* The one that is above a cgroup, or it. A global function: verified once. */
__noinline __u64 memcg_root(__u64 memcg_address)
{
	__u64 root = memcg_address, above;

	for (__u32 i = 0; i < APO_MAX_DEPTH; i++) {
		above = memcg_above(root);
		if (!above)
			break;
		root = above;
	}
	return root;
}

/* The last step of the way up from a cgroup: what the machine leaves. A global function: verified once. */
__noinline int host_level(__u32 key, __u64 memcg_address)
{
	struct check *check = check_of(key);
	__u64 pages, swap, reclaimable;
	struct apo_reading *reading;
	__s64 headroom, used;

	if (!check || !host_is_limit())
		return 0;
	reading = &check->reading;
	swap = may_swap ? machine_swap_pages((void *)memcg_address) : 0;
	pages = host_pages(memcg_address);
	reclaimable = pages >> HOST_DROPPABLE;
	used = (__s64)settings.host_pages - host_free(pages);
	headroom = (__s64)(settings.host_pages + reclaimable + swap) - used;
	if (headroom >= reading->headroom_pages)
		return 0;
	check->binding = (void *)memcg_root(memcg_address);
	check->is_host = true;
	check->room_pages = headroom;
	reading->headroom_pages = headroom;
	reading->limit_pages = settings.host_pages;
	reading->usage_pages = used > 0 ? used : 0;
	reading->reclaimable_pages = reclaimable;
	reading->swap_pages = swap;
	reading->limit_kind = APO_LIMIT_HOST;
	reading->limit_cgroup = memcg_id(check->binding);
	reading->lent_pages = 0;
	return 0;
}

/* The limit that binds a cgroup, that of the machine included. As memcg_read(). */
static __always_inline bool limits_read(struct check *check, struct mem_cgroup *memcg)
{
	memcg_read(check, memcg);
	if (host_is_limit())
		host_level(check->key, (__u64)memcg);
	return check->binding;
}

#define HOST_WEIGHT 1000 /* as much as any other; 0: never */

/*
 * How much the growth of a process counts where the machine's memory binds: as its command, which is what it calls
 * itself now, is preferred or avoided, and by its oom_score_adj from nothing (-1000) to twice as much (1000).
 */
static __noinline __u32 host_weight(struct task_struct *owner)
{
	struct task_struct *leader = BPF_CORE_READ(owner, group_leader);
	struct apo_profiled_key key = {.bits = 8 * sizeof(key.comm)};
	const __u32 *weight;
	__s64 adjusted = HOST_WEIGHT + (__s64)BPF_CORE_READ(owner, signal, oom_score_adj);

	bpf_probe_read_kernel(key.comm, sizeof(key.comm), &leader->comm);
	weight = bpf_map_lookup_elem(&host_weights, &key);
	return adjusted > 0 ? (__u64)adjusted * (weight ? *weight : HOST_WEIGHT) / HOST_WEIGHT : 0;
}
