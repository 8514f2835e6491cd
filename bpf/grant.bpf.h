/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Grants: how much may happen before the next check, so that the check is rare far from a line and
 * comes at every event near it; and how grants are recalled when what they rested on has changed.
 */
#pragma once

#include "act.bpf.h"
#include "brake.bpf.h"

#define EVENTS_FAR 64	     /* between checks while the line is far */
#define EVENTS_UNGUARDED 256 /* between checks of a process nobody guards */
#define PAGES_UNGUARDED 1024 /* growth of usage between checks of such a process */
#define USAGE_PAGES_MAX 4096 /* growth of usage between checks of a guarded one, at most */
#define COUNTER_BATCH 32     /* of a counter, at least; else 2 for each CPU */

/* --- recalls ------------------------------------------------------------------------------- */

/* The index of a limit's count in recalls. */
static __always_inline __u32 recall_index(__u64 limit_cgroup)
{
	return limit_cgroup * 0x9e3779b97f4a7c15ULL >> 32 & (RECALLS - 1);
}

static __always_inline __u32 recalls_of(__u32 index)
{
	return *(volatile __u32 *)&recalls[index & (RECALLS - 1)];
}

static __always_inline __u32 recalls_seen(void)
{
	return *(volatile __u32 *)&recall_count;
}

/* Whatever was put off is checked at its next event. */
static __always_inline void recall_all_grants(void)
{
	__sync_fetch_and_add(&recall_count, 1); /* first, see maps.bpf.h */
	for (__u32 i = 0; i < RECALLS; i++)
		__sync_fetch_and_add(&recalls[i], 1);
}

static __always_inline void recall_grants(__u64 limit_cgroup)
{
	__sync_fetch_and_add(&recall_count, 1); /* first, see maps.bpf.h */
	__sync_fetch_and_add(&recalls[recall_index(limit_cgroup)], 1);
}

/* Drops the grants of all CPUs for an address space. A global function: verified once. */
__noinline int slots_forget(__u64 mm_address)
{
	for (__u32 cpu = 0; cpu < APO_MAX_CPUS && cpu < nr_cpus; cpu++) {
		__u32 key = cpu;
		struct slot *slot = bpf_map_lookup_elem(&slots, &key);

		if (!slot)
			break;
		if ((__u64)slot->mm == mm_address)
			slot->mm = NULL;
	}
	return 0;
}

static __always_inline struct usage_grant *usage_grant_of(__u32 cpu, __u64 memcg)
{
	__u32 key = cpu * USAGE_GRANTS_PER_CPU +
		    (memcg * 0x9e3779b97f4a7c15ULL >> (64 - USAGE_GRANTS_SHIFT));

	return bpf_map_lookup_elem(&usage_grants, &key);
}

/* The same for a memory cgroup, whose address may be reused. */
__noinline int usage_grants_forget(__u64 memcg_address)
{
	for (__u32 cpu = 0; cpu < APO_MAX_CPUS && cpu < nr_cpus; cpu++) {
		struct usage_grant *grant = usage_grant_of(cpu, memcg_address);

		if (!grant)
			break;
		if (grant->memcg == memcg_address)
			grant->memcg = 0;
	}
	return 0;
}

/* --- how much ------------------------------------------------------------------------------ */

#define HOST_GRANT_SHIFT 3 /* all cgroups of a CPU may have one there, and not one alone */

/*
 * How far this process may grow before the next check. A grant is for one CPU; the grants of all
 * CPUs that lately worked for the limit add up to half the distance to the line. When the distance has
 * halved since the first of them, or when it is other CPUs, all are recalled.
 */
static __always_inline __u64 grant_pages(struct check *check, struct limit *limit,
					 const struct apo_policy *policy)
{
	__s64 line = check->reading.reserve_pages, left;
	__u64 cpus = limit->cpus_now | limit->cpus_before;

	if (policy->forecast_ns && !(check->loan & LOAN_POSSIBLE))
		line *= 2;
	left = check->reading.headroom_pages - line;
	if (check->reading.lent_pages && apo_stage_level(limit->shared.stage))
		left = room_of(&check->reading) >> 2; /* to the line of the next level */
	if (policy->warn_permyriad && !(limit->warn_stage & 1)) {
		__s64 to_warn =
			(__s64)(portion_of(check->reading.limit_pages, policy->warn_permyriad) -
				reading_need(&check->reading));

		if (to_warn < left)
			left = to_warn;
	}
	if (left < 0)
		left = 0;
	if ((__u64)left < limit->grant_base_pages / 2 || cpus != limit->grant_cpus) {
		recall_grants(check->reading.limit_cgroup);
		limit->grant_base_pages = left;
		limit->grant_cpus = cpus;
	} else if ((__u64)left > limit->grant_base_pages) {
		limit->grant_base_pages = left;
	}
	return (__u64)left / (2 * bits_of(cpus)) >> (check->is_host ? HOST_GRANT_SHIFT : 0);
}

/*
 * The result of a check in one number, because a global function returns one: how far the process
 * may grow (low half), and the index of its limit's recalls (high half). Negative: not guarded.
 */
#define GRANT_UNGUARDED (-1)
#define GRANT_PAGES_MAX 0x7fffffffULL

static __always_inline __s64 grant_result(__u64 pages, __u32 recall)
{
	return (pages > GRANT_PAGES_MAX ? GRANT_PAGES_MAX : pages) | (__u64)recall << 32;
}

static __always_inline __u32 grant_recall_of(__s64 result)
{
	return result < 0 ? 0 : result >> 32 & (RECALLS - 1);
}

/* Pages of a CPU that a counter may not show. */
static __always_inline __u32 counter_batch(void)
{
	return 2 * nr_cpus > COUNTER_BATCH ? 2 * nr_cpus : COUNTER_BATCH;
}

/*
 * Of a process that nobody guards, and whose limit is its own: that is reached before one that is shared, so
 * that near it not every event matters.
 */
static __always_inline __s64 grant_elsewhere(const struct check *check)
{
	__s64 left = check->reading.headroom_pages >> 4, least = EVENTS_FAR + counter_batch();

	return grant_result(left > least ? left : least, recall_index(check->reading.limit_cgroup));
}

/*
 * In mm counter events, each of a page at least, and in what the counters of the address space may come to:
 * a huge page shows there at once, smaller ones when a batch of this CPU is full. Such a batch is kept
 * back, so that near the line each event is looked at.
 */
static __always_inline void grant_to_slot(struct slot *slot, __s64 result)
{
	__u32 batch = counter_batch();
	__u32 pages = (__u32)result > batch ? (__u32)result - batch : 0;
	__u32 events = pages < EVENTS_FAR ? pages : EVENTS_FAR;

	if (result < 0) {
		events = EVENTS_UNGUARDED;
		pages = GRANT_PAGES_MAX;
	} else {
		events /= pages_per_event;
	}
	slot->granted = slot->left = events > 1 ? events : 1;
	if (events <= 1) /* the next one is looked at whatever the counters say */
		return;
	for (int kind = 0; kind < APO_KINDS; kind++)
		slot->check_at_pages[kind] = compat_rss_count(slot->mm, kind) + (__s64)pages;
}

/* In pages of the cgroup's usage. */
static __always_inline __u32 grant_usage(__s64 result)
{
	__u32 pages = (__u32)result;

	if (result < 0)
		return PAGES_UNGUARDED;
	return pages > USAGE_PAGES_MAX ? USAGE_PAGES_MAX : pages;
}
