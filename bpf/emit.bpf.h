/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Records: all that user space is told, and when it is woken for it. A record that has no room is
 * counted, and nothing else is lost with it.
 */
#pragma once

#include "decide.bpf.h"

/* --- waking user space --------------------------------------------------------------------- */

#define WAKE_NOW BPF_RB_FORCE_WAKEUP /* never adaptive: earlier records may not have woken */
#define WAKE_DELAY_NS 3000000ULL

/*
 * For records between a signal and the end of its handler. A wake-up on this CPU makes the
 * scheduler notice that the running thread has used up its slice; the thread then waits until the
 * others have had theirs, 3 to 16 ms as measured with more threads than CPUs. Requests for the
 * airbag cannot wait and do wake the responder.
 */
static __always_inline __u64 wake_later(void)
{
	if (!settings.has_tick)
		return WAKE_NOW;
	if (!wake_due_ns)
		wake_due_ns = bpf_ktime_get_ns() + WAKE_DELAY_NS;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void wake_overdue(void)
{
	void *nothing;

	if (!wake_due_ns || bpf_ktime_get_ns() < wake_due_ns)
		return;
	nothing = bpf_ringbuf_reserve(&records, sizeof(__u64), 0);
	if (!nothing)
		return;
	wake_due_ns = 0;
	bpf_ringbuf_discard(nothing, WAKE_NOW);
	nothing = bpf_ringbuf_reserve(&urgent, sizeof(__u64), 0);
	if (nothing)
		bpf_ringbuf_discard(nothing, WAKE_NOW);
}

static __always_inline void record_begin(struct apo_record *record, __u32 type, __u32 size,
					 __u32 policy)
{
	record->type = type;
	record->size = size;
	record->policy = policy;
	record->generation = settings.generation;
}

/* --- requests, for the responder ----------------------------------------------------------- */

/* The process the decision is about: the one of the check, or one known by its account. */
static __always_inline void grower_fill(struct check *check, const struct decision *decision,
					struct apo_task *ret)
{
	struct process *process;

	if (decision->target_tgid == check->tgid) {
		task_describe(check->owner, check->cgroup_id, ret);
	} else {
		__builtin_memset(ret, 0, sizeof(*ret));
		ret->tgid = decision->target_tgid;
		process = bpf_map_lookup_elem(&processes, &decision->target_tgid);
		if (process) {
			ret->ns_tgid = process->shared.ns_tgid;
			ret->ns_level = process->shared.ns_level;
			ret->start_boottime_ns = process->shared.start_boottime_ns;
			ret->cgroup_id = process->shared.cgroup_id;
			__builtin_memcpy(ret->comm, process->shared.comm, sizeof(ret->comm));
		}
	}
	ret->disposition = decision->disposition;
}

/*
 * The command line of the process of the check, APO_ARGS_LEN bytes at most. Whoever reads it later may come
 * too late, or be made to wait. Returns its length, 0 where it cannot be read here.
 */
static __always_inline __u32 args_read(struct check *check, char *ret)
{
	struct mm_struct *mm = check->mm;
	__u64 start = BPF_CORE_READ(mm, arg_start), length = BPF_CORE_READ(mm, arg_end) - start;

	if (length > APO_ARGS_LEN)
		length = APO_ARGS_LEN;
	if (!check->in_fault || bpf_probe_read_user(ret, length, (void *)start))
		return 0;
	return length;
}

/* A global function, as trip_emit() is: verified once. */
__noinline int request_emit(__u32 key, __u32 wanted, __u32 flags)
{
	struct check *check = check_of(key);
	const struct decision *decision;
	struct apo_request *request;
	const struct limit *limit;

	limit = check ? limit_find(check->reading.limit_cgroup, check->policy) : NULL;
	if (!limit)
		return 0;
	decision = &check->decision;
	request = bpf_ringbuf_reserve(&urgent, sizeof(*request), 0);
	if (!request) {
		stat_add(APO_STAT_LOST_RECORDS);
		return 0;
	}
	record_begin(&request->rec, APO_REC_REQUEST, sizeof(*request), check->policy);
	request->trip_id = check->now;
	request->limit_cgroup = check->reading.limit_cgroup;
	grower_fill(check, decision, &request->grower);
	request->process_policy = decision->policy;
	request->signal = wanted;
	request->rule = decision->rule;
	request->rate_pages_s = limit->shared.rate_pages_s;
	request->flags = flags | (check->is_host ? APO_REQUEST_HOST : 0);
	request->swap_pages = check->reading.swap_pages;
	request->reserve_pages = check->reading.reserve_pages;
	request->args_len = request->pad = 0;
	if (flags & APO_REQUEST_SIGNAL && decision->target_tgid == check->tgid)
		request->args_len = args_read(check, request->args);
	/* The end of a grace alone is nothing that cannot wait. */
	bpf_ringbuf_submit(request, flags == APO_REQUEST_GRACE ? wake_later() : WAKE_NOW);
	if (flags & APO_REQUEST_SIGNAL)
		stat_add(APO_STAT_DELEGATED);
	return 0;
}

/*
 * A request that is about a limit, for a process of that cgroup (0: no matter) and for none by name.
 * Returns whether there was room for it.
 */
static __always_inline bool request_bare(__u32 type, __u64 limit_cgroup, __u32 policy,
					 __u64 cgroup_id, __u64 rate_pages_s, __u32 flags)
{
	struct apo_request *request = bpf_ringbuf_reserve(&urgent, sizeof(*request), 0);

	if (!request) {
		stat_add(APO_STAT_LOST_RECORDS);
		return false;
	}
	__builtin_memset(request, 0, sizeof(*request));
	record_begin(&request->rec, type, sizeof(*request), policy);
	request->limit_cgroup = limit_cgroup;
	request->process_policy = policy;
	request->grower.cgroup_id = cgroup_id;
	request->rate_pages_s = rate_pages_s;
	request->flags = flags;
	bpf_ringbuf_submit(request, WAKE_NOW);
	return true;
}

#define ARMED_NS NSEC_PER_SEC  /* how exact armed_ns is: all CPUs write it */
#define ARM_ASK_NS 10000000ULL /* between two requests: attaching takes less, mostly */

/* A limit that is armed was checked: the growth trigger is to be there, or to stay. */
static __always_inline void arm(const struct check *check)
{
	if (since(check->now, settings.armed_ns) >= ARMED_NS)
		settings.armed_ns = check->now;
	if (settings.growth_attached || since(check->now, settings.arm_asked_ns) < ARM_ASK_NS)
		return;
	settings.arm_asked_ns = check->now;
	request_bare(APO_REC_ARM, check->reading.limit_cgroup, check->policy, 0, 0, 0);
}

/* --- records, for the slow path ------------------------------------------------------------ */

#define NAME_ROOM 128 /* of one name in a path; a container's id and what is around it take 90 */

/* The path of a cgroup, for the record that follows. A global function: verified once. */
__noinline int path_emit(__u64 memcg_address)
{
	struct apo_cgroup_path *path;
	__u64 at = memcg_address;
	__u32 used = 0;
	long n;

	path = at ? bpf_ringbuf_reserve(&records, sizeof(*path), 0) : NULL;
	if (!path) {
		stat_add(APO_STAT_LOST_RECORDS);
		return 0;
	}
	record_begin(&path->rec, APO_REC_PATH, sizeof(*path), APO_POLICY_NONE);
	path->cgroup = memcg_id_at(at);
	path->is_whole = 0;
	for (__u32 i = 0; i < APO_MAX_DEPTH && at; i++, at = memcg_above(at)) {
		struct mem_cgroup *memcg = (void *)at;

		if (memcg_id_at(at) == settings.root_cgroup) {
			path->is_whole = 1;
			break;
		}
		if (used > APO_PATH_LEN - NAME_ROOM)
			break;
		n = bpf_probe_read_kernel_str(&path->names[used], NAME_ROOM,
					      BPF_CORE_READ(memcg, css.cgroup, kn, name));
		if (n <= 1 || n >= NAME_ROOM) /* it may have been cut */
			break;
		used += n;
	}
	path->length = used;
	bpf_ringbuf_submit(path, wake_later());
	return 0;
}

/* Those of a limit and of who is charged below it. */
static __always_inline void paths_emit(struct mem_cgroup *limit, struct mem_cgroup *charged)
{
	path_emit((__u64)limit);
	if (charged != limit)
		path_emit((__u64)charged);
}

/* What is known of the target's memory, by its account where it is not the process of the check. */
static __always_inline void trip_fill_memory(struct check *check, struct apo_trip *trip)
{
	struct process *process = bpf_map_lookup_elem(&processes, &check->decision.target_tgid);

	trip->faults = process ? process->shared.faults : 0;
	trip->spike_ns = process ? process->spike_ns : 0;
	trip->spike_pages = process ? process->owned_pages - process->spike_base_pages : 0;
	if (check->decision.target_tgid == check->tgid)
		rss_exact(check->mm, check->in_fault ? (void *)bpf_get_current_task() : NULL,
			  trip->rss_pages);
	else if (process)
		__builtin_memcpy(trip->rss_pages, process->shared.rss_pages,
				 sizeof(trip->rss_pages));
	else
		__builtin_memset(trip->rss_pages, 0, sizeof(trip->rss_pages));
}

__noinline int trip_emit(__u32 key)
{
	struct check *check = check_of(key);
	const struct decision *decision;
	const struct apo_policy *policy;
	const struct limit *limit;
	struct apo_trip *trip;

	limit = check ? limit_find(check->reading.limit_cgroup, check->policy) : NULL;
	if (!limit)
		return 0;
	decision = &check->decision;
	policy = policy_by_id(decision->policy);
	if (!policy)
		return 0;
	paths_emit(check->binding, memcg_of_task(check->owner));
	trip = bpf_ringbuf_reserve(&records, sizeof(*trip), 0);
	if (!trip) {
		stat_add(APO_STAT_LOST_RECORDS);
		return 0;
	}
	record_begin(&trip->rec, decision->rule == APO_RULE_WARN ? APO_REC_WARN : APO_REC_TRIP,
		     sizeof(*trip), check->policy);
	trip->id = check->now;
	trip->crossed_ns = check->now;
	trip->signal_ns = decision->signal_ns;
	trip->forecast_ns = forecast_of(limit, room_of(&check->reading));
	trip->rate_pages_s = limit->shared.rate_pages_s;
	trip->reading = check->reading;
	trip->trigger = check->trigger;
	trip->rule = decision->rule;
	trip->process_policy = decision->policy;
	trip->target_kind = policy->target;
	trip->signal = decision->signal;
	trip->action = decision->action;
	trip->error = decision->error;
	trip->level = apo_stage_level(decision->stage);
	trip->cause_tgid = decision->cause_tgid;
	grower_fill(check, decision, &trip->grower);
	trip->target = trip->grower;
	if (policy->target != APO_TARGET_GROWER)
		__builtin_memset(&trip->target, 0, sizeof(trip->target));
	trip_fill_memory(check, trip);
	trip->args_len = 0;
	if (decision->target_tgid == check->tgid)
		trip->args_len = args_read(check, trip->args);
	bpf_ringbuf_submit(trip, decision->action == APO_ACT_SENT &&
						 decision->disposition == APO_DISP_HANDLED
					 ? wake_later()
					 : WAKE_NOW);
	return 0;
}

/*
 * The confirmation or the end of a signalled process, which `task` belongs to. Of one that another version has
 * signalled nothing is known.
 */
static __always_inline void close_emit(__u32 type, struct task_struct *task,
				       const struct apo_signalled *entry, int exit_code)
{
	struct limit *limit = limit_find(entry->limit_cgroup, entry->policy);
	struct mem_cgroup *memcg = memcg_of_task(task);
	struct apo_close *rec;

	if (!entry->trip_id)
		return;
	rec = bpf_ringbuf_reserve(&records, sizeof(*rec), 0);
	if (!rec) {
		stat_add(APO_STAT_LOST_RECORDS);
		return;
	}
	record_begin(&rec->rec, type, sizeof(*rec), entry->policy);
	rec->rec.generation = entry->generation;
	rec->id = entry->trip_id;
	rec->time_ns = bpf_ktime_get_ns();
	rec->generated_ns = entry->generated_ns;
	rec->delivered_ns = entry->delivered_ns;
	rec->limit_cgroup = entry->limit_cgroup;
	rec->limit_pages = limit ? limit->shared.limit_pages : 0;
	rec->peak_need_pages = limit ? limit->shared.trip_peak_need_pages : 0;
	rec->least_headroom_pages = limit ? limit->shared.trip_least_headroom_pages : 0;
	task_describe(task, memcg ? memcg_id(memcg) : 0, &rec->task);
	rec->process_policy = entry->process_policy;
	rec->signal = entry->signal;
	rec->generate_result = entry->generate_result;
	rec->exit_code = exit_code;
	rec->oom_victim = entry->oom_victim;
	rec->pad = 0;
	bpf_ringbuf_submit(rec, type == APO_REC_DELIVERED ? wake_later() : WAKE_NOW);
}

/* reading: of the victim's binding limit; entry: of the trip that preceded, NULL: none did. */
static __always_inline void oom_emit(struct task_struct *victim, __u64 cgroup_id, __u32 policy,
				     __u32 process_policy, const struct apo_reading *reading,
				     const struct apo_signalled *entry)
{
	__u32 tgid = BPF_CORE_READ(victim, tgid);
	struct apo_oom *rec = bpf_ringbuf_reserve(&records, sizeof(*rec), 0);
	struct process *process;

	if (!rec) {
		stat_add(APO_STAT_LOST_RECORDS);
		return;
	}
	__builtin_memset(rec, 0, sizeof(*rec));
	record_begin(&rec->rec, APO_REC_OOM, sizeof(*rec), policy);
	rec->time_ns = bpf_ktime_get_ns();
	rec->limit_cgroup = reading->limit_cgroup;
	rec->process_policy = process_policy;
	if (entry) {
		rec->trip_id = entry->trip_id;
		rec->generated_ns = entry->generated_ns;
		rec->delivered_ns = entry->delivered_ns;
		rec->signal = entry->signal;
	}
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (process && process->spike_ns) {
		rec->spike_ns = process->spike_ns;
		rec->spike_pages = process->owned_pages - process->spike_base_pages;
	}
	task_describe(victim, cgroup_id, &rec->victim);
	rec->reading = *reading;
	bpf_ringbuf_submit(rec, WAKE_NOW);
}

/* Tells the slow path of a spike, so that it can read before the trip what is gone after it. */
static __always_inline void spike_emit(struct check *check, struct process *process)
{
	struct apo_spike *spike = bpf_ringbuf_reserve(&records, sizeof(*spike), 0);

	if (!spike) {
		stat_add(APO_STAT_LOST_RECORDS);
		return;
	}
	record_begin(&spike->rec, APO_REC_SPIKE, sizeof(*spike), check->policy);
	spike->spike_ns = process->spike_ns;
	task_describe(check->owner, check->cgroup_id, &spike->task);
	spike->limit_cgroup = check->reading.limit_cgroup;
	bpf_ringbuf_submit(spike, wake_later());
}
