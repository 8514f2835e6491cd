/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Everything the kernel side remembers: the configuration the loader writes, and the accounts of
 * guards and processes that the programs keep.
 */
#pragma once

#include "memcg.bpf.h"
#include "rss.bpf.h"

/* Which guards exist; set by the loader, so that an unused way of guarding costs nothing. */
const volatile bool guard_all = false; /* every cgroup with a limit, policy 0 */
const volatile bool guard_cgroups_used = false;
const volatile bool guard_pids_used = false;

/* Without anyone to read it nothing is recorded, and no process is in a spike. */
const volatile bool recording = false;

/* Our own pid as the kernel sees it, whatever PID namespace we are in: never signalled. */
__u32 self_tgid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct apo_policy);
	__uint(max_entries, APO_MAX_POLICIES);
} policies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64); /* cgroup id; its whole subtree is guarded */
	__type(value, __u32);
	__uint(max_entries, 1024);
} guard_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tgid; inherited by fork */
	__type(value, __u32);
	__uint(max_entries, 16384);
} guard_pids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64); /* id of the cgroup whose limit binds */
	__type(value, struct apo_guard);
	__uint(max_entries, 4096);
} guards SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u32); /* tgid */
	__type(value, struct apo_process);
	__uint(max_entries, 16384);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tgid */
	__type(value, struct apo_signalled);
	__uint(max_entries, 1024);
} signalled SEC(".maps");

/*
 * Once-only latch of a decision: whoever inserts the key first acts. An insert rather than a
 * compare-and-swap because 5.10 has no atomics that return a value.
 */
struct latch_key {
	__u64 guard;
	__u32 era;
	__u32 step;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct latch_key);
	__type(value, __u8);
	__uint(max_entries, 1024);
} latches SEC(".maps");

/*
 * Per CPU: how many more mm counter events of this address space may pass before it must be looked
 * at again. An array indexed by CPU, not a per-CPU map: its lookup is inlined on every kernel.
 */
struct slot {
	struct mm_struct *mm;
	__u32 left;
	__u32 granted;
	__u32 generation;
	__u32 points; /* of the flight recorder that this CPU has written */
	__u64 pad_to_cache_line[5];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* nobody maps it: it puts slots on cache lines */
	__type(key, __u32);
	__type(value, struct slot);
	__uint(max_entries, 1); /* set to the CPU count by the loader */
} slots SEC(".maps");

/*
 * Per CPU and memory cgroup (hashed, last one wins): the usage at which the pulse looks again. A
 * process whose cgroup has not grown is passed over for the price of reading one counter.
 */
struct pulse {
	__u64 memcg;
	__u64 look_at_pages;
	__u32 generation;
	__u32 pad;
};
#define PULSES_SHIFT 6
#define PULSES_PER_CPU (1 << PULSES_SHIFT)
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct pulse);
	__uint(max_entries, PULSES_PER_CPU); /* times the CPU count, by the loader */
} pulses SEC(".maps");

/* Bumped when a process changes cgroup or a line comes near: every slot and pulse is stale. */
__u32 generation = 1;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} records SEC(".maps"); /* for the slow path: everything that happened */

/* Whether there is a pulse to make up for a wake-up that was put off; set once it is attached. */
bool has_pulse = false;

/* Since when records wait for a wake-up; 0: none do. */
__u64 wake_due_ns = 0;

#define WAKE_NOW BPF_RB_FORCE_WAKEUP /* never adaptive: earlier records may not have woken */
#define WAKE_DELAY_NS 3000000ULL

/*
 * For records between a signal and the end of its handler. Waking anyone on this CPU makes the
 * scheduler notice that the running thread has used up its slice, and a thread sent away here
 * comes back after the others have had theirs: 3 to 16 ms were seen with more threads than CPUs.
 * What the responder has to do for the airbag cannot wait all the same.
 */
static __always_inline __u64 wake_later(void)
{
	if (!has_pulse)
		return WAKE_NOW;
	if (!wake_due_ns)
		wake_due_ns = bpf_ktime_get_ns() + WAKE_DELAY_NS;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void wake_overdue(__u64 now)
{
	void *nothing;

	if (!wake_due_ns || now < wake_due_ns)
		return;
	nothing = bpf_ringbuf_reserve(&records, sizeof(__u64), 0);
	if (!nothing)
		return;
	wake_due_ns = 0;
	bpf_ringbuf_discard(nothing, WAKE_NOW);
}

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} urgent SEC(".maps"); /* for the responder: only what it must act on */

/* Templates for inserts, in .rodata: the BPF stack has no room for them. */
static const struct apo_guard new_guard = {};
static const struct apo_process new_process = {};

/* One look at an address space: who, why, and what was found. Lives on the stack of a program. */
struct look {
	struct mm_struct *mm;
	struct task_struct *owner;  /* mm->owner: its cgroup is charged, its process is signalled */
	struct mem_cgroup *binding; /* whose limit binds */
	__u64 now;
	__u64 cgroup_id;
	__u32 tgid;    /* of the owner */
	__u32 events;  /* mm counter events since the last look on this CPU */
	__u8 trigger;  /* enum apo_trigger */
	__u8 policy;   /* index */
	bool in_fault; /* the owner's process is running: it can be signalled from here */
	bool in_spike; /* its growth is recorded */
	struct apo_reading reading;
};

/* The policy that guards this process, or -1. A global function: verified once. */
__noinline int policy_find(__u64 memcg_address, __u32 tgid)
{
	struct mem_cgroup *memcg = (void *)memcg_address;
	__u32 *policy;

	if (guard_pids_used) {
		policy = bpf_map_lookup_elem(&guard_pids, &tgid);
		if (policy)
			return *policy;
	}
	if (guard_cgroups_used) {
		for (__u32 i = 0; i < APO_MAX_DEPTH && memcg; i++) {
			__u64 id = memcg_id(memcg);

			policy = bpf_map_lookup_elem(&guard_cgroups, &id);
			if (policy)
				return *policy;
			memcg = (void *)BPF_CORE_READ(memcg, css.parent);
		}
	}
	return guard_all ? 0 : -1;
}

static __always_inline struct apo_guard *guard_get(struct look *look)
{
	__u64 id = look->reading.limit_cgroup;
	struct apo_guard *guard = bpf_map_lookup_elem(&guards, &id);

	if (guard)
		return guard;
	bpf_map_update_elem(&guards, &id, &new_guard, BPF_NOEXIST);
	guard = bpf_map_lookup_elem(&guards, &id);
	if (!guard)
		stat_add(APO_STAT_MAP_FULL);
	else if (!guard->era) /* eras never repeat: latches of an earlier guard of that id remain */
		guard->era = (__u32)(look->now >> 20);
	return guard;
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

#define NSEC_PER_SEC 1000000000ULL
/* Long against the stock by which usage moves (64 pages per CPU), short against a spike. */
#define RATE_WINDOW_NS 10000000ULL

/* Growth over the last one to two windows; 0 before there has been one. */
static __always_inline void rate_update(struct look *look, struct apo_guard *guard, __u64 window_ns)
{
	__u64 need = guard->need_pages, elapsed;

	if (!guard->window_ns) {
		guard->window_ns = guard->previous_ns = look->now;
		guard->window_need_pages = guard->previous_need_pages = need;
	} else if (since(look->now, guard->window_ns) >= window_ns) {
		guard->previous_ns = guard->window_ns;
		guard->previous_need_pages = guard->window_need_pages;
		guard->window_ns = look->now;
		guard->window_need_pages = need;
	}
	elapsed = since(look->now, guard->previous_ns) / 1000;
	guard->rate_pages_s = need > guard->previous_need_pages && elapsed * 1000 >= window_ns
				      ? (need - guard->previous_need_pages) * 1000000 / elapsed
				      : 0;
}

#define CPUS_WINDOW_NS 100000000ULL

/* Which CPUs work for this guard at present: each may hold a grant. */
static __always_inline void cpus_update(struct look *look, struct apo_guard *guard)
{
	__u64 bit = 1ULL << (bpf_get_smp_processor_id() & 63);

	if (since(look->now, guard->cpus_ns) >= CPUS_WINDOW_NS) {
		guard->cpus_before = guard->cpus_now;
		guard->cpus_now = bit;
		guard->cpus_ns = look->now;
	} else if (!(guard->cpus_now & bit)) {
		guard->cpus_now |= bit;
	}
}

#define TRIP_FOLLOW_NS (10 * NSEC_PER_SEC) /* peaks are kept so long, whatever the airbag does */

/* Races between CPUs lose or double single updates of estimates; nothing here decides alone. */
static __always_inline void guard_update(struct look *look, struct apo_guard *guard,
					 const struct apo_policy *policy)
{
	const struct apo_reading *reading = &look->reading;
	__u64 need = reading_need(reading);

	if (!guard->last_ns) {
		guard->explained_pages = guard->need_pages = need;
		guard->least_headroom_pages = reading->headroom_pages;
		guard->last_ns = look->now;
	}
	guard->score_pages = decay(guard->score_pages, since(look->now, guard->last_ns)) +
			     (__s64)(need - guard->need_pages);
	if (guard->score_pages < 0)
		guard->score_pages = 0;
	guard->last_ns = look->now;
	guard->need_pages = need;
	guard->limit_pages = reading->limit_pages;
	/* A forecast of seconds cannot rest on milliseconds. */
	rate_update(look, guard,
		    policy->forecast_ns / 8 > RATE_WINDOW_NS ? policy->forecast_ns / 8
							     : RATE_WINDOW_NS);
	cpus_update(look, guard);
	if (need > guard->peak_need_pages)
		guard->peak_need_pages = need;
	if (reading->headroom_pages < guard->least_headroom_pages)
		guard->least_headroom_pages = reading->headroom_pages;
	if (guard->step || since(look->now, guard->last_trip_ns) < TRIP_FOLLOW_NS) {
		if (need > guard->trip_peak_need_pages)
			guard->trip_peak_need_pages = need;
		if (reading->headroom_pages < guard->trip_least_headroom_pages)
			guard->trip_least_headroom_pages = reading->headroom_pages;
	}
}

static __always_inline __u64 rss_total(const __u64 pages[APO_KINDS])
{
	return pages[APO_FILE] + pages[APO_ANON] + pages[APO_SHMEM];
}

/* Who a task's process is; not what a signal would do to it. */
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

static __always_inline void process_begin(struct look *look, struct apo_process *process,
					  const __u64 rss[APO_KINDS])
{
	struct apo_task task;

	task_describe(look->owner, look->cgroup_id, &task);
	process->start_boottime_ns = task.start_boottime_ns;
	process->ns_tgid = task.ns_tgid;
	process->ns_level = task.ns_level;
	__builtin_memcpy(process->comm, task.comm, sizeof(process->comm));
	process->mm = (__u64)look->mm;
	process->score_pages = 0;
	process->owned_pages = rss_total(rss);
	process->mark_pages = process->owned_pages;
	process->spike_ns = 0;
	process->calm = 1;
	process->peak_pages = 0;
}

/*
 * Usage runs ahead of the mm counters by the stock of each CPU (64 pages) and the batch of each
 * counter (32): not growth that nobody owns, only growth not seen yet.
 */
#define SLACK_PAGES_PER_CPU 96

/* What a process owns and its mm counters do not show: tmpfs, pipes, other kernel memory. */
static __always_inline __s64 hidden_pages(const struct apo_process *process)
{
	__s64 hidden = process->owned_pages - (__s64)rss_total(process->rss_pages);

	return hidden > 0 ? hidden : 0;
}

#define SPIKE_SHIFT 6 /* growing fast: by a 64th of the limit in about a second */
#define CALM_SHIFT 8  /* not to speak of: less than a 256th */

#define HUGE_RATIO 8 /* pages per event: some are huge */

static __always_inline void spike_begin(struct look *look, struct apo_process *process,
					__s64 owned_before)
{
	__s64 owned = process->owned_pages, grown = owned - owned_before;

	/* Several events with huge pages among them: nobody knows whose those were. */
	if (look->events > 1 && grown >= (__s64)look->events * HUGE_RATIO) {
		process->huge_ns = look->now;
		grown = 0;
	}
	process->spike_ns = look->now;
	process->spike_base_pages = process->spike_level_pages = grown > 0 ? owned_before : owned;
	process->spike_hidden_pages = hidden_pages(process);
}

/*
 * Whether this process is in a spike, and since when. Recorded is what grows fast, and anything
 * that grows while its guard is half full. A spike begins when a calm process starts to grow fast,
 * or grows again after it gave back half of what it had grown: so that what is recorded is what led
 * to here, and not what came and went before.
 */
static __always_inline void spike_update(struct look *look, struct apo_guard *guard,
					 struct apo_process *process, __s64 owned_before)
{
	__u64 limit = look->reading.limit_pages;
	bool fast = process->score_pages >= (__s64)(limit >> SPIKE_SHIFT);
	__s64 level = process->spike_level_pages, base = process->spike_base_pages;

	if (!fast && guard->need_pages < limit / 2)
		process->spike_ns = 0;
	else if (!process->spike_ns || (fast && process->calm) ||
		 2 * process->owned_pages < level + base)
		spike_begin(look, process, owned_before);
	process->calm = fast ? 0
			     : process->calm || process->score_pages < (__s64)(limit >> CALM_SHIFT);
}

/*
 * Brings the account of the look's process up to date. Growth the mm counters do not show (tmpfs
 * writes, kernel memory) is charged to whoever is running when the pulse or reclaim finds it.
 */
static __noinline struct apo_process *process_update(struct look *look, struct apo_guard *guard)
{
	struct apo_process *process = bpf_map_lookup_elem(&processes, &look->tgid);
	__u64 need = guard->need_pages, rss[APO_KINDS], owned_before;
	__s64 grown = 0, unexplained, slack = (__s64)nr_cpus * SLACK_PAGES_PER_CPU;

	rss_count(look->mm, look->in_fault ? (void *)bpf_get_current_task() : NULL, rss);
	if (!process) {
		bpf_map_update_elem(&processes, &look->tgid, &new_process, BPF_NOEXIST);
		process = bpf_map_lookup_elem(&processes, &look->tgid);
		if (!process) {
			stat_add(APO_STAT_MAP_FULL);
			return NULL;
		}
	}
	if (process->mm != (__u64)look->mm)
		process_begin(look, process, rss);
	else
		grown = (__s64)(rss_total(rss) - rss_total(process->rss_pages));
	owned_before = process->owned_pages;

	unexplained = (__s64)(need - guard->explained_pages);
	if (unexplained < 0)
		guard->explained_pages = need;
	else if (grown > 0 && look->trigger == APO_TRIGGER_GROWTH)
		guard->explained_pages += grown < unexplained ? grown : unexplained;
	else if (look->trigger != APO_TRIGGER_GROWTH && unexplained > slack) {
		grown += unexplained - slack;
		guard->explained_pages = need - slack;
	}

	process->score_pages =
		decay(process->score_pages, since(look->now, process->last_ns)) + grown;
	if (process->score_pages < 0)
		process->score_pages = 0;
	process->owned_pages += grown;
	if (process->owned_pages > (__s64)need)
		process->owned_pages = need;
	if (process->owned_pages < 0)
		process->owned_pages = 0;
	if (process->mark_ns != guard->last_trip_ns) {
		process->mark_ns = guard->last_trip_ns;
		process->mark_pages = owned_before;
	}

	/* Steady growth of r pages/s settles at a score of r * half-life / ln 2. */
	process->rate_pages_s = process->score_pages * 661 / 1024;
	if (recording)
		spike_update(look, guard, process, owned_before);
	look->in_spike = process->spike_ns != 0;
	process->last_ns = look->now;
	if (look->trigger == APO_TRIGGER_GROWTH)
		process->fault_ns = look->now;
	process->cgroup_id = look->cgroup_id;
	process->faults += look->events;
	__builtin_memcpy(process->rss_pages, rss, sizeof(rss));
	if (rss_total(rss) > process->peak_pages)
		process->peak_pages = rss_total(rss);
	return process;
}

/* Standing among the growers: recent growth first, and with little weight all it owns. */
static __always_inline __s64 process_rank(const struct apo_process *process)
{
	return process->score_pages + ((__u64)process->owned_pages >> 4);
}
