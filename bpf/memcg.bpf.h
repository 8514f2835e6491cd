/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The memory controller as BPF can read it: how far a cgroup and its ancestors are from their limits.
 *
 *   need     = usage - reclaimable       what cannot be given back
 *   headroom = limit - need + swap room
 *   room     = the same with limits as they are raised; what is lent is room - headroom
 *
 * usage and max are the kernel's own page counters: exact but for the per-CPU stock, which makes
 * usage at most 64 pages per CPU too high, never too low. What is reclaimable: reclaimable.bpf.h.
 */
#pragma once

#include "reclaimable.bpf.h"

static __always_inline void counter_read(struct page_counter *counter, __s64 *ret_usage,
					 __u64 *ret_max)
{
	*ret_usage = BPF_CORE_READ(counter, usage.counter);
	*ret_max = BPF_CORE_READ(counter, max);
}

/* Free swap of the machine: exact, or else what was free less what this cgroup has in it. */
static __always_inline __u64 machine_swap_pages(struct mem_cgroup *memcg)
{
	__s64 pages = 0;

	if (settings.nr_swap_pages_address)
		bpf_probe_read_kernel(&pages, sizeof(pages),
				      (void *)settings.nr_swap_pages_address);
	else if (!settings.swap_pages)
		return 0;
	else if (memcg_v1)
		pages = settings.swap_pages - (BPF_CORE_READ(memcg, memsw.usage.counter) -
					       BPF_CORE_READ(memcg, memory.usage.counter));
	else
		pages = settings.swap_pages - BPF_CORE_READ(memcg, swap.usage.counter);
	return pages > 0 ? pages : 0;
}

/* permyriad / 10000 of a number of pages, rounded down, without overflow. */
static __always_inline __u64 portion_of(__u64 pages, __u32 permyriad)
{
	return pages / 10000 * permyriad + pages % 10000 * permyriad / 10000;
}

/* The line of a policy for a limit, pages. */
static __always_inline __u64 reserve_of(const struct apo_policy *policy, __u64 limit_pages)
{
	__u64 reserve = portion_of(limit_pages, policy->reserve_permyriad);

	if (policy->reserve_pages)
		return policy->reserve_pages;
	if (policy->reserve_max_pages && reserve > policy->reserve_max_pages)
		return policy->reserve_max_pages;
	return reserve;
}

#define CHARGE_BATCH_PAGES 64

#define HEADROOM_NONE ((__s64)(APO_UNLIMITED >> 1)) /* no limit */

/* NULL: user space has said nothing of this limit. */
static __always_inline const struct apo_loan *loan_find(struct mem_cgroup *memcg)
{
	__u64 id;

	if (!settings.loans)
		return NULL;
	id = memcg_id(memcg);
	return bpf_map_lookup_elem(&loans, &id);
}

/* What matters of that in one number. A global function: verified once. */
#define LOAN_IMPOSSIBLE 1
#define LOAN_REFUSED 2 /* for now */
#define LOAN_WAS_ALL 4
#define LOAN_RAISED 8
#define LOAN_POSSIBLE 16 /* by the policy too: nobody is signalled before */
#define LOAN_URGENT 32	 /* reclaim at the limit gave nothing back */
#define LOAN_REARM 64	 /* the trips so far are over, and need is still beyond the limit */
#define LOAN_STALLED 128 /* what reclaim drops at the limit is read again at once */

__noinline __u32 loan_state(__u64 memcg_address, __u64 now, __u64 tripped_ns)
{
	const struct apo_loan *loan = loan_find((void *)memcg_address);
	__u32 state = 0;

	if (!loan)
		return 0;
	if (loan->impossible)
		state |= LOAN_IMPOSSIBLE;
	if (now < loan->refused_until_ns)
		state |= LOAN_REFUSED;
	if (loan->was_all)
		state |= LOAN_WAS_ALL;
	if (loan->limit_pages != APO_UNLIMITED)
		state |= LOAN_RAISED;
	if (loan->rearm_ns > tripped_ns)
		state |= LOAN_REARM;
	return state;
}

/*
 * Whether a limit is above what its owner has set: it is raised; or it was, and cannot be put back as yet, so that
 * nothing more is lent until it is. A global function: verified once.
 */
__noinline __u32 is_lifted(__u64 memcg_address)
{
	const struct apo_loan *loan = loan_find((void *)memcg_address);

	return loan &&
	       (loan->limit_pages != APO_UNLIMITED || loan->refused_until_ns == APO_UNLIMITED);
}

/*
 * The limit of one cgroup itself, and what counts against it; false: it has none. A limit that is
 * raised is read as it was, but for `raised`.
 */
static __always_inline bool limit_read(struct mem_cgroup *memcg, bool raised, __s64 *ret_usage,
				       __u64 *ret_limit, __u64 *swap, bool *ret_swap_binds)
{
	const struct apo_loan *loan = raised ? NULL : loan_find(memcg);

	*ret_swap_binds = false;
	counter_read((void *)memcg + bpf_core_field_offset(struct mem_cgroup, memory), ret_usage,
		     ret_limit);
	if (loan && loan->limit_pages < *ret_limit && *ret_limit <= loan->raised_pages)
		*ret_limit = loan->limit_pages;
	if (memcg_v1) { /* memory and swap together may have the nearer limit */
		__s64 both_usage;
		__u64 both_limit;

		counter_read((void *)memcg + bpf_core_field_offset(struct mem_cgroup, memsw),
			     &both_usage, &both_limit);
		if (loan && loan->both_pages < both_limit && both_limit <= loan->both_raised_pages)
			both_limit = loan->both_pages;
		if (both_limit < LIMIT_NONE_PAGES &&
		    (__s64)(both_limit - both_usage) < (__s64)(*ret_limit - *ret_usage + *swap)) {
			*ret_usage = both_usage;
			*ret_limit = both_limit;
			*ret_swap_binds = true;
			*swap = 0;
		}
	}
	return *ret_limit < LIMIT_NONE_PAGES;
}

/* Whether the next batch of pages does not fit below the limit of one cgroup itself, raised or not. */
__noinline __u32 is_reached(__u64 memcg_address)
{
	__s64 usage = 0;
	__u64 limit = 0, swap = 0;
	bool swap_binds;

	return limit_read((void *)memcg_address, true, &usage, &limit, &swap, &swap_binds) &&
	       usage + CHARGE_BATCH_PAGES > (__s64)limit;
}

/* The limit that charges of a cgroup meet: the nearest that is reached. 0: none. */
__noinline __u64 limit_reached(__u64 memcg_address)
{
	__u64 memcg = memcg_address;

	for (__u32 i = 0; i < APO_MAX_DEPTH && memcg; i++, memcg = memcg_charged_above(memcg))
		if (is_reached(memcg))
			return memcg;
	return 0;
}

/* Within the swap limit of one cgroup itself (v2). */
__noinline __u64 swap_room_of(__u64 memcg_address, __u64 room)
{
	struct mem_cgroup *memcg = (void *)memcg_address;
	__s64 usage, left;
	__u64 max;

	counter_read((void *)memcg + bpf_core_field_offset(struct mem_cgroup, swap), &usage, &max);
	left = (__s64)max - usage;
	if (left <= 0)
		return 0;
	return (__u64)left < room ? (__u64)left : room;
}

/* Room in swap for this cgroup: what the machine has, within every ancestor's swap limit (v2). */
__noinline __u64 swap_room(__u64 memcg_address)
{
	struct mem_cgroup *memcg = (void *)memcg_address;
	__u64 room = may_swap ? machine_swap_pages(memcg) : 0, at = memcg_address;

	if (room && memcg_v1 && compat_never_swaps(memcg))
		return 0;
	if (memcg_v1)
		return room;
	for (__u32 i = 0; i < APO_MAX_DEPTH && at && room; i++, at = memcg_charged_above(at))
		room = swap_room_of(at, room);
	return room;
}

/*
 * A step of the way up: what the limit of one cgroup leaves, where that is less than any below does. Page cache
 * is summed only where usage alone leaves less than half the limit.
 */
__noinline int walk_level(__u32 key, __u64 memcg_address, __u64 swap_pages)
{
	struct mem_cgroup *memcg = (void *)memcg_address;
	struct check *check = check_of(key);
	__u64 limit = 0, raised = 0, swap = swap_pages, raised_swap = swap_pages, reclaimable = 0;
	__s64 usage = 0, raised_usage = 0, headroom, room;
	struct apo_reading *reading;
	bool swap_binds, ignored;

	if (!check || !limit_read(memcg, false, &usage, &limit, &swap, &swap_binds))
		return 0;
	reading = &check->reading;
	room = headroom = (__s64)limit - usage + (__s64)swap;
	if (settings.loans)
		room = limit_read(memcg, true, &raised_usage, &raised, &raised_swap, &ignored)
			       ? (__s64)raised - raised_usage + (__s64)raised_swap
			       : HEADROOM_NONE;
	if (headroom >= reading->headroom_pages && room >= check->room_pages)
		return 0;
	if (headroom < (__s64)(limit / 2)) {
		reclaimable = without_pinned(memcg_address,
					     reclaimable_pages_about(key, memcg_address, headroom));
		headroom += reclaimable;
		room += reclaimable;
	}
	if (room < check->room_pages)
		check->room_pages = room;
	if (headroom >= reading->headroom_pages)
		return 0;
	check->binding = memcg;
	reading->headroom_pages = headroom;
	reading->limit_pages = limit;
	reading->usage_pages = usage;
	reading->reclaimable_pages = reclaimable;
	reading->swap_pages = swap;
	reading->limit_kind = swap_binds ? APO_LIMIT_BOTH : APO_LIMIT_MEMORY;
	return 0;
}

/*
 * The binding limit of a cgroup: least headroom over it and its ancestors, and the cgroup it
 * belongs to; and how far it can grow with limits as they are raised: the kernel kills where that
 * ends. False, and limit_pages APO_UNLIMITED, where there is none. Of a new check; the caller sets
 * reserve_pages.
 */
static __always_inline bool memcg_read(struct check *check, struct mem_cgroup *memcg)
{
	struct apo_reading *reading = &check->reading;
	__u64 swap = swap_room((__u64)memcg), at = (__u64)memcg;

	reading->limit_pages = APO_UNLIMITED;
	reading->headroom_pages = check->room_pages = HEADROOM_NONE;
	for (__u32 i = 0; i < APO_MAX_DEPTH && at; i++, at = memcg_charged_above(at))
		walk_level(check->key, at, swap);
	if (at) /* limits above these are not seen */
		gap_note_memcg((__u64)memcg, APO_GAP_DEEP);
	if (!check->binding)
		return false;
	reading->limit_cgroup = memcg_id(check->binding);
	if (check->room_pages > reading->headroom_pages)
		reading->lent_pages = (__u32)(check->room_pages - reading->headroom_pages);
	return true;
}
