/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The rules: whether a limit must be acted on now, and on whom. They read accounts and write a
 * struct decision; act.bpf.h does what it says.
 *
 * Where a limit can be raised, it is: silently, a little before it is reached, at the lend line. The
 * trip comes when need passes the limit as it was, so that what stays below is not signalled. Where
 * the loan is refused or late, the trip comes at the lend line; where the limit cannot be raised, at
 * the reserve of the policy.
 *
 * After a trip the next line is half of what was left at the first, then a quarter, and so on: a
 * second process that spikes in the same cgroup gets a signal of its own, if it made at least a
 * quarter of the growth since the last one. The limit is re-armed when headroom is ample again, and
 * when all who were signalled have ended and need is still beyond the limit. A process is not signalled
 * twice within the cooldown, nor while its shutdown is waited for.
 */
#pragma once

#include "account.bpf.h"

/* --- lines --------------------------------------------------------------------------------- */

#define LEND_LINE_BYTES (4ULL << 20)
#define LEND_LINE_SHIFT 5 /* of the limit at most */
#define STOCK_PAGES 64	  /* per CPU: charged, and not used yet */
#define LEND_TIME_SHIFT 7 /* of a second: twice what a loan took at worst, on an idle machine */
#define LEND_RATE_SHIFT 3 /* growth in that time, of the limit at most */

static __always_inline __u64 at_most(__u64 pages, __u64 most)
{
	return pages < most ? pages : most;
}

/* Headroom at which a loan is asked for. */
static __always_inline __u64 lend_line(__u64 limit_pages, __u64 rate_pages_s)
{
	__u64 part = limit_pages >> LEND_LINE_SHIFT;

	return at_most(LEND_LINE_BYTES >> page_shift, part) +
	       at_most((__u64)nr_cpus * STOCK_PAGES, part) +
	       at_most(rate_pages_s >> LEND_TIME_SHIFT, limit_pages >> LEND_RATE_SHIFT);
}

/* A loan is wanted whatever headroom there seems to be. */
static __always_inline bool is_urgent(const struct check *check)
{
	return check->loan & (LOAN_URGENT | LOAN_STALLED);
}

static __always_inline bool may_be_lent(__u32 loan, const struct apo_policy *policy)
{
	return policy->flags & APO_POLICY_AIRBAG && !(loan & LOAN_IMPOSSIBLE) &&
	       !settings.unattended;
}

/* The line in force: the headroom at which something is done. */
static __always_inline __u64 line_of(const struct apo_reading *reading,
				     const struct apo_policy *policy, bool lends,
				     __u64 rate_pages_s)
{
	if (!lends)
		return reserve_of(policy, reading->limit_pages);
	return reading->lent_pages ? 0 : lend_line(reading->limit_pages, rate_pages_s);
}

/* Which line is in force for a check, and what may be lent. */
static __noinline int line_find(struct check *check, const struct limit *limit,
				const struct apo_policy *policy)
{
	struct subtree_sum *sum;

	check->loan |= loan_state((__u64)check->binding, check->now, limit->shared.last_trip_ns);
	if (may_be_lent(check->loan, policy))
		check->loan |= LOAN_POSSIBLE;
	check->reading.reserve_pages = line_of(&check->reading, policy, check->loan & LOAN_POSSIBLE,
					       limit->shared.rate_pages_s);
	sum = subtree_sum_of((__u64)check->binding);
	if (sum && sum->memcg == (__u64)check->binding)
		sum->line_pages = check->reading.reserve_pages;
	return 0;
}

/*
 * What the kernel leaves to grow, and how much of it there was at the first line: that of the reserve
 * or of the lend line, or with a loan in force what is lent. Of that the stock of the CPUs counts as
 * used and is not: what stays below the limit may seem to pass it by so much.
 */
static __always_inline __s64 room_of(const struct apo_reading *reading)
{
	return reading->headroom_pages + (__s64)reading->lent_pages;
}

static __always_inline __u64 first_line(const struct apo_reading *reading)
{
	__u64 lent = reading->lent_pages;

	return lent ? lent - at_most((__u64)nr_cpus * STOCK_PAGES, lent / 2)
		    : reading->reserve_pages;
}

/* Many times what attaching takes. Longer, and each burst of some MiB that is given back would count. */
#define ARM_FORECAST_NS (NSEC_PER_SEC / 32)

/*
 * Whether growth in single faults may matter for a limit before long: half full, near its line, or going there
 * fast. Else charges or ticks alone see to it.
 */
static __always_inline bool is_armed(const struct check *check, const struct limit *limit)
{
	__s64 left = check->reading.headroom_pages - (__s64)check->reading.reserve_pages;

	return is_filling(check, limit) || left < (__s64)settings.arm_pages ||
	       forecast_of(limit, left) < ARM_FORECAST_NS;
}

/* --- decisions ----------------------------------------------------------------------------- */

/* Memory that came back meanwhile ends the wait for a shutdown. */
static __always_inline bool in_cooldown(const struct limit *limit, __u32 tgid,
					const struct apo_policy *policy, __u64 now)
{
	const struct apo_signalled *entry = bpf_map_lookup_elem(&signalled, &tgid);
	__u64 elapsed;

	if (!entry)
		return false;
	elapsed = since(now, entry->time_ns);
	return elapsed < policy->cooldown_ns ||
	       (elapsed < policy->trip_ns && limit->rearm_ns <= entry->time_ns);
}

/* Host init and ourselves are never signalled. */
static __always_inline bool untouchable(__u32 tgid)
{
	return tgid <= 1 || tgid == settings.self_tgid;
}

/* Its growth never counts, nor is it signalled for it: where the machine's memory binds. */
static __always_inline bool is_spared(const struct check *check, __u32 tgid)
{
	const struct process *process = check->is_host ? bpf_map_lookup_elem(&processes, &tgid)
						       : NULL;

	return process && !process->weight;
}

/* It was killed, by the OOM killer for example, or exits: a signal would be too late. */
static __always_inline bool is_dying(struct task_struct *task)
{
	return BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT;
}

/*
 * Whether the check's process made a good part, a quarter, of the recent growth. A process that
 * only happens to touch a page while another one spikes did not. Where the recent growth is less
 * than a sixteenth of the line, any process counts.
 */
static __always_inline bool grew(const struct limit *limit, const struct process *process,
				 __u32 level, __u64 line)
{
	if (level) /* a quarter of the growth between the last line and this one */
		return process && process->owned_pages > process->mark_pages &&
		       (__u64)(process->owned_pages - process->mark_pages) * 4 >= line;
	return limit->score_pages * 16 < (__s64)line ||
	       (process && process->score_pages * 4 >= limit->score_pages);
}

/* The id of the policy of a process with an account; without one, that of the check's process. */
static __always_inline __u32 policy_of_account(const struct check *check, __u32 tgid)
{
	const struct process *process;

	if (tgid == check->tgid)
		return check->process_policy;
	process = bpf_map_lookup_elem(&processes, &tgid);
	return process && process->shared.generation == settings.generation ? process->shared.policy
									    : check->process_policy;
}

/* Who is preferred where the machine's memory binds need not grow: it is enough that its end is some help. */
static __always_inline bool is_preferred(const struct check *check, const struct process *process,
					 __u64 line)
{
	return check->is_host && process && process->weight > HOST_WEIGHT &&
	       process->owned_pages > (__s64)line;
}

/*
 * Whether the process with the highest rank among the accounts may be the grower: where the check's
 * process has grown it too must have, and where no guard covers the limit one without an account may
 * have grown far more.
 */
static __always_inline bool top_grew(const struct check *check, const struct limit *limit,
				     bool mine, __u64 line)
{
	const struct process *top = bpf_map_lookup_elem(&processes, &limit->top_tgid);

	return (check->is_covered && !mine) || is_preferred(check, top, line) ||
	       grew(limit, top, 0, line);
}

/*
 * The tgid of the grower; 0: nobody that may be signalled now. Where the accounts name nobody and
 * half of what was left is gone, the check's process is taken, unless no guard covers the limit: then
 * the process that grows may have no account.
 */
static __always_inline __u32 grower_choose(struct check *check, struct limit *limit,
					   struct process *process, __u32 level, __u64 line)
{
	__s64 rank = process ? process_rank(check, process) : 0;
	__s64 top = top_update(check, limit, rank);
	bool mine = grew(limit, process, level, line);
	__u32 tgid = check->tgid;

	if (level) {
		if (!mine)
			return 0;
	} else if ((mine ? top > 2 * rank : limit->top_tgid != tgid) &&
		   top_grew(check, limit, mine, line)) {
		tgid = limit->top_tgid;
	} else if (!mine && (!check->is_covered || room_of(&check->reading) >= (__s64)(line / 2))) {
		return 0;
	}
	if (untouchable(tgid) || is_spared(check, tgid))
		return 0;
	return tgid == check->tgid && is_dying(check->owner) ? 0 : tgid;
}

/*
 * A process that nobody guards fills the limit. It is not ours to signal; the kernel would kill the largest
 * process, and where that is one of the guard's, it is told in time. 0: it is none. A global function:
 * verified once.
 */
__noinline __u32 endangered(__u32 policy, __u32 grower_tgid)
{
	const struct process *grower = bpf_map_lookup_elem(&processes, &grower_tgid), *process;
	__u32 *tgid = bpf_map_lookup_elem(&largest, &policy);

	process = tgid ? bpf_map_lookup_elem(&processes, tgid) : NULL;
	if (!process || !grower || victim_pages(process) <= victim_pages(grower))
		return 0;
	return *tgid;
}

static __always_inline void warn_decide(struct check *check, const struct limit *limit,
					const struct process *process,
					const struct apo_policy *policy, struct decision *decision)
{
	__u64 level = portion_of(check->reading.limit_pages, policy->warn_permyriad);
	__u64 stage = limit->warn_stage;
	bool warned = stage & 1;

	decision->stage = stage;
	decision->rule = APO_RULE_WARN;
	if (limit->shared.need_pages < level) {
		if (warned && limit->shared.need_pages < level - level / 20)
			decision->wants |= WANT_REARM;
		return;
	}
	if (warned)
		return;
	decision->target_tgid = check->tgid;
	if (top_rank(check, limit) > 2 * (process ? process_rank(check, process) : 0))
		decision->target_tgid = limit->top_tgid;
	if (policy_of_account(check, decision->target_tgid) >= APO_MAX_POLICIES)
		decision->target_tgid = endangered(check->policy, decision->target_tgid);
	if (untouchable(decision->target_tgid))
		decision->target_tgid = 0;
}

#define REFRESH_NS 100000000ULL	       /* at most one refresh in this time */
#define REFRESH_WAIT_NS 5000000ULL     /* how long a trip waits for one */
#define REFRESH_LEISURE_NS 20000000ULL /* no trip waits where the limit is nearer */
#define FLIGHT_PAGES 512	       /* per thread, charged and not on a list yet: a huge page */

/*
 * Near the line, where kernel memory is at least half the reserve, some of it may be slab that can
 * be shrunk but is not counted yet. Then the responder is to bring the statistics up to date, and
 * this returns true while the trip waits for that, which it does only while there is time.
 */
static __always_inline bool refresh_wait(struct check *check, struct limit *limit,
					 struct decision *decision)
{
	struct task_struct *owner = check->owner;
	__u64 reserve = first_line(&check->reading), flight;
	__s64 room = room_of(&check->reading);

	if (check->is_host) /* its statistics do not lag */
		return false;
	if (since(check->now, limit->refresh_ns) >= REFRESH_NS) {
		limit->refresh_ns = check->now;
		flight = (__u64)BPF_CORE_READ(owner, signal, nr_threads) * FLIGHT_PAGES;
		if (kernel_pages(check->key, (__u64)check->binding, check->reading.usage_pages) <
		    reserve / 2 + flight)
			return false;
		decision->wants |= WANT_REFRESH;
		limit->refresh_wait_ns = check->now + REFRESH_WAIT_NS;
	}
	return check->now < limit->refresh_wait_ns && room > (__s64)(reserve / 4) &&
	       forecast_of(limit, room) > REFRESH_LEISURE_NS;
}

#define REFRESH_SPIKE_NS 10000000ULL /* where a process grows fast */

/*
 * Of a wide subtree what page cache there is lags, and may be gone: near the limit by usage alone it is
 * brought up to date, whatever room it seems to leave.
 */
static __noinline bool refresh_wide(struct check *check, struct limit *limit,
				    const struct process *process)
{
	const struct apo_reading *reading = &check->reading;
	__u64 line = first_line(reading), again_ns = REFRESH_NS;
	__s64 left = (__s64)(reading->limit_pages + reading->swap_pages + reading->lent_pages) -
		     (__s64)reading->usage_pages;

	if (process && process->score_pages * 4 >= (__s64)line)
		again_ns = REFRESH_SPIKE_NS;
	if (left >= (__s64)(2 * line + line / 2) ||
	    since(check->now, limit->refresh_ns) < again_ns || !is_wide((__u64)check->binding))
		return false;
	limit->refresh_ns = check->now;
	limit->refresh_wait_ns = check->now + REFRESH_WAIT_NS;
	return true;
}

#define AIRBAG_AGAIN_NS 1000000ULL /* as long as raising a limit may take */

static __always_inline void ask_for_loan(const struct check *check, struct limit *limit,
					 struct decision *decision)
{
	if (since(check->now, limit->airbag_ns) < AIRBAG_AGAIN_NS)
		return;
	limit->airbag_ns = check->now;
	decision->wants |= WANT_AIRBAG;
}

/*
 * A loan takes some 0.3 ms. Where the responder gets no CPU it takes longer: it is waited for as long as
 * there is room, and until it may be taken for lost.
 */
#define LOAN_TIME_NS 1000000ULL
#define LOAN_LATE_NS 100000000ULL
#define LOAN_NEAR_NS 5000000ULL
#define LOAN_NEAR_PART 8 /* the limit is reached all but for this part of the line */

/* At the lend line: a loan is asked for, and this returns true while it may still come in time. */
static __always_inline bool loan_wait(struct check *check, struct limit *limit,
				      struct decision *decision)
{
	__s64 headroom = check->reading.headroom_pages;
	__u64 waited;

	if (check->loan & LOAN_REFUSED)
		return false;
	if (!limit->lend_ns)
		limit->lend_ns = check->now;
	ask_for_loan(check, limit, decision);
	waited = since(check->now, limit->lend_ns);
	if (waited < LOAN_TIME_NS)
		return true;
	return headroom > (__s64)(check->reading.reserve_pages / LOAN_NEAR_PART) &&
	       (waited < LOAN_LATE_NS || forecast_of(limit, headroom) > LOAN_NEAR_NS);
}

#define FAULTING_NS 10000000ULL

/*
 * A tick or a charge finds a process that also faults: its next fault will trip, on the way back
 * to user mode where the signal is taken at once. At a tick or a switch the thread is about to lose
 * the CPU, and the pages of a charge are still to come.
 */
static __always_inline bool leave_to_fault(const struct check *check, const struct process *process,
					   __u64 line)
{
	return check->trigger != APO_TRIGGER_GROWTH && check->trigger != APO_TRIGGER_RECLAIM &&
	       process && since(check->now, process->fault_ns) < FAULTING_NS &&
	       room_of(&check->reading) > (__s64)(line / 2);
}

static __always_inline void trip_decide(struct check *check, struct limit *limit,
					struct process *process, const struct apo_policy *policy,
					struct decision *decision)
{
	__s64 room = room_of(&check->reading);
	__u64 reserve = first_line(&check->reading), stage = limit->shared.stage;
	__u64 forecast_ns = check->loan & LOAN_POSSIBLE ? 0 : policy->forecast_ns;
	__u64 ample = reserve + reserve / 4, line;
	__u32 level = apo_stage_level(stage), tgid;
	const struct apo_policy *own;

	if (forecast_ns)
		ample = 2 * reserve + reserve / 2; /* beyond where it may trip */
	decision->stage = stage;
	if (check->reading.lent_pages || (room >= (__s64)reserve && !is_urgent(check)))
		limit->lend_ns = 0;
	if (level && (room >= (__s64)ample || check->loan & LOAN_REARM)) {
		decision->wants |= WANT_REARM;
		return;
	}
	if (check->loan & LOAN_POSSIBLE && !check->reading.lent_pages &&
	    (room < (__s64)reserve || is_urgent(check)) && loan_wait(check, limit, decision))
		return;
	if (check->loan & LOAN_STALLED && check->reading.lent_pages)
		ask_for_loan(check, limit, decision);
	line = reserve >> (level & 31);
	if (any_gaps && !check->is_host && refresh_wide(check, limit, process))
		decision->wants |= WANT_REFRESH;
	if (room >= (__s64)(2 * reserve + reserve / 2))
		return;
	if (refresh_wait(check, limit, decision) || leave_to_fault(check, process, line))
		return;
	if (level)
		decision->wants |= WANT_RETRY;
	decision->rule = APO_RULE_RESERVE;
	if (room >= (__s64)line) {
		if (!forecast_ns || level || room >= (__s64)(2 * reserve) ||
		    forecast_of(limit, room) >= forecast_ns)
			return;
		decision->rule = APO_RULE_FORECAST;
	}
	tgid = grower_choose(check, limit, process, level, line);
	if (tgid && policy_of_account(check, tgid) >= APO_MAX_POLICIES) {
		decision->cause_tgid = tgid;
		tgid = endangered(check->policy, tgid);
	}
	own = tgid ? policy_by_id(policy_of_account(check, tgid)) : NULL;
	if (own && !in_cooldown(limit, tgid, own, check->now))
		decision->target_tgid = tgid;
	else if (check->loan & LOAN_POSSIBLE)
		ask_for_loan(check, limit, decision);
}

/*
 * Decides what to do about the limit of a check, by the limit's policy. A trip comes before a
 * warning: the warn rule is evaluated only where the trip rules neither signal nor re-arm.
 */
static __always_inline void decide(struct check *check, struct limit *limit,
				   struct process *process, const struct apo_policy *policy)
{
	__u32 is_half_full = is_filling(check, limit);
	struct decision *decision = &check->decision;

	if (is_half_full && !limit->prepared && policy->flags & APO_POLICY_AIRBAG)
		decision->wants |= WANT_PREPARE;
	if (limit->told <= is_half_full)
		decision->wants |= WANT_TELL;
	trip_decide(check, limit, process, policy, decision);
	if (!decision->target_tgid && !(decision->wants & WANT_REARM) && policy->warn_permyriad)
		warn_decide(check, limit, process, policy, decision);
	if (decision->target_tgid)
		decision->policy = policy_of_account(check, decision->target_tgid);
}
