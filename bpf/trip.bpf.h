/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The decision: whether a guard must act now, on whom, and acting.
 *
 * The line is the reserve. After a trip the next line is half the reserve, then a quarter, and so
 * on: a second process that spikes in the same cgroup gets a signal of its own, if it made at
 * least a quarter of the growth since the last one. The guard is re-armed when headroom is ample
 * again. A process is not signalled twice within the cooldown.
 */
#pragma once

#include "signal.bpf.h"

#define STEP_WARN (~0U)

/* What was decided, on its way from the decision to the record. */
struct decision {
	__u32 step; /* of the guard, read once: another CPU may decide meanwhile */
	__u32 target_tgid;
	__u32 signal;
	__u32 disposition;
	__s32 error;
	__u8 rule;
	__u8 action;
	__u64 signal_ns;
};

/*
 * Read over itself, an object holds nothing the verifier knows: it goes through what follows once,
 * and not once for every value it has seen so far.
 */
#define forget(object) bpf_probe_read_kernel(object, sizeof(*(object)), object)

static __always_inline __u64 forecast_of(const struct apo_guard *guard, __s64 headroom)
{
	if (headroom <= 0)
		return 0;
	if (!guard->rate_pages_s)
		return APO_UNLIMITED;
	return (__u64)headroom * 1000000 / guard->rate_pages_s * 1000;
}

static __always_inline bool in_cooldown(__u32 tgid, const struct apo_policy *policy, __u64 now)
{
	struct apo_signalled *entry = bpf_map_lookup_elem(&signalled, &tgid);

	if (!entry)
		return false;
	if (since(now, entry->time_ns) < policy->cooldown_ns)
		return true;
	bpf_map_delete_elem(&signalled, &tgid);
	return false;
}

/* Host init and ourselves are never signalled. */
static __always_inline bool untouchable(__u32 tgid)
{
	return tgid <= 1 || tgid == self_tgid;
}

/* SIGKILL, of the OOM killer say, or exit: a signal would be too late for it, whatever it still does. */
static __always_inline bool is_dying(struct task_struct *task)
{
	return BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT;
}

/* Keeps the process that grows most; ranks fade, so that an old spike does not stay on top. */
static __always_inline __s64 top_update(struct look *look, struct apo_guard *guard, __s64 rank)
{
	__s64 top = decay(guard->top_rank_pages, since(look->now, guard->top_ns));

	if (look->tgid == guard->top_tgid || rank > top ||
	    !bpf_map_lookup_elem(&processes, &guard->top_tgid)) { /* it has exited */
		guard->top_tgid = look->tgid;
		guard->top_rank_pages = rank;
		guard->top_ns = look->now;
		top = rank;
	}
	return top;
}

/*
 * Whether the look's process made a good part of the recent growth. A process that only happens
 * to touch a page while another one spikes did not. Where nothing grew fast, anyone may have.
 */
static __always_inline bool grew(const struct apo_guard *guard, const struct apo_process *process,
				 __u32 step, __u64 line)
{
	if (step) /* since the last signal: a quarter of what brought us to this line */
		return process && process->owned_pages > process->mark_pages &&
		       (__u64)(process->owned_pages - process->mark_pages) * 4 >= line;
	return guard->score_pages * 16 < (__s64)line ||
	       (process && process->score_pages * 4 >= guard->score_pages);
}

/*
 * The grower: whom this trip is about. 0: nobody that may be signalled now. Where the accounts name
 * nobody and half the reserve is gone, the process at hand is taken - unless only some processes
 * are guarded, so that the one that grows may have no account.
 */
static __always_inline __u32 grower_choose(struct look *look, const struct apo_policy *policy,
					   struct apo_guard *guard, struct apo_process *process,
					   __u32 step, __u64 line)
{
	__s64 rank = process ? process_rank(process) : 0;
	__s64 top = top_update(look, guard, rank);
	bool mine = grew(guard, process, step, line);
	__u32 tgid = look->tgid;

	if (step) {
		if (!mine)
			return 0;
	} else if (mine ? top > 2 * rank : guard->top_tgid != tgid) {
		tgid = guard->top_tgid;
	} else if (!mine &&
		   (guard_pids_used || look->reading.headroom_pages >= (__s64)(line / 2))) {
		return 0;
	}
	if (untouchable(tgid) || in_cooldown(tgid, policy, look->now))
		return 0;
	return tgid == look->tgid && is_dying(look->owner) ? 0 : tgid;
}

/* First on this line? */
static __noinline bool latch_take(struct look *look, struct apo_guard *guard, __u32 step)
{
	struct latch_key key = {look->reading.limit_cgroup, guard->era, step};
	__u8 value = 1;

	return bpf_map_update_elem(&latches, &key, &value, BPF_NOEXIST) == 0;
}

static __always_inline void signal_other(struct decision *decision, __u32 wanted, bool warn)
{
	struct apo_process *process = bpf_map_lookup_elem(&processes, &decision->target_tgid);
	int r = -ESRCH;

	if (process)
		r = signal_other_send(decision->target_tgid, process->start_boottime_ns, wanted,
				      warn, &decision->signal, &decision->disposition);
	decision->action = APO_ACT_DELEGATED; /* the responder does what it can */
	if (r == -ESRCH) {
		decision->action = APO_ACT_DISAPPEARED;
	} else if (!r && decision->signal) {
		decision->action = APO_ACT_SENT;
		decision->signal_ns = bpf_ktime_get_ns();
	} else if (!r && warn) {
		decision->action = APO_ACT_NONE;
	}
}

/* The signal was chosen before. */
static __always_inline void signal_current(struct decision *decision, bool warn)
{
	if (!decision->signal) { /* the responder looks for a leader that can take it */
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

#define PENDING_NS NSEC_PER_SEC

/* -EBUSY: another user of BPF holds this CPU's one slot for signals. Tried until it is free. */
static __always_inline void pending_retry(struct look *look)
{
	struct apo_signalled *entry;

	if (!look->in_fault)
		return;
	entry = bpf_map_lookup_elem(&signalled, &look->tgid);
	if (!entry || !entry->pending)
		return;
	if (since(look->now, entry->time_ns) > PENDING_NS) {
		entry->pending = 0; /* that crossing is long over */
	} else if (bpf_send_signal(entry->signal) == 0) {
		entry->pending = 0;
		stat_add(APO_STAT_SENT);
	}
}

/* The process the decision is about: the one of the look, or one known by its account. */
static __always_inline void grower_fill(struct look *look, const struct decision *decision,
					struct apo_task *ret)
{
	struct apo_process *process;

	if (decision->target_tgid == look->tgid) {
		task_describe(look->owner, look->cgroup_id, ret);
	} else {
		__builtin_memset(ret, 0, sizeof(*ret));
		ret->tgid = decision->target_tgid;
		process = bpf_map_lookup_elem(&processes, &decision->target_tgid);
		if (process) {
			ret->ns_tgid = process->ns_tgid;
			ret->ns_level = process->ns_level;
			ret->start_boottime_ns = process->start_boottime_ns;
			ret->cgroup_id = process->cgroup_id;
			__builtin_memcpy(ret->comm, process->comm, sizeof(ret->comm));
		}
	}
	ret->disposition = decision->disposition;
}

static __always_inline void request_emit(struct look *look, const struct apo_guard *guard,
					 const struct apo_policy *policy,
					 const struct decision *decision, __u32 wanted, __u32 flags)
{
	struct apo_request *request = bpf_ringbuf_reserve(&urgent, sizeof(*request), 0);

	if (!request) {
		stat_add(APO_STAT_LOST_RECORDS);
		return;
	}
	request->rec.type = APO_REC_REQUEST;
	request->rec.size = sizeof(*request);
	request->trip_id = look->now;
	request->limit_cgroup = look->reading.limit_cgroup;
	grower_fill(look, decision, &request->grower);
	request->target_policy = policy->target;
	request->signal = wanted;
	request->rule = decision->rule;
	request->rate_pages_s = guard->rate_pages_s;
	request->flags = flags;
	bpf_ringbuf_submit(request, WAKE_NOW);
	if (flags & APO_REQUEST_SIGNAL)
		stat_add(APO_STAT_DELEGATED);
}

/* What is about a limit, and about no process. */
static __always_inline bool request_bare(__u32 type, __u64 limit_cgroup, __u64 rate_pages_s,
					 __u32 flags)
{
	struct apo_request *request = bpf_ringbuf_reserve(&urgent, sizeof(*request), 0);

	if (!request) {
		stat_add(APO_STAT_LOST_RECORDS);
		return false;
	}
	__builtin_memset(request, 0, sizeof(*request));
	request->rec.type = type;
	request->rec.size = sizeof(*request);
	request->limit_cgroup = limit_cgroup;
	request->rate_pages_s = rate_pages_s;
	request->flags = flags;
	bpf_ringbuf_submit(request, WAKE_NOW);
	return true;
}

/* The slow path may come too late to read the command line of a process that ends at once. */
static __always_inline void args_fill(struct look *look, struct apo_trip *trip)
{
	struct mm_struct *mm = look->mm;
	__u64 start = BPF_CORE_READ(mm, arg_start), length = BPF_CORE_READ(mm, arg_end) - start;

	if (length > APO_ARGS_LEN)
		length = APO_ARGS_LEN;
	if (look->in_fault && !bpf_probe_read_user(trip->args, length, (void *)start))
		trip->args_len = length;
}

static __always_inline void trip_emit(struct look *look, struct apo_guard *guard,
				      const struct apo_policy *policy,
				      const struct decision *decision)
{
	struct apo_trip *trip = bpf_ringbuf_reserve(&records, sizeof(*trip), 0);
	struct apo_process *process;

	if (!trip) {
		stat_add(APO_STAT_LOST_RECORDS);
		return;
	}
	trip->rec.type = decision->rule == APO_RULE_WARN ? APO_REC_WARN : APO_REC_TRIP;
	trip->rec.size = sizeof(*trip);
	trip->id = look->now;
	trip->crossed_ns = look->now;
	trip->signal_ns = decision->signal_ns;
	trip->forecast_ns = forecast_of(guard, look->reading.headroom_pages);
	trip->rate_pages_s = guard->rate_pages_s;
	trip->reading = look->reading;
	trip->trigger = look->trigger;
	trip->rule = decision->rule;
	trip->policy = look->policy;
	trip->target_policy = policy->target;
	trip->signal = decision->signal;
	trip->action = decision->action;
	trip->error = decision->error;
	trip->step = decision->step;
	grower_fill(look, decision, &trip->grower);
	trip->target = trip->grower;
	if (policy->target != APO_TARGET_GROWER)
		__builtin_memset(&trip->target, 0, sizeof(trip->target));
	process = bpf_map_lookup_elem(&processes, &decision->target_tgid);
	trip->faults = process ? process->faults : 0;
	trip->spike_ns = process ? process->spike_ns : 0;
	trip->spike_pages = process ? process->owned_pages - process->spike_base_pages : 0;
	if (decision->target_tgid == look->tgid)
		rss_exact(look->mm, look->in_fault ? (void *)bpf_get_current_task() : NULL,
			  trip->rss_pages);
	else if (process)
		__builtin_memcpy(trip->rss_pages, process->rss_pages, sizeof(trip->rss_pages));
	else
		__builtin_memset(trip->rss_pages, 0, sizeof(trip->rss_pages));
	trip->args_len = 0;
	if (decision->target_tgid == look->tgid)
		args_fill(look, trip);
	bpf_ringbuf_submit(trip, decision->action == APO_ACT_SENT &&
						 decision->disposition == APO_DISP_HANDLED
					 ? wake_later()
					 : WAKE_NOW);
}

/*
 * Sends, remembers and reports. The signal goes out before anything that can fail. Returns the
 * action that succeeded.
 */
static __noinline __u64 act(struct look *look, struct apo_guard *guard,
			    const struct apo_policy *policy, struct decision *decision)
{
	bool warn, own;
	__u32 wanted, flags;
	struct apo_signalled entry = {
		.trip_id = look->now,
		.limit_cgroup = look->reading.limit_cgroup,
		.time_ns = look->now,
		.generate_result = -1,
		.brake = (policy->flags & APO_POLICY_BRAKE) != 0,
	};

	warn = decision->rule == APO_RULE_WARN;
	own = decision->target_tgid == look->tgid && look->in_fault;
	wanted = entry.signal = warn ? policy->warn_signal : policy->signal;
	if (own && wanted) {
		decision->signal =
			signal_choose(bpf_get_current_task(), wanted, warn, &decision->disposition);
		if (decision->signal)
			entry.signal = decision->signal;
	}
	/* Before the signal: its delivery may be seen at once, here or on another CPU. */
	if (!warn && bpf_map_update_elem(&signalled, &decision->target_tgid, &entry, BPF_ANY))
		stat_add(APO_STAT_MAP_FULL);
	if (!wanted)
		decision->action = APO_ACT_NONE; /* a warning that is only an event */
	else if (policy->flags & APO_POLICY_DRY_RUN)
		decision->action = APO_ACT_DRY_RUN;
	else if (policy->target != APO_TARGET_GROWER)
		decision->action = APO_ACT_DELEGATED;
	else if (own)
		signal_current(decision, warn);
	else
		signal_other(decision, wanted, warn);

	if (!warn && (decision->error == -EBUSY || decision->signal != entry.signal)) {
		struct apo_signalled *kept =
			bpf_map_lookup_elem(&signalled, &decision->target_tgid);

		if (kept) {
			kept->pending = decision->error == -EBUSY;
			if (decision->signal)
				kept->signal = decision->signal;
		}
	}
	forget(decision);
	trip_emit(look, guard, policy, decision);
	/* After the trip: the slow path matches the answers to it. */
	flags = decision->action == APO_ACT_DELEGATED ? APO_REQUEST_SIGNAL : 0;
	if (!warn && (policy->flags & APO_POLICY_AIRBAG) && decision->action != APO_ACT_DRY_RUN)
		flags |= APO_REQUEST_AIRBAG;
	if (flags)
		request_emit(look, guard, policy, decision, wanted, flags);
	return decision->error ? APO_ACT_NONE : decision->action;
}

/* Both return whether a decision was made. */
static __always_inline bool warn_decide(struct look *look, struct apo_guard *guard,
					struct apo_process *process,
					const struct apo_policy *policy, struct decision *decision)
{
	__u64 level = portion_of(look->reading.limit_pages, policy->warn_permyriad);

	if (guard->need_pages < level) {
		if (guard->warned && guard->need_pages < level - level / 20) {
			guard->warned = 0;
			guard->era++;
		}
		return false;
	}
	if (guard->warned || !latch_take(look, guard, STEP_WARN))
		return false;
	guard->warned = 1;
	decision->target_tgid = look->tgid;
	if (guard->top_tgid && guard->top_rank_pages > 2 * (process ? process_rank(process) : 0))
		decision->target_tgid = guard->top_tgid;
	if (untouchable(decision->target_tgid))
		return false;
	decision->rule = APO_RULE_WARN;
	__sync_fetch_and_add(&guard->warns, 1);
	stat_add(APO_STAT_WARNS);
	return true;
}

#define REFRESH_NS 100000000ULL	       /* at most one refresh in this time */
#define REFRESH_WAIT_NS 5000000ULL     /* how long a trip waits for one */
#define REFRESH_LEISURE_NS 20000000ULL /* it does not where the limit is nearer than this */
#define FLIGHT_PAGES 512	       /* charged and not yet on a list, per thread: a huge page */

/*
 * Near the line, where kernel memory is a good part of the usage: some of it may be slab that can
 * be shrunk but is not counted yet. Has the responder bring the statistics up to date, and holds
 * the trip for a moment - not when it is nearly too late. True: wait.
 */
static __always_inline bool refresh_wait(struct look *look, struct apo_guard *guard)
{
	struct task_struct *owner = look->owner;
	__u64 reserve = look->reading.reserve_pages, flight;

	if (since(look->now, guard->refresh_ns) >= REFRESH_NS) {
		guard->refresh_ns = look->now;
		flight = (__u64)BPF_CORE_READ(owner, signal, nr_threads) * FLIGHT_PAGES;
		if (kernel_pages(look->binding, look->reading.usage_pages) < reserve / 2 + flight)
			return false;
		if (!request_bare(APO_REC_REFRESH, look->reading.limit_cgroup, 0, 0))
			return false;
		guard->refresh_wait_ns = look->now + REFRESH_WAIT_NS;
	}
	return look->now < guard->refresh_wait_ns &&
	       look->reading.headroom_pages > (__s64)(reserve / 4) &&
	       forecast_of(guard, look->reading.headroom_pages) > REFRESH_LEISURE_NS;
}

static __always_inline bool raises_limits(const struct apo_policy *policy)
{
	return policy->flags & APO_POLICY_AIRBAG && !(policy->flags & APO_POLICY_DRY_RUN);
}

/* Half way to the limit, at the latest: opening files is nothing for the moment of the trip. */
static __always_inline void airbag_prepare(struct look *look, struct apo_guard *guard,
					   const struct apo_policy *policy)
{
	if (guard->prepared || !raises_limits(policy) ||
	    guard->need_pages < look->reading.limit_pages / 2)
		return;
	guard->prepared = request_bare(APO_REC_PREPARE, look->reading.limit_cgroup, 0, 0);
}

#define AIRBAG_AGAIN_NS 1000000ULL /* as long as raising a limit may take */

/* Everyone is signalled already, and the raised limit is nearly reached too. */
static __always_inline void airbag_ask_again(struct look *look, struct apo_guard *guard,
					     const struct apo_policy *policy)
{
	if (!raises_limits(policy) ||
	    since(look->now, guard->last_trip_ns) > TRIP_FOLLOW_NS + policy->cooldown_ns ||
	    since(look->now, guard->airbag_ns) < AIRBAG_AGAIN_NS)
		return;
	guard->airbag_ns = look->now;
	request_bare(APO_REC_REQUEST, look->reading.limit_cgroup, guard->rate_pages_s,
		     APO_REQUEST_AIRBAG);
}

#define FAULTING_NS 10000000ULL

/*
 * A pulse or a charge finds a process that also faults: its next fault will trip, on the way back
 * to user mode where the signal is taken at once. At a tick or a switch the thread is about to be
 * sent away, and the pages of a charge are still to come.
 */
static __always_inline bool leave_to_fault(const struct look *look,
					   const struct apo_process *process, __u64 line)
{
	return look->trigger != APO_TRIGGER_GROWTH && look->trigger != APO_TRIGGER_RECLAIM &&
	       process && since(look->now, process->fault_ns) < FAULTING_NS &&
	       look->reading.headroom_pages > (__s64)(line / 2);
}

static __always_inline bool trip_decide(struct look *look, struct apo_guard *guard,
					struct apo_process *process,
					const struct apo_policy *policy, struct decision *decision)
{
	__s64 headroom = look->reading.headroom_pages;
	__u64 reserve = look->reading.reserve_pages;
	__u64 ample = reserve + reserve / 4, line;

	if (policy->forecast_ns)
		ample = 2 * reserve + reserve / 2; /* beyond where it may trip */
	if (headroom >= (__s64)ample && guard->step) {
		guard->step = 0;
		guard->era++;
	}
	decision->step = guard->step;
	line = reserve >> (decision->step & 31);
	if (headroom >= (__s64)(2 * reserve + reserve / 2))
		return false;
	if (refresh_wait(look, guard) || leave_to_fault(look, process, line))
		return false;
	if (decision->step)
		pending_retry(look);
	decision->rule = APO_RULE_RESERVE;
	if (headroom >= (__s64)line) {
		if (!policy->forecast_ns || decision->step || headroom >= (__s64)(2 * reserve) ||
		    forecast_of(guard, headroom) >= policy->forecast_ns)
			return false;
		decision->rule = APO_RULE_FORECAST;
	}
	decision->target_tgid = grower_choose(look, policy, guard, process, decision->step, line);
	if (!decision->target_tgid) {
		airbag_ask_again(look, guard, policy);
		return false;
	}
	if (!latch_take(look, guard, decision->step))
		return false;
	if (!decision->step) {
		guard->trip_peak_need_pages = guard->need_pages;
		guard->trip_least_headroom_pages = headroom;
	}
	guard->last_trip_ns = look->now;
	__sync_fetch_and_add(&guard->trips, 1);
	stat_add(APO_STAT_TRIPS);
	return true;
}

/* The rules, then the act. Returns whether anything was done: then look again at the next event. */
static __always_inline bool decide(struct look *look, struct apo_guard *guard,
				   struct apo_process *process, const struct apo_policy *policy)
{
	struct decision decision = {};
	__u64 action;
	bool tripped;

	airbag_prepare(look, guard, policy);
	tripped = trip_decide(look, guard, process, policy, &decision);
	if (!tripped &&
	    (!policy->warn_permyriad || !warn_decide(look, guard, process, policy, &decision)))
		return false;
	forget(&decision);
	action = act(look, guard, policy, &decision);
	if (action == APO_ACT_SENT)
		stat_add(APO_STAT_SENT);
	if (tripped && action == APO_ACT_DISAPPEARED)
		guard->era++; /* nobody was signalled: the same line again, for another */
	else if (tripped)
		guard->step = decision.step + 1;
	return true;
}
