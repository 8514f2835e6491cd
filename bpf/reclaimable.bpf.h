/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Which cgroup an address space is charged to, and what the kernel can take back of a cgroup and all below it:
 * the file LRU of the whole subtree, without lag (tmpfs and shmem are on the anonymous lists and do not
 * count), and the slab that can be shrunk, but for what reclaim has tried to take back in vain.
 *
 * Of a subtree of more than APO_MAX_SUBTREE cgroups it is by statistics, which lag. Of one that takes long to
 * walk each CPU uses its last sum for as long as that can hide nothing, see subtree_sum_holds().
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

/* What a cgroup has of a node; 0: nothing. */
static __always_inline __u64 memcg_node(__u64 memcg_address, __u32 number)
{
	__u64 node = 0;

	bpf_probe_read_kernel(&node, sizeof(node),
			      (void *)memcg_address +
				      bpf_core_field_offset(struct mem_cgroup, nodeinfo) +
				      number * sizeof(void *));
	return node;
}

/* Both sums for one cgroup, without its descendants. A global function: verified once. */
__noinline __u64 memcg_lru_pages(__u64 memcg_address)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < MAX_NODES && i < nr_nodes; i++) {
		__u64 node = memcg_node(memcg_address, i);

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

/* Adds one part of the walk, from the cursor on, to a check's sum. Where the next part begins; 0 at the end. */
__noinline __u64 subtree_part(__u32 key, __u64 cursor, __u64 root)
{
	struct check *check = check_of(key);

	for (__u32 i = 0; i < SUBTREE_STRIDE && cursor && check; i++) {
		check->lru += memcg_lru_pages(cursor);
		cursor = subtree_next(cursor, root);
	}
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

/* What this CPU last summed of that cgroup, or of another one with the same hash. */
static __always_inline struct subtree_sum *subtree_sum_of(__u64 memcg_address)
{
	__u32 key = bpf_get_smp_processor_id() * SUBTREE_SUMS_PER_CPU +
		    (memcg_address * 0x9e3779b97f4a7c15ULL >> (64 - SUBTREE_SUMS_SHIFT));

	return bpf_map_lookup_elem(&subtree_sums, &key);
}

static __always_inline void subtree_sum_keep(__u64 memcg_address, __u64 lru)
{
	struct subtree_sum *sum = subtree_sum_of(memcg_address);

	if (!sum)
		return;
	if (sum->memcg != memcg_address) {
		sum->memcg = 0;			    /* a tick may come in between */
		sum->line_pages = LIMIT_NONE_PAGES; /* not known yet: it is not used */
	}
	sum->lru = lru;
	sum->summed_ns = bpf_ktime_get_ns();
	sum->memcg = memcg_address;
}

/*
 * Both sums for a cgroup and all its descendants: exact up to APO_MAX_SUBTREE of these, else by
 * statistics. Of what takes more than one part this CPU keeps the sum.
 */
__noinline __u64 memcg_subtree_lru_pages(__u32 key, __u64 memcg_address)
{
	struct check *check = check_of(key);
	__u64 cursor;

	if (nr_nodes > MAX_NODES || !check || is_wide(memcg_address))
		return memcg_stat_lru_pages(memcg_address);
	check->lru = memcg_lru_pages(memcg_address);
	cursor = subtree_next(memcg_address, memcg_address);
	if (cursor)
		cursor = subtree_part(key, cursor, memcg_address);
	if (!cursor)
		return check->lru;
	for (__u32 i = 1; i < APO_MAX_SUBTREE / SUBTREE_STRIDE && cursor; i++)
		cursor = subtree_part(key, cursor, memcg_address);
	if (!cursor) {
		subtree_sum_keep(memcg_address, check->lru);
		return check->lru;
	}
	stat_add(APO_STAT_SUBTREE_CUT);
	gap_note_memcg(memcg_address, APO_GAP_WIDE);
	return memcg_stat_lru_pages(memcg_address);
}

#define GROWTH_CPUS 16	 /* more of them share the memory's own speed */
#define GROWTH_SHIFT 3	 /* bytes that a CPU fills in a nanosecond at most, log2: 8 GiB/s */
#define SUM_PART_SHIFT 2 /* of what is left to twice the line: what may have changed since */

/*
 * Whether a sum may still be used. Page cache may have been dropped since, and its place taken by what cannot
 * be: by no more than all CPUs can fill in that time. While that is a quarter at most of what is left until
 * twice the line, grants, which add up to half of the distance to the line, end before it all the same.
 */
static __always_inline bool subtree_sum_holds(const struct subtree_sum *sum, __s64 headroom)
{
	__s64 left = headroom + (__s64)lru_file(sum->lru) - 2 * (__s64)sum->line_pages;
	__u64 elapsed = bpf_ktime_get_ns() - sum->summed_ns;
	__u64 cpus = nr_cpus < GROWTH_CPUS ? nr_cpus : GROWTH_CPUS;

	return left > 0 && elapsed < NSEC_PER_SEC &&
	       (elapsed * cpus << (GROWTH_SHIFT + SUM_PART_SHIFT)) >> page_shift < (__u64)left;
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
__noinline __u64 kernel_pages(__u32 key, __u64 memcg_address, __u64 usage)
{
	__u64 lru = memcg_subtree_lru_pages(key, memcg_address);
	__u64 known =
		lru_file(lru) + lru_other(lru) + slab_reclaimable_pages((void *)memcg_address);

	return usage > known ? usage - known : 0;
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

/* What of a cgroup and all below it counts as reclaimable. */
static __always_inline __u64 reclaimable_pages(__u32 key, __u64 memcg_address)
{
	return lru_file(memcg_subtree_lru_pages(key, memcg_address)) +
	       slab_reclaimable_pages((void *)memcg_address);
}

/* The same, or nearly, where usage alone leaves that headroom. */
static __always_inline __u64 reclaimable_pages_about(__u32 key, __u64 memcg_address, __s64 headroom)
{
	const struct subtree_sum *sum = subtree_sum_of(memcg_address);

	if (sum && sum->memcg == memcg_address && subtree_sum_holds(sum, headroom))
		return lru_file(sum->lru) + slab_reclaimable_pages((void *)memcg_address);
	return reclaimable_pages(key, memcg_address);
}

#define PINNED_NS (2 * NSEC_PER_SEC)

/* Reclaim below a limit that is lifted gave nothing back: what counts as reclaimable is not. */
__noinline int pinned_note(__u32 key, __u64 memcg_address)
{
	__u64 id = memcg_id_at(memcg_address);
	struct pinned entry = {
		.pages = reclaimable_pages(key, memcg_address),
		.until_ns = bpf_ktime_get_ns() + PINNED_NS,
	};

	if (bpf_map_update_elem(&pinned, &id, &entry, BPF_ANY))
		stat_add(APO_STAT_MAP_FULL);
	any_pinned = 1;
	return 0;
}
