/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Acts on a decision: one CPU moves the stage, remembers the target, sends the signal, and tells
 * user space.
 */
#pragma once

#include "emit.bpf.h"
#include "signal.bpf.h"

enum stage_kind { STAGE_TRIP, STAGE_WARN };

/*
 * Moves a stage of the limit's account from the value that the decision rests on. It returns true
 * on one CPU only, which then acts. The latch keeps other CPUs out while the stage is compared and
 * written; a CPU that comes later finds another stage.
 */
static __noinline bool stage_move(struct check *check, struct limit *limit, __u32 what, __u64 from,
				  __u64 to)
{
	struct latch_key key = {check->reading.limit_cgroup, check->policy, what};
	volatile __u64 *stage = what == STAGE_WARN ? &limit->warn_stage : &limit->shared.stage;
	bool moved = false;
	__u8 held = 1;

	if (bpf_map_update_elem(&latches, &key, &held, BPF_NOEXIST))
		return false;
	if (*stage == from) {
		*stage = to;
		moved = true;
	}
	bpf_map_delete_elem(&latches, &key);
	return moved;
}

static __always_inline void signal_other(struct decision *decision, __u32 wanted, __u32 use)
{
	struct process *process = bpf_map_lookup_elem(&processes, &decision->target_tgid);
	__u32 signal = 0, disposition = decision->disposition;
	int r = -ESRCH;

	if (process)
		r = signal_other_send(decision->target_tgid, process->shared.start_boottime_ns,
				      wanted, use, &signal, &disposition);
	decision->signal = signal;
	decision->disposition = disposition;
	decision->action = APO_ACT_DELEGATED; /* the responder does what it can */
	if (r == -ESRCH) {
		decision->action = APO_ACT_DISAPPEARED;
	} else if (!r && decision->signal) {
		decision->action = APO_ACT_SENT;
		decision->signal_ns = bpf_ktime_get_ns();
	} else if (!r && use & SIGNAL_WARN) {
		decision->action = APO_ACT_NONE;
	}
}

/* Sends decision->signal, which is chosen already, to the running process. */
static __always_inline void signal_current(struct decision *decision, bool warn)
{
	if (!decision->signal) { /* the responder tries the leader */
		decision->action = warn ? APO_ACT_NONE : APO_ACT_DELEGATED;
		return;
	}
	decision->action = APO_ACT_SENT;
	decision->error = bpf_send_signal(decision->signal);
	if (decision->error == -EBUSY) {
		stat_add(APO_STAT_BUSY);
		return;
	}
	if (decision->error) { /* -EPERM: exiting, or its mm is not loaded */
		decision->action = APO_ACT_DELEGATED;
		return;
	}
	decision->signal_ns = bpf_ktime_get_ns();
}

#define TOLD_NS (60 * NSEC_PER_SEC) /* a shutdown takes no longer; who lives on may be told again */

/* Somebody else has sent it the signal, and it shuts down: a second one may end it at once. */
static __always_inline bool was_told(__u32 tgid)
{
	const struct process *process = bpf_map_lookup_elem(&processes, &tgid);

	return process && process->told_ns && since(bpf_ktime_get_ns(), process->told_ns) < TOLD_NS;
}

/* Remembers whom the signal is for, before it is sent: its delivery may follow at once. False: no room. */
static __noinline bool signalled_remember(struct check *check, const struct decision *decision,
					  __u32 signal)
{
	struct apo_signalled entry = {
		.trip_id = check->now,
		.limit_cgroup = check->reading.limit_cgroup,
		.time_ns = check->now,
		.policy = check->policy,
		.process_policy = decision->policy,
		.generation = settings.generation,
		.signal = signal,
		.generate_result = -1,
	};
	struct process *process = bpf_map_lookup_elem(&processes, &decision->target_tgid);

	if (process) {
		entry.start_boottime_ns = process->shared.start_boottime_ns;
		if (was_told(decision->target_tgid))
			entry.generated_ns = entry.delivered_ns = process->told_ns;
	}
	return !bpf_map_update_elem(&signalled, &decision->target_tgid, &entry, BPF_ANY);
}

/* -EBUSY: another user of BPF holds this CPU's one slot for signals. Tried again for so long. */
#define PENDING_NS NSEC_PER_SEC

static __always_inline void pending_retry(struct check *check)
{
	struct apo_signalled *entry;

	if (!check->in_fault)
		return;
	entry = bpf_map_lookup_elem(&signalled, &check->tgid);
	if (!entry || !entry->pending)
		return;
	if (since(check->now, entry->time_ns) > PENDING_NS) {
		entry->pending = 0; /* that crossing is long over */
	} else if (bpf_send_signal(entry->signal) == 0) {
		entry->pending = 0;
		stat_add(APO_STAT_SENT);
	}
}

/* A warning at a level that nobody has asked for is an event, whatever the target's own policy says of warnings. */
static __always_inline bool is_unasked(const struct check *check, const struct decision *decision)
{
	const struct apo_policy *limit_policy = policy_by_id(check->policy);

	return decision->rule == APO_RULE_WARN && limit_policy &&
	       limit_policy->flags & APO_POLICY_WARN_UNASKED;
}

/*
 * Remembers the target, sends the signal, and reports both. A full map or ring does not keep the
 * signal back. `policy` is the target's own. Returns the action, APO_ACT_NONE if sending failed.
 */
static __noinline __u64 signal_target(struct check *check, const struct apo_policy *policy,
				      struct decision *decision)
{
	const struct apo_policy *limit_policy = policy_by_id(check->policy);
	bool warn = decision->rule == APO_RULE_WARN;
	bool own = decision->target_tgid == check->tgid && check->in_fault;
	__u32 wanted = warn ? policy->warn_signal : policy->signal, signal = wanted, flags;
	__u32 use = (warn ? SIGNAL_WARN : 0) |
		    (policy->flags & APO_POLICY_SIGNAL_GIVEN ? SIGNAL_GIVEN : 0);
	__u32 disposition = APO_DISP_UNKNOWN;

	if (!limit_policy)
		return APO_ACT_NONE;
	if (is_unasked(check, decision))
		wanted = 0;
	if (own && wanted) {
		decision->signal = signal_choose(bpf_get_current_task(), wanted, use, &disposition);
		decision->disposition = disposition;
		if (decision->signal) {
			signal = decision->signal;
			own = signal_is_ours((void *)bpf_get_current_task(), signal);
		}
	}
	if (!warn && !signalled_remember(check, decision, signal)) {
		stat_add(APO_STAT_MAP_FULL);
		gap_note(check->reading.limit_cgroup, APO_GAP_TARGET);
	}
	if (!wanted && !decision->by_profile)
		decision->action = APO_ACT_NONE; /* a warning that is only an event */
	else if ((policy->flags | limit_policy->flags) & APO_POLICY_DRY_RUN)
		decision->action = APO_ACT_DRY_RUN;
	else if (policy->target == APO_TARGET_GROWER && was_told(decision->target_tgid))
		decision->action = APO_ACT_TOLD;
	else if ((policy->target != APO_TARGET_GROWER && !settings.unattended) ||
		 decision->by_profile)
		decision->action = APO_ACT_DELEGATED;
	else if (own)
		signal_current(decision, warn);
	else
		signal_other(decision, wanted, use);

	if (!warn && (decision->error == -EBUSY || decision->signal != signal)) {
		struct apo_signalled *kept =
			bpf_map_lookup_elem(&signalled, &decision->target_tgid);

		if (kept) {
			kept->pending = decision->error == -EBUSY;
			if (decision->signal)
				kept->signal = decision->signal;
		}
	}
	trip_emit(check->key);
	/* After the trip: the slow path matches the responder's results to it. */
	flags = decision->action == APO_ACT_DELEGATED ? APO_REQUEST_SIGNAL : 0;
	if (!warn && decision->action != APO_ACT_DRY_RUN) {
		flags |= APO_REQUEST_GRACE;
		if (limit_policy->flags & APO_POLICY_AIRBAG)
			flags |= APO_REQUEST_AIRBAG;
	}
	if (flags)
		request_emit(check->key, wanted, flags);
	return decision->error ? APO_ACT_NONE : decision->action;
}

/* A global function: verified once. Returns 1, or 0 where there is no room for the record. */
__noinline int limit_tell(__u64 limit_cgroup)
{
	struct apo_limit_seen *seen = bpf_ringbuf_reserve(&records, sizeof(*seen), 0);

	if (!seen) {
		stat_add(APO_STAT_LOST_RECORDS);
		return 0;
	}
	record_begin(&seen->rec, APO_REC_LIMIT, sizeof(*seen), APO_POLICY_NONE);
	seen->limit_cgroup = limit_cgroup;
	bpf_ringbuf_submit(seen, wake_later());
	return 1;
}

/* Does what a decision wants besides a signal. */
static __always_inline void request_wanted(struct check *check, struct limit *limit,
					   const struct decision *decision)
{
	__u64 id = check->reading.limit_cgroup;

	if (decision->wants & WANT_PREPARE)
		limit->prepared = request_bare(APO_REC_PREPARE, id, check->policy, 0, 0, 0);
	if (decision->wants & WANT_TELL && limit_tell(id))
		limit->told = 1 + is_filling(check, limit);
	if (decision->wants & WANT_REFRESH)
		request_bare(APO_REC_REFRESH, id, check->policy, 0, 0, 0);
	if (decision->wants & WANT_AIRBAG)
		request_bare(APO_REC_REQUEST, id, check->policy,
			     check->is_stranger ? 0 : check->cgroup_id, limit->shared.rate_pages_s,
			     APO_REQUEST_AIRBAG |
				     (check->loan & LOAN_STALLED ? APO_REQUEST_STALLED : 0));
	if (decision->wants & WANT_RETRY)
		pending_retry(check);
}

/* Counts a trip or a warning. Only the CPU that has moved the stage comes here. */
static __always_inline void count_decision(struct check *check, struct limit *limit,
					   const struct decision *decision)
{
	if (decision->rule == APO_RULE_WARN) {
		__sync_fetch_and_add(&limit->shared.warns, 1);
		stat_add(APO_STAT_WARNS);
		return;
	}
	if (!apo_stage_level(decision->stage)) {
		limit->shared.trip_peak_need_pages = limit->shared.need_pages;
		limit->shared.trip_least_headroom_pages = check->reading.headroom_pages;
	}
	limit->shared.last_trip_ns = check->now;
	__sync_fetch_and_add(&limit->shared.trips, 1);
	stat_add(APO_STAT_TRIPS);
}

/* The stage after a decision. That of warnings is odd while warned; see apo_stage() for trips. */
static __always_inline __u64 next_stage(const struct decision *decision)
{
	if (decision->rule != APO_RULE_WARN && decision->wants & WANT_REARM)
		return apo_stage(apo_stage_epoch(decision->stage) + 1, 0);
	return decision->stage + 1;
}

#define START_TICK_NS 10000000ULL /* of the times in /proc/PID/stat: 1/USER_HZ */

/* Whether it is a main process whose owner has declared how it is stopped. */
static __always_inline bool is_declared(__u32 tgid, __u64 start_boottime_ns)
{
	const struct apo_declared *entry = bpf_map_lookup_elem(&declared, &tgid);

	/* A tick either way is the same. */
	return entry &&
	       start_boottime_ns + START_TICK_NS - entry->start_boottime_ns <= 2 * START_TICK_NS;
}

/*
 * Whether the responder knows better how the target is to be told. Many give themselves another name than they
 * began with: where it is the process of the check, its account has the one of now from here on.
 */
static __noinline bool is_profiled(struct check *check, const struct decision *decision,
				   const struct apo_policy *policy)
{
	bool warn = decision->rule == APO_RULE_WARN;
	struct process *process = bpf_map_lookup_elem(&processes, &decision->target_tgid);
	struct apo_profiled_key key = {.bits = 8 * sizeof(key.comm)};
	struct task_struct *owner = check->owner, *leader;
	const __u32 *uses;

	if (!process ||
	    (warn ? !policy->warn_signal && !(policy->flags & APO_POLICY_WARN_BY_PROFILE)
		  : policy->flags & APO_POLICY_SIGNAL_GIVEN))
		return false;
	if (!warn && !settings.unattended &&
	    is_declared(decision->target_tgid, process->shared.start_boottime_ns))
		return true;
	if (decision->target_tgid == check->tgid) {
		leader = BPF_CORE_READ(owner, group_leader);
		bpf_probe_read_kernel(process->shared.comm, sizeof(process->shared.comm),
				      &leader->comm);
	}
	__builtin_memcpy(key.comm, process->shared.comm, sizeof(key.comm));
	uses = bpf_map_lookup_elem(&profiled, &key);
	if (settings.unattended)
		return uses && *uses & APO_PROFILED_NEVER;
	return uses && *uses & (warn ? APO_PROFILED_WARN : APO_PROFILED_STOP);
}

/*
 * Does what was decided in a check. Returns whether a signal was due: then the next event is checked too. A
 * global function: verified once.
 */
__noinline int act_on(__u32 key)
{
	struct check *check = check_of(key);
	struct decision *decision;
	const struct apo_policy *policy;
	struct limit *limit;
	__u64 action;
	__u32 kind;

	limit = check ? limit_find(check->reading.limit_cgroup, check->policy) : NULL;
	if (!limit)
		return false;
	decision = &check->decision;
	kind = decision->rule == APO_RULE_WARN ? STAGE_WARN : STAGE_TRIP;
	request_wanted(check, limit, decision);
	if (!decision->target_tgid && !(decision->wants & WANT_REARM))
		return false;
	if (!stage_move(check, limit, kind, decision->stage, next_stage(decision)))
		return false;
	if (kind == STAGE_TRIP && decision->wants & WANT_REARM)
		limit->rearm_ns = check->now;
	if (!decision->target_tgid)
		return false;
	policy = policy_by_id(decision->policy);
	if (!policy)
		return false;
	count_decision(check, limit, decision);
	decision->by_profile = !is_unasked(check, decision) && is_profiled(check, decision, policy);
	action = signal_target(check, policy, decision);
	if (action == APO_ACT_SENT)
		stat_add(APO_STAT_SENT);
	if (action == APO_ACT_DISAPPEARED && kind == STAGE_TRIP) /* the line stays for others */
		stage_move(check, limit, kind, decision->stage + 1,
			   apo_stage(apo_stage_epoch(decision->stage) + 1,
				     apo_stage_level(decision->stage)));
	return true;
}

static __always_inline bool act(const struct check *check)
{
	return (check->decision.wants || check->decision.target_tgid) && act_on(check->key);
}
