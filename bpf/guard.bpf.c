// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * The programs that are always on. One rule, need against limit, evaluated at four moments:
 *
 *   growth   an mm counter moved (kmem:rss_stat), in the fault itself
 *   charge   a batch of pages is charged, of whatever kind: where fexit is allowed
 *   pulse    a guarded process was found running by the timer tick, or (without charge) stops
 *            running, and its cgroup has grown: tmpfs writes, kernel memory
 *   reclaim  the cgroup reached its limit: the last moment
 *
 * The rest closes a trip: signal queued, handler entered, process gone, OOM victim chosen.
 */
#include "recorder.bpf.h"
#include "trip.bpf.h"

#include <bpf/bpf_tracing.h>

#define EVENTS_FAR 64	     /* between looks while the line is far */
#define EVENTS_UNGUARDED 256 /* between looks at a process nobody guards */
#define PAGES_UNGUARDED 1024 /* growth between pulse looks at such a process */
#define PULSE_PAGES_MAX 4096 /* growth between pulse looks at a guarded one, at most */
#define THP_PAGES 512	     /* pages that one event may stand for */

/* 66 faults are one event where the counters are batched per task (before 6.2). */
const volatile __u32 pages_per_event = 1;

/* Bits set: how many CPUs work for a guard. */
static __always_inline __u32 bits_of(__u64 mask)
{
	mask -= mask >> 1 & 0x5555555555555555ULL;
	mask = (mask & 0x3333333333333333ULL) + (mask >> 2 & 0x3333333333333333ULL);
	mask = (mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return mask * 0x0101010101010101ULL >> 56;
}

/*
 * How far this process may grow before the next look. A grant is for one CPU; the grants of all
 * CPUs that lately worked for the guard add up to half the distance to the line, and when the
 * distance has halved since the first of them, all are called back. What that leaves open: CPUs
 * that join within one grant of each other, each faulting in huge pages.
 */
static __always_inline __u64 grant_pages(struct look *look, struct apo_guard *guard,
					 const struct apo_policy *policy)
{
	__s64 line = look->reading.reserve_pages, left;

	if (policy->forecast_ns)
		line *= 2;
	left = look->reading.headroom_pages - line;
	if (policy->warn_permyriad && !guard->warned) {
		__s64 to_warn =
			(__s64)(portion_of(look->reading.limit_pages, policy->warn_permyriad) -
				reading_need(&look->reading));

		if (to_warn < left)
			left = to_warn;
	}
	if (left < 0)
		left = 0;
	if ((__u64)left < guard->grant_base_pages / 2) {
		__sync_fetch_and_add(&generation, 1);
		guard->grant_base_pages = left;
	} else if ((__u64)left > guard->grant_base_pages) {
		guard->grant_base_pages = left;
	}
	return (__u64)left / (2 * bits_of(guard->cpus_now | guard->cpus_before));
}

/* The grant in mm counter events, each of which may stand for a huge page. */
static __always_inline __u32 events_of(__u64 pages)
{
	__u64 events = pages / (THP_PAGES * pages_per_event);

	return events < 1 ? 1 : events > EVENTS_FAR ? EVENTS_FAR : events;
}

#define LOOK_UNGUARDED (-1)

/*
 * One look: find the guard, read the limit, decide. `events` mm counter events have passed since
 * the last one. Returns how far the process may grow before the next, or LOOK_UNGUARDED. Not
 * inlined, and of numbers only: the programs around it stay short, and it is verified once.
 */
__noinline __s64 look_at(__u64 mm_address, __u32 trigger, __u32 events)
{
	struct task_struct *current_task = (void *)bpf_get_current_task();
	struct mm_struct *mm = (void *)mm_address, *current_mm = BPF_CORE_READ(current_task, mm);
	struct task_struct *owner = BPF_CORE_READ(mm, owner);
	__u32 current_tgid = bpf_get_current_pid_tgid() >> 32, key;
	struct look look = {.mm = mm, .owner = owner, .trigger = trigger, .events = events};
	const struct apo_policy *policy;
	struct apo_process *process;
	struct apo_guard *guard;
	struct mem_cgroup *memcg;
	__s64 grant;
	int index;

	if (!owner)
		return LOOK_UNGUARDED;
	look.tgid = BPF_CORE_READ(owner, tgid);
	look.in_fault = current_mm == mm && current_tgid == look.tgid;
	/* fork fills the child's mm, exec the next one, before they belong to anyone else */
	if (current_mm != mm && current_tgid == look.tgid)
		return 0;

	memcg = memcg_of_task(owner);
	if (!memcg)
		return LOOK_UNGUARDED;
	index = policy_find((__u64)memcg, look.tgid);
	if (index < 0)
		return LOOK_UNGUARDED;
	key = look.policy = index;
	policy = bpf_map_lookup_elem(&policies, &key);
	if (!policy)
		return LOOK_UNGUARDED;

	look.binding = memcg_read(memcg, &look.reading);
	if (!look.binding)
		return LOOK_UNGUARDED;
	stat_add(APO_STAT_LOOKS);
	look.reading.reserve_pages = reserve_of(policy, look.reading.limit_pages);
	look.now = bpf_ktime_get_ns();
	look.cgroup_id = memcg_id(memcg);
	forget(&look);
	guard = guard_get(&look);
	if (!guard)
		return 0;
	guard_update(&look, guard, policy);
	process = process_update(&look, guard);
	if (process)
		top_update(&look, guard, process_rank(process));
	grant = decide(&look, guard, process, policy) ? 0 : grant_pages(&look, guard, policy);
	if (look.in_spike && record(&look))
		grant = 0;
	return grant;
}

/* Run once by the loader through BPF_PROG_TEST_RUN, in its own context, before anything attaches. */
SEC("raw_tp")
int prepare(void *ctx)
{
	self_tgid = bpf_get_current_pid_tgid() >> 32;
	offsets_find();
	return 0;
}

SEC("tp_btf/rss_stat")
int BPF_PROG(on_rss_stat, struct mm_struct *mm, int member)
{
	__u32 cpu = bpf_get_smp_processor_id(), events = 1;
	struct slot *slot = bpf_map_lookup_elem(&slots, &cpu);
	__s64 grant;

	if (!slot)
		return 0;
	if (slot->mm == mm) {
		if (slot->left > 1 && slot->generation == generation) {
			slot->left--;
			return 0;
		}
		events = slot->granted - slot->left + 1;
	}
	slot->mm = mm;
	slot->generation = generation;
	/* Read back, the pointer is a number, which is what a global function takes. */
	grant = look_at((__u64) * (struct mm_struct *volatile *)&slot->mm, APO_TRIGGER_GROWTH,
			events);
	slot->granted = slot->left = grant < 0 ? EVENTS_UNGUARDED : events_of(grant);
	return 0;
}

/* A look at the running process, if its cgroup has grown since the last one on this CPU. */
static __always_inline void pulse(struct task_struct *task, __u32 trigger)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct mem_cgroup *memcg;
	struct pulse *entry;
	__s64 grant;
	__u64 usage;
	__u32 key;

	if (!mm) /* idle, or a kernel thread */
		return;
	memcg = memcg_of_task(task);
	if (!memcg)
		return;
	key = bpf_get_smp_processor_id() * PULSES_PER_CPU +
	      ((__u64)memcg * 0x9e3779b97f4a7c15ULL >> (64 - PULSES_SHIFT));
	entry = bpf_map_lookup_elem(&pulses, &key);
	usage = BPF_CORE_READ(memcg, memory.usage.counter);
	if (!entry || (entry->memcg == (__u64)memcg && entry->generation == generation &&
		       usage <= entry->look_at_pages))
		return;
	entry->memcg = (__u64)memcg;
	entry->generation = generation;
	grant = look_at((__u64)mm, trigger, 0);
	entry->look_at_pages = usage + (grant < 0		  ? PAGES_UNGUARDED
					: grant > PULSE_PAGES_MAX ? PULSE_PAGES_MAX
								  : grant);
}

/* The timer interrupt, on a CPU that is not idle: costs no wake-up of its own. */
SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(on_tick)
{
	wake_overdue(bpf_ktime_get_ns());
	pulse((void *)bpf_get_current_task(), APO_TRIGGER_PULSE);
	return 0;
}

/* Who stops running before a tick finds it; still the running task here. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch)
{
	pulse((void *)bpf_get_current_task(), APO_TRIGGER_PULSE);
	return 0;
}

/* In place of on_switch where fexit is allowed: once per 64 pages of a CPU, when they are charged. */
SEC("fexit/page_counter_try_charge")
int BPF_PROG(on_charge)
{
	pulse((void *)bpf_get_current_task(), APO_TRIGGER_CHARGE);
	return 0;
}

/* Arguments differ between kernels; none is used. Mostly the running task is the one charged. */
SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(on_reclaim)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);

	if (mm)
		look_at((__u64)mm, APO_TRIGGER_RECLAIM, 0);
	return 0;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal_generate, int sig, void *info, struct task_struct *task, int group,
	     int result)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct apo_signalled *entry = bpf_map_lookup_elem(&signalled, &tgid);

	if (!entry || (__u32)sig != entry->signal || entry->generated_ns)
		return 0;
	entry->generate_result = result;
	entry->generated_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void close_emit(__u32 type, __u32 tgid, const struct apo_signalled *entry,
				       int exit_code)
{
	struct apo_guard *guard = bpf_map_lookup_elem(&guards, &entry->limit_cgroup);
	struct apo_close *rec = bpf_ringbuf_reserve(&records, sizeof(*rec), 0);

	if (!rec) {
		stat_add(APO_STAT_LOST_RECORDS);
		return;
	}
	rec->rec.type = type;
	rec->rec.size = sizeof(*rec);
	rec->id = entry->trip_id;
	rec->time_ns = bpf_ktime_get_ns();
	rec->generated_ns = entry->generated_ns;
	rec->delivered_ns = entry->delivered_ns;
	rec->peak_need_pages = guard ? guard->trip_peak_need_pages : 0;
	rec->least_headroom_pages = guard ? guard->trip_least_headroom_pages : 0;
	rec->tgid = tgid;
	rec->generate_result = entry->generate_result;
	rec->exit_code = exit_code;
	rec->oom_victim = entry->oom_victim;
	bpf_ringbuf_submit(rec, type == APO_REC_DELIVERED ? wake_later() : WAKE_NOW);
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal_deliver, int sig, void *info, struct k_sigaction *action)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct apo_signalled *entry = bpf_map_lookup_elem(&signalled, &tgid);

	if (!entry || (__u32)sig != entry->signal || entry->delivered_ns)
		return 0;
	entry->delivered_ns = bpf_ktime_get_ns();
	if (entry->brake && BPF_CORE_READ(action, sa.sa_handler)) /* not the default action */
		request_bare(APO_REC_BRAKE, entry->limit_cgroup, 0, 0);
	close_emit(APO_REC_DELIVERED, tgid, entry, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	struct apo_signalled *entry;
	int code;

	if (BPF_CORE_READ(signal, live.counter)) /* threads are left */
		return 0;
	entry = bpf_map_lookup_elem(&signalled, &tgid);
	if (entry) {
		code = BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT
			       ? BPF_CORE_READ(signal, group_exit_code)
			       : BPF_CORE_READ(task, group_leader, exit_code);
		close_emit(APO_REC_EXIT, tgid, entry, code);
		bpf_map_delete_elem(&signalled, &tgid);
	}
	bpf_map_delete_elem(&processes, &tgid);
	if (guard_pids_used)
		bpf_map_delete_elem(&guard_pids, &tgid);
	return 0;
}

/* A guarded process's children are guarded from before their first instruction. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = BPF_CORE_READ(parent, tgid), to = BPF_CORE_READ(child, tgid);
	__u32 *policy, value;

	policy = from != to ? bpf_map_lookup_elem(&guard_pids, &from) : NULL;
	if (!policy)
		return 0;
	value = *policy;
	if (bpf_map_update_elem(&guard_pids, &to, &value, BPF_ANY))
		stat_add(APO_STAT_MAP_FULL);
	return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_attach)
{
	__sync_fetch_and_add(&generation, 1);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_rmdir, struct cgroup *cgroup)
{
	__u64 id = BPF_CORE_READ(cgroup, kn, id), css = 0;

	/* v1: fires for every hierarchy, and each numbers its cgroups for itself. */
	bpf_probe_read_kernel(&css, sizeof(css),
			      (void *)cgroup + bpf_core_field_offset(struct cgroup, subsys) +
				      bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) *
					      sizeof(void *));
	if (!css)
		return 0;
	bpf_map_delete_elem(&guards, &id);
	__sync_fetch_and_add(&generation, 1); /* its address may be reused */
	return 0;
}

#define FORGOTTEN_NS (10 * NSEC_PER_SEC) /* as long as user space waits for the end of a trip */

/* Context: whoever was charged; the victim is the argument. */
SEC("tp_btf/mark_victim")
int BPF_PROG(on_mark_victim, struct task_struct *victim)
{
	struct mem_cgroup *memcg = memcg_of_task(victim);
	__u32 tgid = BPF_CORE_READ(victim, tgid), key;
	struct apo_reading reading = {};
	const struct apo_policy *policy;
	struct apo_signalled *entry;
	struct apo_process *process;
	struct apo_guard *guard;
	struct apo_oom *rec;
	int index;

	index = memcg ? policy_find((__u64)memcg, tgid) : -1;
	if (index < 0)
		return 0;
	key = index;
	policy = bpf_map_lookup_elem(&policies, &key);
	if (!policy || !memcg_read(memcg, &reading))
		return 0;
	reading.reserve_pages = reserve_of(policy, reading.limit_pages);
	entry = bpf_map_lookup_elem(&signalled, &tgid);
	if (entry && since(bpf_ktime_get_ns(), entry->time_ns) > FORGOTTEN_NS)
		entry = NULL; /* that trip is history: this kill was not caught */
	if (entry)
		entry->oom_victim = 1;
	guard = bpf_map_lookup_elem(&guards, &reading.limit_cgroup);
	if (guard) {
		__sync_fetch_and_add(&guard->oom_kills, 1);
		if (!entry)
			__sync_fetch_and_add(&guard->oom_kills_uncaught, 1);
	}
	stat_add(APO_STAT_OOM_KILLS);
	rec = bpf_ringbuf_reserve(&records, sizeof(*rec), 0);
	if (!rec) {
		stat_add(APO_STAT_LOST_RECORDS);
		return 0;
	}
	__builtin_memset(rec, 0, sizeof(*rec));
	rec->rec.type = APO_REC_OOM;
	rec->rec.size = sizeof(*rec);
	rec->time_ns = bpf_ktime_get_ns();
	rec->trip_id = entry ? entry->trip_id : 0;
	rec->limit_cgroup = reading.limit_cgroup;
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (process && process->spike_ns) {
		rec->spike_ns = process->spike_ns;
		rec->spike_pages = process->owned_pages - process->spike_base_pages;
	}
	task_describe(victim, memcg_id(memcg), &rec->victim);
	rec->reading = reading;
	bpf_ringbuf_submit(rec, WAKE_NOW);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
