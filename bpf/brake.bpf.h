/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Waits in place. A program cannot sleep, so they take time of the CPU, which is the waiter's own.
 *
 * The brake of cgroup v1, which has no memory.high: a process that goes on growing in its shutdown, in
 * the last half of all that can be lent, waits at each page. It waits the longer the less room is
 * left, so that the room shrinks by a part of itself per second and lasts. Nothing is changed that
 * would have to be put back.
 *
 * A charge at the limit waits a little for a loan that is on its way.
 */
#pragma once

#include "emit.bpf.h"
#include "signal.bpf.h"

#define BRAKE_ZONE_SHIFT 1	    /* of what is lent */
#define BRAKE_NS (2 * NSEC_PER_SEC) /* in which the room would go to a third of itself */
#define BRAKE_EVENT_NS 1000000ULL   /* the longest wait */
#define SPINS 41		    /* to the third: reads of the clock, some 20 ns each */

/* Global functions, so that the verifier goes through each loop once. */
__noinline int spin_least(__u64 until_ns)
{
	for (__u32 i = 0; i < SPINS; i++)
		if (bpf_ktime_get_ns() >= until_ns)
			return 1;
	return 0;
}

__noinline int spin_part(__u64 until_ns)
{
	for (__u32 i = 0; i < SPINS; i++)
		if (spin_least(until_ns))
			return 1;
	return 0;
}

__noinline int spin(__u64 ns)
{
	__u64 until_ns = bpf_ktime_get_ns() + ns;

	for (__u32 i = 0; i < SPINS; i++)
		if (spin_part(until_ns))
			break;
	return 0;
}

#define LOAN_SPIN_NS 200000ULL

/*
 * At the limit the kernel tries to reclaim 18 times, some 20 us each, before it kills. A loan that has
 * been asked for is given the time: each try takes longer.
 */
static __always_inline bool may_hold_up(const struct check *check, const struct limit *limit)
{
	if (check->trigger != APO_TRIGGER_RECLAIM || check->loan & (LOAN_REFUSED | LOAN_WAS_ALL) ||
	    !(check->loan & LOAN_POSSIBLE))
		return false;
	return (limit->lend_ns && since(check->now, limit->lend_ns) < LOAN_NEAR_NS) ||
	       since(check->now, limit->shared.last_trip_ns) < LOAN_NEAR_NS;
}

/* In the fault of a page on the last half of all there was. */
static __always_inline bool may_brake(const struct check *check, const struct apo_policy *policy)
{
	return policy->flags & APO_POLICY_BRAKE && check->loan & LOAN_WAS_ALL && check->in_fault &&
	       check->trigger == APO_TRIGGER_GROWTH &&
	       room_of(&check->reading) < (__s64)(check->reading.lent_pages >> BRAKE_ZONE_SHIFT);
}

/*
 * Whether the running process shuts down: a brake before that would only make it come later, but for a thread that
 * leaves the signal to another, which may wait for a CPU meanwhile. On v2, where a handler tells the responder at once,
 * so does this the first time.
 */
static __always_inline bool has_taken_signal(struct apo_signalled *entry)
{
	if (entry->delivered_ns || entry->taken)
		return true;
	if (!signal_was_waited_for(entry))
		return memcg_v1 && entry->generated_ns && signal_is_blocked_here(entry->signal);
	entry->taken = 1;
	if (!memcg_v1)
		request_bare(APO_REC_BRAKE, entry->limit_cgroup, entry->policy, 0, 0, 0);
	return true;
}

/*
 * Lets a process wait for so many events, counted once for each CPU that works for the limit. A global function:
 * verified once.
 */
__noinline int brake(__u32 tgid, __s64 room_pages, __u64 events)
{
	struct apo_signalled *entry = bpf_map_lookup_elem(&signalled, &tgid);
	__u64 ns = BRAKE_EVENT_NS;

	if (!entry || !has_taken_signal(entry) || !memcg_v1)
		return 0;
	if (room_pages > 0)
		ns = events * pages_per_event * BRAKE_NS / (__u64)room_pages;
	return spin(ns < BRAKE_EVENT_NS ? ns : BRAKE_EVENT_NS);
}

/* After the decision: the process of a check may have to wait. Whether its next page is to wait too. */
static __noinline bool wait_in_place(const struct check *check, const struct limit *limit,
				     const struct apo_policy *policy)
{
	if (may_hold_up(check, limit))
		spin(LOAN_SPIN_NS);
	if (!may_brake(check, policy))
		return false;
	brake(check->tgid, room_of(&check->reading), check->events * cpus_of(limit));
	return memcg_v1;
}
