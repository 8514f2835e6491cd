/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * One check of an address space: who, why, what was found, and what was decided. Checks are in a map and
 * not on the stack, so that functions that take and return numbers only can work on one: each of these is
 * verified once, of what is in a map the verifier assumes nothing, and the stack stays short.
 */
#pragma once

#include "maps.bpf.h"

/* --- decisions ----------------------------------------------------------------------------- */

/* What a decision wants besides a signal, or instead of one. */
enum want {
	WANT_PREPARE = 1, /* half full: the responder opens what raising the limit takes */
	WANT_REFRESH = 2, /* statistics of the cgroup are to be brought up to date */
	WANT_RETRY = 4,	  /* a signal that met -EBUSY, if there is one */
	WANT_AIRBAG = 8,  /* a loan, or a larger one: the limit, raised or not, is nearly reached */
	WANT_REARM = 16,  /* the stage is over: headroom is ample, or need below the warn level */
	WANT_TELL = 32,	  /* the slow path is to know of the limit */
};

/* The rules write it, act.bpf.h and emit.bpf.h read it. */
struct decision {
	__u64 stage;	   /* of the kind of rule, as it was read */
	__u64 signal_ns;   /* when the signal was queued; 0: it was not */
	__u32 target_tgid; /* the grower; 0: nobody is to be signalled */
	__u32 cause_tgid;  /* who grew instead, where nobody guards it */
	__s32 error;
	__u8 rule;   /* enum apo_rule; 0: none */
	__u8 action; /* enum apo_action */
	__u8 policy; /* id of the target's own */
	__u8 wants;  /* enum want */
	__u8 signal;
	__u8 disposition;
	__u8 by_profile; /* the responder knows better how the target is to be told */
	__u8 pad[5];
};

/* --- checks -------------------------------------------------------------------------------- */

struct check {
	struct mm_struct *mm;
	struct task_struct *owner;  /* mm->owner: its cgroup is charged, its process is signalled */
	struct mem_cgroup *binding; /* whose limit binds */
	__u64 now;
	__u64 cgroup_id;
	__u32 key;	     /* of this check in the map */
	__u32 tgid;	     /* of the owner */
	__u32 events;	     /* mm counter events since the last check on this CPU */
	__u8 trigger;	     /* enum apo_trigger */
	__u8 policy;	     /* id of the limit's */
	__u8 process_policy; /* id of the process's own */
	bool is_covered;  /* a guard covers the limit, so that all processes below have accounts */
	bool is_stranger; /* nobody guards the process: it is seen for those who share its limit */
	bool is_host;	  /* the limit is the machine's own memory */
	bool in_fault;	  /* the owner's process is running: it can be signalled from here */
	bool in_spike;	  /* its growth is sampled */
	__u8 loan;	  /* LOAN_..., of the limit */
	__u32 python_count; /* frames of CPython in the sample that was taken */
	__u64 lru;	    /* of a subtree that is being summed */
	/* What was found on the way up; while that is walked, the least that any limit leaves so far. */
	struct apo_reading reading;
	__s64 room_pages; /* headroom below limits as they are raised */
	struct decision decision;
} __attribute__((aligned(CACHE_LINE)));

/*
 * By CPU and purpose, which is the trigger or one of these: a tick can interrupt a fault, and no program
 * itself on the same CPU. The two of the tick trigger cannot either: a CPU switches with interrupts off.
 */
enum check_purpose {
	CHECK_FIRST_SIGHT = APO_TRIGGER_END, /* only the accounts, nothing is decided */
	CHECK_VICTIM,			     /* only the limit of a process that the kernel kills */
	CHECK_PINNED,			     /* only what reclaim did not give back */
	CHECK_PURPOSES,
};

OWN_LINES(sizeof(struct check));
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct check);
	__uint(max_entries, CHECK_PURPOSES); /* times the CPU count, by user space */
} checks SEC(".maps");

static __always_inline struct check *check_of(__u32 key)
{
	return bpf_map_lookup_elem(&checks, &key);
}

/* This CPU's, with nothing but its key. */
static __always_inline struct check *check_new(__u32 purpose)
{
	__u32 key = bpf_get_smp_processor_id() * CHECK_PURPOSES + purpose;
	struct check *check = check_of(key);

	if (check) {
		__builtin_memset(check, 0, sizeof(*check));
		check->key = key;
	}
	return check;
}
