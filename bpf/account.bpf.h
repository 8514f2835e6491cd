/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Accounts: whose policy a process and a limit have, and what is known of limits and processes.
 * Each check brings them up to date. Nothing here decides.
 */
#pragma once

#include "host.bpf.h"

/* --- whose policy -------------------------------------------------------------------------- */

/* What the map has of the nearest cgroup at or above; NULL: nothing. */
static __always_inline __u32 *nearest(void *map, __u64 memcg_address)
{
	__u64 memcg = memcg_address;

	for (__u32 i = 0; i < APO_MAX_DEPTH && memcg; i++) {
		__u64 id = memcg_id_at(memcg);
		__u32 *policy = bpf_map_lookup_elem(map, &id);

		if (policy)
			return policy;
		memcg = memcg_above(memcg);
	}
	if (memcg) /* a guard above these is not seen */
		gap_note_memcg(memcg_address, APO_GAP_DEEP);
	return NULL;
}

/*
 * The rule is in core/policy_set.h. A limit has the policy of the nearest guarded cgroup at or
 * above, else that of everything, else APO_POLICY_NONE. A global function: verified once.
 */
__noinline __u32 policy_of_limit(__u64 memcg_address)
{
	__u32 *policy = settings.guard_cgroups ? nearest(&guard_cgroups, memcg_address) : NULL;

	return policy ? *policy : settings.guard_all;
}

/* The policy of a process that is charged to that cgroup. */
static __always_inline __u32 policy_of_process(struct mem_cgroup *memcg, __u32 tgid)
{
	__u32 *policy = settings.guard_pids ? bpf_map_lookup_elem(&guard_pids, &tgid) : NULL;

	return policy ? *policy : policy_of_limit((__u64)memcg);
}

/* Whether a cgroup at or above that is above a guarded one. A global function: verified once. */
__noinline int shares_with_guard(__u64 memcg_address)
{
	return settings.guard_above && nearest(&guard_above, memcg_address);
}

static __always_inline struct apo_policy *policy_by_id(__u32 id)
{
	return bpf_map_lookup_elem(&policies, &id);
}

/* NULL: those policies are no longer in force. */
static __always_inline struct apo_policy *policy_of_generation(__u32 id, __u32 generation)
{
	return generation == settings.generation ? policy_by_id(id) : NULL;
}

/* --- limits -------------------------------------------------------------------------------- */

static __always_inline struct limit *limit_find(__u64 cgroup_id, __u32 policy)
{
	struct apo_limit_key key = {.cgroup_id = cgroup_id, .policy = policy};

	return bpf_map_lookup_elem(&limits, &key);
}

/* Templates for inserts, in .rodata: the BPF stack has no room for them. */
static const struct limit new_limit = {};
static const struct process new_process = {};

static __noinline struct limit *limit_get(struct check *check)
{
	struct apo_limit_key key = {.cgroup_id = check->reading.limit_cgroup,
				    .policy = check->policy};
	struct limit *limit = bpf_map_lookup_elem(&limits, &key);

	if (limit)
		return limit;
	bpf_map_update_elem(&limits, &key, &new_limit, BPF_NOEXIST);
	limit = bpf_map_lookup_elem(&limits, &key);
	if (!limit) {
		stat_add(APO_STAT_MAP_FULL);
		gap_note(key.cgroup_id, APO_GAP_LIMIT);
	}
	return limit;
}

static __always_inline __u64 reading_need(const struct apo_reading *reading)
{
	return reading->usage_pages > reading->reclaimable_pages
		       ? reading->usage_pages - reading->reclaimable_pages
		       : 0;
}

/* Time since `then`; 0 where another CPU, which read its clock later, has been here first. */
static __always_inline __u64 since(__u64 now, __u64 then)
{
	return now > then ? now - then : 0;
}

/* A value that halves every APO_HALF_LIFE_NS, linear in between. */
static __always_inline __s64 decay(__s64 value, __u64 elapsed)
{
	__u64 halvings = elapsed >> 30;

	if (halvings > 62)
		return 0;
	value >>= halvings;
	return value - ((value * (__s64)((elapsed >> 20) & 1023)) >> 11);
}

/* Long against the stock by which usage moves (64 pages per CPU), short against a spike. */
#define RATE_WINDOW_NS 10000000ULL

/* Growth over the last one to two windows; 0 before there has been one. */
static __always_inline void rate_update(struct check *check, struct limit *limit, __u64 window_ns)
{
	__u64 need = limit->shared.need_pages, elapsed;

	if (!limit->window_ns) {
		limit->window_ns = limit->previous_ns = check->now;
		limit->window_need_pages = limit->previous_need_pages = need;
	} else if (since(check->now, limit->window_ns) >= window_ns) {
		limit->previous_ns = limit->window_ns;
		limit->previous_need_pages = limit->window_need_pages;
		limit->window_ns = check->now;
		limit->window_need_pages = need;
	}
	elapsed = since(check->now, limit->previous_ns) / 1000;
	limit->shared.rate_pages_s =
		need > limit->previous_need_pages && elapsed * 1000 >= window_ns
			? (need - limit->previous_need_pages) * 1000000 / elapsed
			: 0;
}

#define CPUS_WINDOW_NS 100000000ULL

/* Which CPUs work for this limit at present: each may hold a grant. */
static __always_inline void cpus_update(struct check *check, struct limit *limit)
{
	__u64 bit = 1ULL << (bpf_get_smp_processor_id() & 63);

	if (since(check->now, limit->cpus_ns) >= CPUS_WINDOW_NS) {
		limit->cpus_before = limit->cpus_now;
		limit->cpus_now = bit;
		limit->cpus_ns = check->now;
	} else if (!(limit->cpus_now & bit)) {
		limit->cpus_now |= bit;
	}
}

/* Bits set: how many CPUs work for a limit. */
static __always_inline __u32 bits_of(__u64 mask)
{
	mask -= mask >> 1 & 0x5555555555555555ULL;
	mask = (mask & 0x3333333333333333ULL) + (mask >> 2 & 0x3333333333333333ULL);
	mask = (mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return mask * 0x0101010101010101ULL >> 56;
}

/* The CPUs that lately worked for a limit. */
static __always_inline __u64 cpus_of(const struct limit *limit)
{
	return bits_of(limit->cpus_now | limit->cpus_before);
}

#define TRIP_FOLLOW_NS (10 * NSEC_PER_SEC) /* peaks of a trip are followed, re-armed or not */

/* Races between CPUs lose or double single updates of estimates; nothing here decides alone. */
static __always_inline void limit_update(struct check *check, struct limit *limit,
					 const struct apo_policy *policy)
{
	const struct apo_reading *reading = &check->reading;
	__u64 need = reading_need(reading);

	if (!limit->shared.last_ns) {
		limit->explained_pages = limit->shared.need_pages = need;
		limit->shared.least_headroom_pages = reading->headroom_pages;
		limit->shared.last_ns = check->now;
	}
	limit->score_pages = decay(limit->score_pages, since(check->now, limit->shared.last_ns)) +
			     (__s64)(need - limit->shared.need_pages);
	if (limit->score_pages < 0)
		limit->score_pages = 0;
	limit->shared.last_ns = check->now;
	limit->shared.need_pages = need;
	limit->shared.limit_pages = reading->limit_pages;
	/* A forecast of seconds cannot rest on milliseconds. */
	rate_update(check, limit,
		    policy->forecast_ns / 8 > RATE_WINDOW_NS ? policy->forecast_ns / 8
							     : RATE_WINDOW_NS);
	cpus_update(check, limit);
	if (need > limit->shared.peak_need_pages)
		limit->shared.peak_need_pages = need;
	if (reading->headroom_pages < limit->shared.least_headroom_pages)
		limit->shared.least_headroom_pages = reading->headroom_pages;
	if (apo_stage_level(limit->shared.stage) ||
	    since(check->now, limit->shared.last_trip_ns) < TRIP_FOLLOW_NS) {
		if (need > limit->shared.trip_peak_need_pages)
			limit->shared.trip_peak_need_pages = need;
		if (reading->headroom_pages < limit->shared.trip_least_headroom_pages)
			limit->shared.trip_least_headroom_pages = reading->headroom_pages;
	}
}

/* Time until the limit at the present rate of growth; APO_UNLIMITED: it does not grow. */
static __always_inline __u64 forecast_of(const struct limit *limit, __s64 headroom)
{
	if (headroom <= 0)
		return 0;
	if (!limit->shared.rate_pages_s)
		return APO_UNLIMITED;
	return (__u64)headroom * 1000000 / limit->shared.rate_pages_s * 1000;
}

/* --- processes ----------------------------------------------------------------------------- */

static __always_inline __u64 rss_total(const __u64 pages[APO_KINDS])
{
	return pages[APO_FILE] + pages[APO_ANON] + pages[APO_SHMEM];
}

/* Of that, what is need: files that it has mapped are page cache. */
static __always_inline __u64 rss_needed(const __u64 pages[APO_KINDS])
{
	return pages[APO_ANON] + pages[APO_SHMEM];
}

/* Describes the process of a task, all but its disposition. */
static __always_inline void task_describe(struct task_struct *task, __u64 cgroup_id,
					  struct apo_task *ret)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid *upid = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
			    level * bpf_core_type_size(struct upid);

	ret->tgid = BPF_CORE_READ(task, tgid);
	ret->ns_tgid = BPF_CORE_READ(upid, nr);
	ret->ns_level = level;
	ret->disposition = APO_DISP_UNKNOWN;
	ret->start_boottime_ns = BPF_CORE_READ(leader, start_boottime);
	ret->cgroup_id = cgroup_id;
	bpf_probe_read_kernel(ret->comm, sizeof(ret->comm), &leader->comm);
}

static __always_inline void process_begin(struct check *check, struct process *process,
					  const __u64 rss[APO_KINDS])
{
	struct apo_task task;

	task_describe(check->owner, check->cgroup_id, &task);
	process->shared.start_boottime_ns = task.start_boottime_ns;
	process->shared.ns_tgid = task.ns_tgid;
	process->shared.ns_level = task.ns_level;
	__builtin_memcpy(process->shared.comm, task.comm, sizeof(process->shared.comm));
	process->mm = (__u64)check->mm;
	process->score_pages = 0;
	process->owned_pages = rss_needed(rss);
	process->mark_pages = process->owned_pages;
	process->spike_ns = 0;
	process->calm = 1;
	process->shared.peak_pages = 0;
	process->told_ns = 0;
	/* Another program, whose interpreter is another one, or elsewhere. */
	process->is_met = 0;
	process->noted_ns = 0;
	if (settings.profiling)
		bpf_map_delete_elem(&pythons, &check->tgid);
}

/*
 * Usage runs ahead of the mm counters by the stock of each CPU (64 pages) and the batch of each
 * counter (32). That is growth that is not seen yet, not growth without an owner.
 */
#define SLACK_PAGES_PER_CPU 96

static __always_inline __s64 slack_pages(void)
{
	return (__s64)nr_cpus * SLACK_PAGES_PER_CPU;
}

/* What a process owns and its mm counters do not show: tmpfs, pipes, other kernel memory. */
static __always_inline __s64 hidden_pages(const struct process *process)
{
	__s64 hidden = process->owned_pages - (__s64)rss_needed(process->shared.rss_pages);

	return hidden > 0 ? hidden : 0;
}

#define SPIKE_SHIFT 6 /* growing fast: by a 64th of the limit in about a second */
#define CALM_SHIFT 8  /* hardly growing: by less than a 256th */

#define HUGE_RATIO 8 /* pages per event: some are huge */

static __always_inline void spike_begin(struct check *check, struct process *process,
					__s64 owned_before)
{
	__s64 owned = process->owned_pages, grown = owned - owned_before;

	/* It is not known which of several events were huge pages: they do not count. */
	if (check->events > 1 && grown >= (__s64)check->events * HUGE_RATIO) {
		process->huge_ns = check->now;
		grown = 0;
	}
	process->spike_ns = check->now;
	process->spike_base_pages = process->spike_level_pages = grown > 0 ? owned_before : owned;
	process->spike_hidden_pages = hidden_pages(process);
}

#define HOST_FILLING_SHIFT 4 /* most machines are half full: of theirs a 16th is to be left */

/* Whether a limit is half full: what grows in it, and how, may soon matter. */
static __always_inline bool is_filling(const struct check *check, const struct limit *limit)
{
	__u64 most = check->reading.limit_pages;

	if (check->is_host)
		return check->reading.headroom_pages < (__s64)(most >> HOST_FILLING_SHIFT);
	return limit->shared.need_pages >= most / 2;
}

/*
 * Updates whether this process is in a spike, and since when. A process is in a spike while it
 * grows fast, and while its limit is half full. A spike begins anew when a calm process starts to
 * grow fast, and when a process has given back half of what it had grown: so the samples cover the
 * growth that led to the present, and not what was given back.
 */
static __always_inline void spike_update(struct check *check, struct limit *limit,
					 struct process *process, __s64 owned_before)
{
	__u64 most = check->reading.limit_pages;
	bool fast = process->score_pages >= (__s64)(most >> SPIKE_SHIFT);
	__s64 level = process->spike_level_pages, base = process->spike_base_pages;

	if (!fast && !is_filling(check, limit))
		process->spike_ns = 0;
	else if (!process->spike_ns || (fast && process->calm) ||
		 2 * process->owned_pages < level + base)
		spike_begin(check, process, owned_before);
	process->calm = fast ? 0
			     : process->calm || process->score_pages < (__s64)(most >> CALM_SHIFT);
}

/* From now on what its cgroup holds beyond that is new. */
static __always_inline void beyond_set(const struct check *check, struct process *process,
				       struct task_struct *task, __s64 beyond)
{
	process->beyond_pages = beyond;
	process->beyond_ns = check->now;
	process->ran_ns = BPF_CORE_READ(task, se.sum_exec_runtime);
	process->ran_pid = BPF_CORE_READ(task, pid);
}

/*
 * Of what has grown while a thread ran only for a part of the time, that part. At a charge the thread that
 * runs is the one that is charged. Where several threads take turns it is not known how long each has run.
 */
static __always_inline __s64 share_of(const struct check *check, const struct process *process,
				      struct task_struct *task, __s64 pages)
{
	__u64 elapsed = since(check->now, process->beyond_ns) >> 10, ran;

	if (check->trigger != APO_TRIGGER_TICK ||
	    process->ran_pid != (__u32)BPF_CORE_READ(task, pid))
		return pages;
	ran = (BPF_CORE_READ(task, se.sum_exec_runtime) - process->ran_ns) >> 10;
	return ran < elapsed ? (__s64)((__u64)pages * ran / elapsed) : pages;
}

/*
 * Growth the mm counters do not show (tmpfs writes, kernel memory) is charged to the process that a
 * tick, a charge or reclaim finds running: what no account explains, and no more of it than its own
 * cgroup has grown by beyond its RSS. The rest was made elsewhere below the limit. While the growth trigger
 * is not attached nobody's growth is explained soon enough for that, and it is nobody's.
 */
static __always_inline __s64 hidden_growth(struct check *check, struct limit *limit,
					   struct process *process, __u64 rss_pages)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mem_cgroup *memcg = memcg_of_task(check->owner);
	__s64 beyond = BPF_CORE_READ(memcg, memory.usage.counter) - rss_pages;
	__s64 grown = beyond - process->beyond_pages, slack = slack_pages();
	__s64 unexplained = limit->shared.need_pages - limit->explained_pages;

	if (process->shared.cgroup_id != check->cgroup_id || grown < 0 ||
	    !settings.growth_attached) {
		beyond_set(check, process, task, beyond);
		return 0;
	}
	if (grown > unexplained)
		grown = unexplained;
	if (grown <= slack)
		return 0;
	grown = share_of(check, process, task, grown - slack);
	beyond_set(check, process, task, beyond - slack);
	limit->explained_pages += grown;
	return grown;
}

/*
 * By how much a process has grown. Anonymous pages are charged when they are mapped. Shared memory may
 * have been charged long before, to somebody else: of that, what need shows and nobody else's growth may
 * still explain counts, and no more of what is unmapped again than need has fallen by. Mapped files are page
 * cache, and no growth: where they are pinned, it is hidden growth.
 */
static __always_inline __s64 rss_growth(const __u64 rss[APO_KINDS], const __u64 before[APO_KINDS],
					__s64 unexplained)
{
	__s64 own = (__s64)(rss[APO_ANON] - before[APO_ANON]);
	__s64 shared = (__s64)(rss[APO_SHMEM] - before[APO_SHMEM]);
	__s64 most = unexplained - (own > 0 ? own : 0) - slack_pages();
	__s64 least = unexplained < 0 ? unexplained : 0;

	if (shared > 0 && shared > most)
		shared = most > 0 ? most : 0;
	if (shared < least)
		shared = least;
	return own + shared;
}

/* At the first look after a trip: what the process owned then. */
static __always_inline void mark_trip(struct process *process, const struct limit *limit,
				      __u64 owned)
{
	if (process->mark_ns == limit->shared.last_trip_ns)
		return;
	process->mark_ns = limit->shared.last_trip_ns;
	process->mark_pages = owned;
}

/* Brings the account of the check's process up to date. */
static __noinline struct process *process_update(struct check *check, struct limit *limit)
{
	struct process *process = bpf_map_lookup_elem(&processes, &check->tgid);
	__u64 need = limit->shared.need_pages, rss[APO_KINDS], owned_before;
	__s64 grown = 0, unexplained;

	rss_count(check->mm, check->in_fault ? (void *)bpf_get_current_task() : NULL, rss);
	if (!process) {
		bpf_map_update_elem(&processes, &check->tgid, &new_process, BPF_NOEXIST);
		process = bpf_map_lookup_elem(&processes, &check->tgid);
		if (!process) {
			stat_add(APO_STAT_MAP_FULL);
			return NULL;
		}
	}
	if (!settings.growth_attached)
		limit->explained_pages = need;
	unexplained = (__s64)(need - limit->explained_pages);
	if (process->mm != (__u64)check->mm)
		process_begin(check, process, rss);
	else
		grown = rss_growth(rss, process->shared.rss_pages, unexplained);
	owned_before = process->owned_pages;

	if (unexplained < 0)
		limit->explained_pages = need;
	else if (grown > 0 && check->trigger == APO_TRIGGER_GROWTH)
		limit->explained_pages += grown < unexplained ? grown : unexplained;
	if (check->trigger != APO_TRIGGER_GROWTH || process->shared.cgroup_id != check->cgroup_id)
		grown += hidden_growth(check, limit, process, rss_needed(rss));

	process->score_pages =
		decay(process->score_pages, since(check->now, process->shared.last_ns)) + grown;
	if (process->score_pages < 0)
		process->score_pages = 0;
	process->owned_pages += grown;
	if (process->owned_pages > (__s64)need)
		process->owned_pages = need;
	if (process->owned_pages < 0)
		process->owned_pages = 0;
	mark_trip(process, limit, owned_before);

	/* Steady growth of r pages/s settles at a score of r * half-life / ln 2. */
	process->shared.rate_pages_s = process->score_pages * 661 / 1024;
	if (settings.profiling && !check->is_stranger)
		spike_update(check, limit, process, owned_before);
	check->in_spike = process->spike_ns != 0;
	process->shared.last_ns = check->now;
	if (check->trigger == APO_TRIGGER_GROWTH)
		process->fault_ns = check->now;
	process->shared.cgroup_id = check->cgroup_id;
	process->shared.policy = check->process_policy;
	process->shared.generation = settings.generation;
	process->shared.faults += check->events;
	__builtin_memcpy(process->shared.rss_pages, rss, sizeof(rss));
	if (rss_total(rss) > process->shared.peak_pages)
		process->shared.peak_pages = rss_total(rss);
	if (host_is_limit())
		process->weight = host_weight(check->owner);
	return process;
}

/* What the kernel goes by when it chooses whom to kill. */
static __always_inline __u64 victim_pages(const struct process *process)
{
	return rss_total(process->shared.rss_pages) + process->shared.rss_pages[APO_SWAP];
}

/* Keeps the largest process of a policy. A global function: verified once. */
__noinline int largest_update(__u32 policy, __u32 tgid)
{
	const struct process *process = bpf_map_lookup_elem(&processes, &tgid), *other;
	__u32 *largest_tgid = bpf_map_lookup_elem(&largest, &policy);

	if (!process || !largest_tgid || *largest_tgid == tgid)
		return 0;
	other = bpf_map_lookup_elem(&processes, largest_tgid);
	if (!other || victim_pages(process) > victim_pages(other))
		*largest_tgid = tgid;
	return 0;
}

#define VAIN_NS 100000000ULL /* for how long reclaim in vain says something of the next */

#define STALL_LEAST_NS 250000000ULL
#define STALL_MOST_NS NSEC_PER_SEC
#define STALL_FAULT_NS (NSEC_PER_SEC / 16)

/*
 * Whether the running thread comes to the limit again and again, and between reads again what reclaim has
 * dropped: 16 major faults a second, for a quarter of a second. So does a program whose own code and data
 * files have no more room beside its need: the kernel never kills it, and it hardly gets on. Where page
 * cache is more than half of the limit it is rather one that reads more than there is room for.
 */
static __always_inline bool is_stalled(const struct check *check, struct process *process)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 elapsed = since(check->now, process->stall_ns), majors = BPF_CORE_READ(task, maj_flt);
	__u32 pid = BPF_CORE_READ(task, pid);
	bool is_same = process->stall_pid == pid && elapsed <= STALL_MOST_NS, stalled;

	if (!check->in_fault || (elapsed < STALL_MOST_NS && !is_same) ||
	    (is_same && elapsed < STALL_LEAST_NS))
		return false;
	stalled = is_same && (majors - process->stall_majors) * STALL_FAULT_NS >= elapsed &&
		  check->reading.reclaimable_pages < check->reading.limit_pages / 2;
	process->stall_ns = check->now;
	process->stall_majors = majors;
	process->stall_pid = pid;
	return stalled;
}

#define OWNED_SHIFT 4

/* Rank among the growers: recent growth, and a sixteenth of all it owns. */
static __always_inline __s64 rank_of(const struct check *check, const struct process *process,
				     __s64 score_pages)
{
	__u64 rank = score_pages + ((__u64)process->owned_pages >> OWNED_SHIFT);

	return check->is_host ? rank * process->weight / HOST_WEIGHT : rank;
}

static __always_inline __s64 process_rank(const struct check *check, const struct process *process)
{
	return rank_of(check, process, process->score_pages);
}

/* The rank of the process that was on top, as it is now; 0: it has exited. */
static __always_inline __s64 top_rank(const struct check *check, const struct limit *limit)
{
	const struct process *top = bpf_map_lookup_elem(&processes, &limit->top_tgid);

	return top ? rank_of(check, top,
			     decay(top->score_pages, since(check->now, top->shared.last_ns)))
		   : 0;
}

/* Keeps the process with the highest rank. Recent growth fades, so that an old spike does not stay on top. */
static __always_inline __s64 top_update(struct check *check, struct limit *limit, __s64 rank)
{
	__s64 top = top_rank(check, limit);

	if (check->tgid == limit->top_tgid || rank > top) {
		limit->top_tgid = check->tgid;
		return rank;
	}
	return top;
}
