/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The memory controller as BPF can read it: which cgroup an address space is charged to, and how
 * far that cgroup and its ancestors are from their limits.
 *
 *   need     = usage - reclaimable       what cannot be given back
 *   headroom = limit - need + swap room
 *   room     = the same with limits as they are raised; what is lent is room - headroom
 *
 * usage and max are the kernel's own page counters: exact but for the per-CPU stock, which makes
 * usage at most 64 pages per CPU too high, never too low. reclaimable is the file LRU of the
 * whole subtree, without lag (tmpfs and shmem are on the anonymous lists and do not count), and
 * the slab that can be shrunk. Of a subtree that is too wide to be walked it is by statistics, which lag.
 */
#pragma once

#include "check.bpf.h"
#include "gap.bpf.h"

/* page_counter's "no limit" is LONG_MAX / PAGE_SIZE; so is anything from here on. */
#define LIMIT_NONE_PAGES (1ULL << 44)

#define LRU_LISTS 5 /* enum lru_list: inactive/active anon, inactive/active file, unevictable */
#define LRU_INACTIVE_FILE 2
#define LRU_ACTIVE_FILE 3
#define MAX_ZONES 6
#define MAX_NODES 64
#define MAX_GENS 4
#define GEN_TYPES 2 /* anon, file */

static __always_inline struct mem_cgroup *memcg_of_task(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct mem_cgroup *memcg = NULL;
	__u32 id = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);

	if (set) /* struct mem_cgroup starts with its css */
		bpf_probe_read_kernel(&memcg, sizeof(memcg),
				      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
					      id * sizeof(void *));
	return memcg;
}

static __always_inline __u64 memcg_id(struct mem_cgroup *memcg)
{
	return BPF_CORE_READ(memcg, css.cgroup, kn, id);
}

/* Global functions of one number: a loop around them has one path, and no stack of its own. */
__noinline __u64 memcg_id_at(__u64 memcg_address)
{
	return memcg_id((void *)memcg_address);
}

/* 0: it is the root. */
__noinline __u64 memcg_above(__u64 memcg_address)
{
	struct mem_cgroup *memcg = (void *)memcg_address;

	return (__u64)BPF_CORE_READ(memcg, css.parent);
}

__noinline int gap_note_memcg(__u64 memcg_address, __u32 kind)
{
	return gap_note(memcg_id((void *)memcg_address), kind);
}

/* The next to be charged; 0: there is none. */
__noinline __u64 memcg_charged_above(__u64 memcg_address)
{
	struct mem_cgroup *memcg = (void *)memcg_address;
	struct page_counter *parent = BPF_CORE_READ(memcg, memory.parent);

	/* Not css.parent: v1 without use_hierarchy charges no ancestor. */
	return parent ? (__u64)parent - bpf_core_field_offset(struct mem_cgroup, memory) : 0;
}

/*
 * Pages on the LRU lists, two sums in one number because a global function returns one: file
 * pages in the low half, all others (anonymous, shmem, unevictable) in the high half.
 */
#define LRU_OTHER 32
#define lru_file(pages) ((__u64)(__u32)(pages))
#define lru_other(pages) ((__u64)(pages) >> LRU_OTHER)

/*
 * Both sums for one node of one cgroup, without its descendants. Global functions: two small stack
 * frames, and not inlined into a loop, see verifier_branch().
 */
__noinline __u64 node_lru_pages(__u64 node_address)
{
	__u32 bytes = 0, zones;
	__u64 sum = 0;
	void *sizes = compat_lru_sizes((void *)node_address, &bytes);

	if (!sizes)
		return 0;
	zones = bytes / (LRU_LISTS * sizeof(__u64));
	for (__u32 zone = 0; zone < MAX_ZONES && zone < zones; zone++) {
		__u64 pages[LRU_LISTS] = {};

		bpf_probe_read_kernel(pages, sizeof(pages), sizes + zone * sizeof(pages));
		for (__u32 list = 0; list < LRU_LISTS; list++)
			sum += list == LRU_INACTIVE_FILE || list == LRU_ACTIVE_FILE
				       ? pages[list]
				       : pages[list] << LRU_OTHER;
	}
	return sum;
}

/* With MGLRU the classic lists stay empty; it can be toggled, so both are added. */
__noinline __u64 node_gen_pages(__u64 node_address)
{
	__u32 bytes = 0;
	__u64 sum = 0;
	void *sizes = compat_gen_sizes((void *)node_address, &bytes);

	if (!sizes)
		return 0;
	bytes /= MAX_GENS * GEN_TYPES; /* of all zones */
	if (bytes > MAX_ZONES * sizeof(__u64))
		bytes = MAX_ZONES * sizeof(__u64);
	for (__u32 i = 0; i < MAX_GENS * GEN_TYPES; i++, sizes += bytes) {
		__u64 pages[MAX_ZONES] = {}, all = 0;

		bpf_probe_read_kernel(pages, bytes, sizes);
		for (__u32 zone = 0; zone < MAX_ZONES; zone++)
			all += (__s64)pages[zone] > 0 ? pages[zone] : 0; /* may dip below zero */
		sum += i % GEN_TYPES ? all : all << LRU_OTHER;
	}
	return sum;
}

/* Both sums for one cgroup, without its descendants. A global function: verified once. */
__noinline __u64 memcg_lru_pages(__u64 memcg_address)
{
	struct mem_cgroup *memcg = (void *)memcg_address;
	__u64 sum = 0;

	for (__u32 i = 0; i < MAX_NODES && i < nr_nodes; i++) {
		__u64 node = 0;

		bpf_probe_read_kernel(&node, sizeof(node),
				      (void *)memcg +
					      bpf_core_field_offset(struct mem_cgroup, nodeinfo) +
					      i * sizeof(void *));
		if (node)
			sum += node_lru_pages(node) + node_gen_pages(node);
	}
	return sum;
}

#define SUBTREE_STRIDE 32 /* cgroups per part: APO_MAX_SUBTREE is a multiple of it */

/*
 * The walk over a subtree, in pre-order over the css lists: the next css, or 0 at the end. The
 * lists are RCU-protected and the program runs inside an RCU section; a concurrent change can at
 * worst end the walk early. This function and the next two are global and return one number each,
 * so that the verifier goes through each loop once and not through every path of all of them.
 */
__noinline __u64 subtree_next(__u64 cursor, __u64 root)
{
	struct cgroup_subsys_state *css = (void *)cursor, *parent = css;
	struct list_head *next = BPF_CORE_READ(css, children.next);

	for (__u32 i = 0; i < APO_MAX_DEPTH && next && parent; i++) {
		if ((void *)next !=
		    (void *)parent + bpf_core_field_offset(struct cgroup_subsys_state, children))
			return (__u64)next -
			       bpf_core_field_offset(struct cgroup_subsys_state, sibling);
		if ((__u64)parent == root) /* all of its children are done */
			break;
		css = parent;
		next = BPF_CORE_READ(css, sibling.next);
		parent = BPF_CORE_READ(css, parent);
	}
	return 0;
}

/* The sum of one part of the walk, from the cursor on. */
__noinline __u64 subtree_part_lru_pages(__u64 cursor, __u64 root)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < SUBTREE_STRIDE && cursor; i++) {
		sum += memcg_lru_pages(cursor);
		cursor = subtree_next(cursor, root);
	}
	return sum;
}

/* The cursor where the next part begins; 0 at the end. */
__noinline __u64 subtree_part_end(__u64 cursor, __u64 root)
{
	for (__u32 i = 0; i < SUBTREE_STRIDE && cursor; i++)
		cursor = subtree_next(cursor, root);
	return cursor;
}

/*
 * Both sums for a cgroup and all its descendants, by its statistics. These lag by up to 2 s, unless
 * memory.stat is read. A global function: verified once.
 */
__noinline __u64 memcg_stat_lru_pages(__u64 memcg_address)
{
	void *stats = compat_memcg_stats((void *)memcg_address);
	__s64 pages[LRU_LISTS] = {};
	__u64 sum = 0;

	if (!stats)
		return 0;
	bpf_probe_read_kernel(pages, sizeof(pages), stats);
	for (__u32 list = 0; list < LRU_LISTS; list++) {
		__u64 some = pages[list] > 0 ? pages[list] : 0; /* may dip below zero */

		sum += list == LRU_INACTIVE_FILE || list == LRU_ACTIVE_FILE ? some
									    : some << LRU_OTHER;
	}
	return sum;
}

#define WIDE_NS (10 * NSEC_PER_SEC) /* then it is walked again: it may be narrower */

/* A walk was cut of late: what is known of its page cache lags. */
static __always_inline bool is_wide(__u64 memcg_address)
{
	return any_gaps && gap_found_since(memcg_id((void *)memcg_address), APO_GAP_WIDE,
					   bpf_ktime_get_ns() - WIDE_NS);
}

/*
 * Both sums for a cgroup and all its descendants: exact up to APO_MAX_SUBTREE of these, else by
 * statistics.
 */
__noinline __u64 memcg_subtree_lru_pages(__u64 memcg_address)
{
	__u64 sum, cursor;

	if (nr_nodes > MAX_NODES || is_wide(memcg_address))
		return memcg_stat_lru_pages(memcg_address);
	sum = memcg_lru_pages(memcg_address);
	cursor = subtree_next(memcg_address, memcg_address);
	for (__u32 i = 0; i < APO_MAX_SUBTREE / SUBTREE_STRIDE; i++) {
		if (!cursor)
			return sum;
		sum += subtree_part_lru_pages(cursor, memcg_address);
		cursor = subtree_part_end(cursor, memcg_address);
	}
	if (!cursor)
		return sum;
	stat_add(APO_STAT_SUBTREE_CUT);
	gap_note_memcg(memcg_address, APO_GAP_WIDE);
	return memcg_stat_lru_pages(memcg_address);
}

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

/*
 * Slab caches the kernel can shrink (dentries, inodes), of the whole subtree. The counter is
 * brought up to date every 2 s, or when memory.stat is read: see kernel_pages().
 */
static __always_inline __u64 slab_reclaimable_pages(struct mem_cgroup *memcg)
{
	void *stats = compat_memcg_stats(memcg);
	__s64 bytes = 0;

	if (stats)
		bpf_probe_read_kernel(&bytes, sizeof(bytes),
				      stats + STAT_SLAB_RECLAIMABLE * sizeof(bytes));
	return bytes > 0 ? (__u64)bytes >> page_shift : 0;
}

/*
 * What a cgroup's usage has beyond the LRU lists: kernel memory, of which some may be slab that
 * can be shrunk and is not counted as such yet. A global function, which takes no stack of its caller.
 */
__noinline __u64 kernel_pages(__u64 memcg_address, __u64 usage)
{
	__u64 lru = memcg_subtree_lru_pages(memcg_address);
	__u64 known =
		lru_file(lru) + lru_other(lru) + slab_reclaimable_pages((void *)memcg_address);

	return usage > known ? usage - known : 0;
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

/* What is left of pages that count as reclaimable when reclaim has tried. */
__noinline __u64 without_pinned(__u64 memcg_address, __u64 pages)
{
	const struct pinned *entry;
	__u64 id;

	if (!any_pinned)
		return pages;
	id = memcg_id((void *)memcg_address);
	entry = bpf_map_lookup_elem(&pinned, &id);
	if (!entry || bpf_ktime_get_ns() > entry->until_ns)
		return pages;
	return pages > entry->pages ? pages - entry->pages : 0;
}

/* What of a cgroup and all below it counts as reclaimable. A global function of numbers. */
__noinline __u64 reclaimable_pages(__u64 memcg_address)
{
	return lru_file(memcg_subtree_lru_pages(memcg_address)) +
	       slab_reclaimable_pages((void *)memcg_address);
}

#define PINNED_NS (2 * NSEC_PER_SEC)

/* Reclaim below a limit that is raised gave nothing back: what counts as reclaimable is not. */
__noinline int pinned_note(__u64 memcg_address)
{
	__u64 id = memcg_id_at(memcg_address);
	struct pinned entry = {
		.pages = reclaimable_pages(memcg_address),
		.until_ns = bpf_ktime_get_ns() + PINNED_NS,
	};

	if (bpf_map_update_elem(&pinned, &id, &entry, BPF_ANY))
		stat_add(APO_STAT_MAP_FULL);
	any_pinned = 1;
	return 0;
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
		reclaimable = without_pinned(memcg_address, reclaimable_pages(memcg_address));
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
	reading->swap_binds = swap_binds;
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
