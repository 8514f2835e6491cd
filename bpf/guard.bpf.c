// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * The hooks: programs that are attached as long as the guard runs. Four of them are triggers, which
 * check need against the limit (user/core/hooks.c has a row for each):
 *
 *   growth   an mm counter moved (kmem:rss_stat), in the fault itself; attached while a limit is armed
 *   charge   a batch of pages is charged, of whatever kind: where fexit is allowed
 *   tick     the timer tick found a guarded process running, or (without charge) it stops running,
 *            and its cgroup has grown: tmpfs writes, kernel memory
 *   reclaim  the cgroup reached its limit: the last chance
 *
 * Others close a trip: signal queued, handler entered, process gone, OOM victim chosen. The rest
 * follows processes and cgroups that come and go.
 */
#include "grant.bpf.h"
#include "profile.bpf.h"

#include <bpf/bpf_tracing.h>

/* --- the check ----------------------------------------------------------------------------- */

/*
 * Fills in who is checked, and by which policies. False: nobody guards it, or nothing limits it; or with a
 * binding limit, that is its own affair at present.
 */
static __always_inline bool check_begin(struct check *check)
{
	struct mem_cgroup *memcg = memcg_of_task(check->owner);
	__u32 policy, *above;

	if (!memcg)
		return false;
	check->process_policy = check->policy = policy_of_process(memcg, check->tgid);
	check->is_stranger = check->policy >= APO_MAX_POLICIES;
	if (check->is_stranger && !shares_with_guard((__u64)memcg) && !host_is_limit())
		return false;
	if (!limits_read(check, memcg))
		return false;
	if (check->is_stranger && !check->is_host) {
		above = bpf_map_lookup_elem(&guard_above, &check->reading.limit_cgroup);
		if (!above)
			return false;
		check->policy = *above;
	}
	check->cgroup_id = memcg_id(memcg);
	policy = check->is_host ? settings.host_policy : policy_of_limit((__u64)check->binding);
	check->is_covered = policy < APO_MAX_POLICIES;
	if (check->is_covered)
		check->policy = policy;
	return true;
}

/* What reclaim at the limit tells: of both a loan is wanted, whatever headroom there seems to be. */
static __always_inline void reclaim_note(struct check *check, struct process *process)
{
	if (check->trigger != APO_TRIGGER_RECLAIM || check->is_stranger)
		return;
	if (process->vain_ns && since(check->now, process->vain_ns) < VAIN_NS)
		check->loan |= LOAN_URGENT;
	if (is_stalled(check, process))
		check->loan |= LOAN_STALLED;
}

/*
 * One check: find the policy, read the limit, decide, act. `events` mm counter events have passed
 * since the last one. Returns a grant_result(), or GRANT_UNGUARDED. Not inlined, and of numbers
 * only: the programs around it stay short, and it is verified once.
 */
__noinline __s64 check_mm(__u64 mm_address, __u32 purpose, __u32 events)
{
	struct task_struct *current_task = (void *)bpf_get_current_task();
	struct mm_struct *mm = (void *)mm_address, *current_mm = BPF_CORE_READ(current_task, mm);
	struct task_struct *owner = BPF_CORE_READ(mm, owner);
	__u32 current_tgid = bpf_get_current_pid_tgid() >> 32;
	struct check *check = check_new(purpose);
	const struct apo_policy *policy;
	struct process *process;
	struct limit *limit;
	__u64 pages = 0;

	if (!owner || !check)
		return GRANT_UNGUARDED;
	check->mm = mm;
	check->owner = owner;
	check->events = events;
	check->trigger = purpose == CHECK_FIRST_SIGHT ? APO_TRIGGER_TICK : purpose;
	check->tgid = BPF_CORE_READ(owner, tgid);
	check->in_fault = current_mm == mm && current_tgid == check->tgid;
	/* fork fills the child's mm, exec the next one, while their owner has the caller's tgid */
	if (current_mm != mm && current_tgid == check->tgid)
		return 0;
	if (!check_begin(check))
		return check->binding ? grant_elsewhere(check) : GRANT_UNGUARDED;
	policy = policy_by_id(check->policy);
	if (!policy)
		return GRANT_UNGUARDED;
	stat_add(APO_STAT_CHECKS);
	check->now = bpf_ktime_get_ns();
	limit = limit_get(check);
	if (!limit)
		return 0;
	limit_update(check, limit, policy);
	line_find(check, limit, policy);
	if (is_armed(check, limit))
		arm(check);
	process = process_update(check, limit);
	if (process) {
		top_update(check, limit, process_rank(check, process));
		if (settings.guard_above && !check->is_stranger)
			largest_update(check->process_policy, check->tgid);
		reclaim_note(check, process);
	}
	if (purpose == CHECK_FIRST_SIGHT)
		return 0;
	decide(check, limit, process, policy);
	if (!act(check))
		pages = grant_pages(check, limit, policy);
	if (check->in_spike && profile_growth(check->key))
		pages = 0;
	if (wait_in_place(check, limit, policy))
		pages = 0;
	return grant_result(pages, recall_index(check->reading.limit_cgroup));
}

/* --- the triggers -------------------------------------------------------------------------- */

/*
 * User space runs it by BPF_PROG_TEST_RUN, in its own context, before anything attaches: at first, and once it has said
 * what is available of the machine's memory.
 */
SEC("raw_tp")
int prepare(void *ctx)
{
	struct mem_cgroup *memcg = memcg_of_task((void *)bpf_get_current_task());

	settings.self_tgid = bpf_get_current_pid_tgid() >> 32;
	offsets_find();
	if (settings.host_available_pages && memcg)
		host_calibrate((__u64)memcg);
	return 0;
}

/*
 * User space runs it once all is attached, where limits are shared with those that nobody guards: who has
 * grown before, and may never again, is to be known when somebody else fills the limit.
 */
SEC("iter/task")
int meet(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct mm_struct *mm;

	if (!task || task->pid != task->tgid)
		return 0;
	mm = BPF_CORE_READ(task, mm);
	if (mm)
		check_mm((__u64)mm, CHECK_FIRST_SIGHT, 0);
	return 0;
}

SEC("tp_btf/rss_stat")
int BPF_PROG(on_rss_stat, struct mm_struct *mm, int member)
{
	__u32 cpu = bpf_get_smp_processor_id(), events = 1, count;
	struct slot *slot = bpf_map_lookup_elem(&slots, &cpu);
	__s64 result;

	if (!slot)
		return 0;
	if (slot->mm == mm) {
		if (slot->left > 1 && slot->recalled == recalls_of(slot->recall) &&
		    compat_rss_count_of_event(mm, member) <=
			    slot->check_at_pages[member & (APO_KINDS - 1)]) {
			slot->left--;
			return 0;
		}
		events = slot->granted - slot->left + 1;
	}
	slot->mm = mm;
	count = recalls_seen();
	/* Read back, the pointer is a number, which is what a global function takes. */
	result = check_mm((__u64) * (struct mm_struct *volatile *)&slot->mm, APO_TRIGGER_GROWTH,
			  events);
	slot->recall = grant_recall_of(result);
	slot->recalled = recalls_of(slot->recall);
	grant_to_slot(slot, recalls_seen() == count ? result : 0);
	return 0;
}

/* The root cgroup, to which nothing is charged, stands for the machine. */
static __always_inline __u64 usage_of(struct mem_cgroup *memcg)
{
	if (host_is_limit() && !memcg_above((__u64)memcg))
		return settings.host_pages - host_free(host_pages((__u64)memcg));
	return BPF_CORE_READ(memcg, memory.usage.counter);
}

/* By more than it was to grow: what it grows by from here on is as new as it was then. */
static __always_inline bool has_fallen(const struct usage_grant *grant, __u64 usage)
{
	return grant->check_at_pages - usage > 2 * (__u64)grant->granted;
}

/* A check of the running process, if its cgroup has grown since the last one on this CPU. */
static __always_inline void check_usage(struct task_struct *task, __u32 trigger)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct usage_grant *grant;
	struct mem_cgroup *memcg;
	__s64 result;
	__u64 usage;
	__u32 count;

	if (!mm) /* idle, or a kernel thread */
		return;
	memcg = memcg_of_task(task);
	if (!memcg)
		return;
	grant = usage_grant_of(bpf_get_smp_processor_id(), (__u64)memcg);
	usage = usage_of(memcg);
	if (!grant ||
	    (grant->memcg == (__u64)memcg && grant->recalled == recalls_of(grant->recall) &&
	     usage <= grant->check_at_pages && !has_fallen(grant, usage)))
		return;
	grant->memcg = (__u64)memcg;
	count = recalls_seen();
	result = check_mm((__u64)mm, trigger, 0);
	grant->recall = grant_recall_of(result);
	grant->recalled = recalls_of(grant->recall);
	grant->granted = recalls_seen() == count ? grant_usage(result) : 0;
	grant->check_at_pages = usage + grant->granted;
}

/*
 * Whether a timer only wakes a process that sleeps: there may be many of these, and they are no ticks. What such
 * timers call is learned from one of our own, which sleeps for a moment when all is attached.
 */
static __always_inline bool wakes_sleeper(struct hrtimer *timer)
{
	__u64 function = (__u64)timer->function;
	struct hrtimer_sleeper *sleeper;
	struct task_struct *task;

	if (settings.sleeper_function)
		return function == settings.sleeper_function;
	sleeper = (void *)verifier_number(timer);
	task = BPF_CORE_READ(sleeper, task);
	if (task && (__u32)BPF_CORE_READ(task, tgid) == settings.self_tgid)
		settings.sleeper_function = function;
	return false;
}

/* The timer interrupt, on a CPU that is not idle: costs no wake-up of its own. */
SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(on_tick, struct hrtimer *timer)
{
	wake_overdue();
	if (wakes_sleeper(timer))
		return 0;
	check_usage((void *)bpf_get_current_task(), APO_TRIGGER_TICK);
	return 0;
}

/* Finds a process that stops running before a tick does; it is still the running task here. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch)
{
	check_usage((void *)bpf_get_current_task(), APO_TRIGGER_TICK);
	return 0;
}

/* Replaces on_switch where fexit is allowed: once per 64 pages of a CPU, when they are charged. */
SEC("fexit/page_counter_try_charge")
int BPF_PROG(on_charge)
{
	check_usage((void *)bpf_get_current_task(), APO_TRIGGER_CHARGE);
	return 0;
}

/* Arguments differ between kernels; none is used. Mostly the running task is the one charged. */
SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(on_reclaim)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);

	if (mm)
		check_mm((__u64)mm, APO_TRIGGER_RECLAIM, 0);
	return 0;
}

/*
 * The first argument is the number of pages reclaimed; not all kernels have a second. In vain: what counts as
 * reclaimable is not. The kernel tries again, and the check as it begins is told.
 */
SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(on_reclaim_end, unsigned long reclaimed)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process *process = bpf_map_lookup_elem(&processes, &tgid);
	struct mem_cgroup *memcg;
	struct check *check;
	__u64 reached;

	if (!process || process->shared.policy >= APO_MAX_POLICIES)
		return 0;
	if (reclaimed) {
		process->vain_ns = 0;
		return 0;
	}
	memcg = memcg_of_task(task);
	reached = memcg ? limit_reached((__u64)memcg) : 0;
	if (!reached)
		return 0;
	if (is_lifted(reached) && (check = check_new(CHECK_PINNED)))
		pinned_note(check->key, reached);
	process->vain_ns = bpf_ktime_get_ns();
	return 0;
}

/* --- the end of a trip --------------------------------------------------------------------- */

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

/* The handler of a process with an account is entered, and we have not signalled it. */
static __always_inline void note_told(__u32 tgid, __u32 signal, void *handler)
{
	struct process *process = bpf_map_lookup_elem(&processes, &tgid);
	const struct apo_policy *policy;

	if (!process || !handler)
		return;
	policy = policy_of_generation(process->shared.policy, process->shared.generation);
	if (policy && signal == policy->signal)
		process->told_ns = bpf_ktime_get_ns();
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal_deliver, int sig, void *info, struct k_sigaction *action)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct apo_signalled *entry = bpf_map_lookup_elem(&signalled, &tgid);
	const struct apo_policy *policy;

	if (!entry)
		note_told(tgid, sig, BPF_CORE_READ(action, sa.sa_handler));
	if (!entry || (__u32)sig != entry->signal || entry->delivered_ns)
		return 0;
	entry->delivered_ns = bpf_ktime_get_ns();
	policy = policy_of_generation(entry->policy, entry->generation);
	if (!memcg_v1 && policy && policy->flags & APO_POLICY_BRAKE && /* see brake.bpf.h */
	    BPF_CORE_READ(action, sa.sa_handler))		       /* not the default action */
		request_bare(APO_REC_BRAKE, entry->limit_cgroup, entry->policy, 0, 0, 0);
	close_emit(APO_REC_DELIVERED, task, entry, 0);
	return 0;
}

/*
 * User space has ended, and these programs outlive it: who grows is signalled here, as far as it can be, by the
 * reserve of the policy, since nobody raises a limit.
 */
static __always_inline void be_unattended(void)
{
	settings.unattended = 1;
	recall_all_grants();
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
	if (tgid == settings.self_tgid)
		be_unattended();
	entry = bpf_map_lookup_elem(&signalled, &tgid);
	if (entry) {
		code = BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT
			       ? BPF_CORE_READ(signal, group_exit_code)
			       : BPF_CORE_READ(task, group_leader, exit_code);
		close_emit(APO_REC_EXIT, task, entry, code);
		bpf_map_delete_elem(&signalled, &tgid);
	}
	bpf_map_delete_elem(&processes, &tgid);
	if (settings.profiling)
		bpf_map_delete_elem(&pythons, &tgid);
	if (settings.guard_pids)
		bpf_map_delete_elem(&guard_pids, &tgid);
	return 0;
}

/* --- processes and cgroups that come and go ------------------------------------------------ */

/* A guarded process's children are guarded from before their first instruction. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from, to, *policy, value;
	struct mem_cgroup *memcg;

	if (!settings.guard_pids)
		return 0;
	from = BPF_CORE_READ(parent, tgid);
	to = BPF_CORE_READ(child, tgid);
	policy = from != to ? bpf_map_lookup_elem(&guard_pids, &from) : NULL;
	if (!policy)
		return 0;
	value = *policy;
	if (!bpf_map_update_elem(&guard_pids, &to, &value, BPF_ANY))
		return 0;
	stat_add(APO_STAT_MAP_FULL);
	memcg = memcg_of_task(child);
	if (memcg)
		gap_note(memcg_id(memcg), APO_GAP_CHILD);
	return 0;
}

/*
 * Grants do not follow a process into another cgroup. It has moved already: the next check finds
 * the new cgroup.
 */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_attach, struct cgroup *to, const char *path, struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);

	if (mm)
		slots_forget((__u64)mm);
	return 0;
}

/* 0: it has none. v1: what is of another hierarchy, whose cgroup ids overlap. */
static __always_inline __u64 memcg_of_cgroup(struct cgroup *cgroup)
{
	__u64 memcg = 0;

	bpf_probe_read_kernel(&memcg, sizeof(memcg),
			      (void *)cgroup + bpf_core_field_offset(struct cgroup, subsys) +
				      bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) *
					      sizeof(void *));
	return memcg;
}

/* v2: it may get a memory controller later. */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_mkdir, struct cgroup *cgroup)
{
	struct apo_cgroup_made *made;

	if (!settings.tells_cgroups || (memcg_v1 && !memcg_of_cgroup(cgroup)))
		return 0;
	made = bpf_ringbuf_reserve(&records, sizeof(*made), 0);
	if (!made) {
		stat_add(APO_STAT_LOST_RECORDS);
		return 0;
	}
	record_begin(&made->rec, APO_REC_CGROUP, sizeof(*made), APO_POLICY_NONE);
	made->cgroup = BPF_CORE_READ(cgroup, kn, id);
	bpf_ringbuf_submit(made, BPF_RB_FORCE_WAKEUP);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_rmdir, struct cgroup *cgroup)
{
	struct apo_limit_key key = {.cgroup_id = BPF_CORE_READ(cgroup, kn, id)};
	__u64 memcg = memcg_of_cgroup(cgroup);

	if (!memcg)
		return 0;
	for (__u32 policy = 0; policy < APO_MAX_POLICIES; policy++) {
		key.policy = policy;
		bpf_map_delete_elem(&limits, &key);
	}
	bpf_map_delete_elem(&loans, &key.cgroup_id);
	bpf_map_delete_elem(&pinned, &key.cgroup_id);
	bpf_map_delete_elem(&guard_cgroups, &key.cgroup_id);
	bpf_map_delete_elem(&guard_above, &key.cgroup_id);
	gaps_forget(key.cgroup_id);
	usage_grants_forget(memcg);
	return 0;
}

/* --- OOM kills ----------------------------------------------------------------------------- */

static __always_inline void count_oom_kill(struct limit *limit, bool caught)
{
	stat_add(APO_STAT_OOM_KILLS);
	if (!caught)
		stat_add(APO_STAT_OOM_UNCAUGHT);
	if (!limit)
		return;
	__sync_fetch_and_add(&limit->shared.oom_kills, 1);
	if (!caught)
		__sync_fetch_and_add(&limit->shared.oom_kills_uncaught, 1);
}

/* The running task is the one that was charged; the victim is the argument. */
SEC("tp_btf/mark_victim")
int BPF_PROG(on_mark_victim, struct task_struct *victim)
{
	struct mem_cgroup *memcg = memcg_of_task(victim);
	__u32 tgid = BPF_CORE_READ(victim, tgid), own, id;
	struct check *check = check_new(CHECK_VICTIM);
	struct apo_reading *reading;
	const struct apo_policy *policy;
	struct apo_signalled *entry;

	own = memcg ? policy_of_process(memcg, tgid) : APO_POLICY_NONE;
	if (own >= APO_MAX_POLICIES || !check || !limits_read(check, memcg))
		return 0;
	id = check->is_host ? settings.host_policy : policy_of_limit((__u64)check->binding);
	if (id >= APO_MAX_POLICIES)
		id = own;
	policy = policy_by_id(id);
	if (!policy)
		return 0;
	reading = &check->reading;
	reading->reserve_pages = line_of(
		reading, policy, may_be_lent(loan_state((__u64)check->binding, 0, 0), policy), 0);
	entry = bpf_map_lookup_elem(&signalled, &tgid);
	if (entry && since(bpf_ktime_get_ns(), entry->time_ns) > policy->trip_ns)
		entry = NULL; /* that trip is over: this kill was not caught */
	if (entry)
		entry->oom_victim = 1;
	count_oom_kill(limit_find(reading->limit_cgroup, id), entry != NULL);
	paths_emit(check->binding, memcg);
	oom_emit(victim, memcg_id(memcg), id, own, reading, entry);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
