/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What the kernel side and the user side say to each other: policies and guards going down,
 * records and per-process accounts coming up. The only header both sides include.
 *
 * Fixed-width integers, explicit padding, no pointers, no enums as members, a size assert each.
 * Every record starts with struct apo_record; new kinds of record are added, old ones are never
 * reinterpreted. Times are CLOCK_MONOTONIC nanoseconds unless the name says otherwise. Memory is
 * counted in pages of the running kernel (sysconf(_SC_PAGESIZE)), because that is how the kernel's
 * page counters count.
 */
#pragma once

#include <linux/types.h>

#define APO_COMM_LEN 16	      /* TASK_COMM_LEN, the same on every kernel */
#define APO_ARGS_LEN 256      /* bytes of the command line kept in a trip */
#define APO_MAX_DEPTH 16      /* cgroup levels walked towards the root */
#define APO_MAX_SUBTREE 512   /* descendants summed for an ancestor's page cache */
#define APO_MAX_POLICIES 16   /* policies one daemon can hold */
#define APO_MAX_CPUS 8192     /* Debian's NR_CPUS; bounds the per-CPU offset table */
#define APO_REGISTERS 34      /* words of user-mode registers at most: arm64; x86-64 has 21 */
#define APO_STACK_BYTES 8192  /* of a user stack that are kept, from its top */
#define APO_UNLIMITED (~0ULL) /* a limit, reserve or headroom that does not exist */

/* Memory kinds, in the order of the kernel's own mm counters (enum in mm_types.h). */
enum apo_kind {
	APO_FILE = 0,
	APO_ANON = 1,
	APO_SWAP = 2,
	APO_SHMEM = 3,
	APO_KINDS = 4,
};

enum apo_target {
	APO_TARGET_GROWER = 0, /* the process whose growth crossed the line */
	APO_TARGET_LEADER = 1, /* the main process of its container, cgroup or run */
	APO_TARGET_ALL = 2,    /* every process of the cgroup whose limit binds */
};

enum apo_policy_flag {
	APO_POLICY_DRY_RUN = 1, /* decide and report, signal nothing */
	APO_POLICY_AIRBAG = 2,	/* at a trip the responder raises the limit */
	APO_POLICY_BRAKE = 4,	/* and slows growth down when the handler is entered */
};

/* How one guard behaves. Index 0 of the policy table is the default of `--all`. */
struct apo_policy {
	__u64 reserve_pages;	 /* line: trip when headroom < this; 0 = use reserve_permyriad */
	__u64 reserve_max_pages; /* bounds what reserve_permyriad gives; 0 = unbounded */
	__u64 forecast_ns;	 /* trip when time to the limit < this; 0 = off */
	__u64 cooldown_ns;	 /* least time between two signals to one process */
	__u32 reserve_permyriad; /* reserve in 1/10000 of the limit */
	__u32 warn_permyriad;	 /* need/limit level of the softer signal, 1/10000; 0 = off */
	__u32 signal;		 /* shutdown signal number */
	__u32 warn_signal;	 /* 0 = only the event */
	__u32 target;		 /* enum apo_target */
	__u32 flags;		 /* enum apo_policy_flag */
};
_Static_assert(sizeof(struct apo_policy) == 56, "apo_policy is ABI");

/* The state of the binding limit as one look found it. */
struct apo_reading {
	__u64 limit_cgroup;	 /* id (kernfs inode) of the cgroup whose limit binds */
	__u64 limit_pages;	 /* APO_UNLIMITED: no limit up to the root */
	__u64 usage_pages;	 /* page_counter usage: over-counts by the per-CPU stock */
	__u64 reclaimable_pages; /* page cache of the subtree the kernel can drop */
	__u64 swap_pages;	 /* room left in swap for this cgroup */
	__s64 headroom_pages;	 /* limit - (usage - reclaimable) + swap; may be negative */
	__u64 reserve_pages;	 /* the line in force */
	__u32 swap_binds;	 /* 1: the v1 memory+swap limit binds, not the memory limit */
	__u32 pad;
};
_Static_assert(sizeof(struct apo_reading) == 64, "apo_reading is ABI");

/* What a signal would do to a process, known before it is sent. */
enum apo_disposition {
	APO_DISP_UNKNOWN = 0,
	APO_DISP_HANDLED = 1, /* a handler is installed */
	APO_DISP_DEFAULT = 2, /* default action: ends it without a shutdown of its own */
	APO_DISP_BLOCKED = 3, /* blocked in the thread seen: sigwait or signalfd take it later */
	APO_DISP_IGNORED = 4, /* SIG_IGN: would do nothing */
	APO_DISP_INIT = 5,    /* init of its PID namespace with the default action: does nothing */
};

/* A process, identified by pid and start time. */
struct apo_task {
	__u32 tgid;		 /* pid in the initial PID namespace */
	__u32 ns_tgid;		 /* pid in its own PID namespace */
	__u64 start_boottime_ns; /* CLOCK_BOOTTIME at its start */
	__u64 cgroup_id;	 /* memory cgroup it is charged to */
	__u32 disposition;	 /* enum apo_disposition for the signal chosen */
	__u32 ns_level;		 /* depth of its PID namespace, 0 = initial */
	char comm[APO_COMM_LEN];
};
_Static_assert(sizeof(struct apo_task) == 48, "apo_task is ABI");

enum apo_record_type {
	APO_REC_TRIP = 1,
	APO_REC_WARN = 2,      /* same layout as a trip */
	APO_REC_DELIVERED = 3, /* the handler of a signalled process is about to run */
	APO_REC_EXIT = 4,      /* a signalled process is gone */
	APO_REC_OOM = 5,       /* the kernel chose an OOM victim */
	APO_REC_REQUEST = 6,   /* what the responder is to do for a trip */
	APO_REC_REFRESH = 7,   /* statistics of limit_cgroup are to be brought up to date */
	APO_REC_PREPARE = 8,   /* limit_cgroup is half full: open what raising its limit takes */
	APO_REC_BRAKE = 9, /* a handler is entered: what grows on in limit_cgroup is to slow down */
	APO_REC_SPIKE = 10, /* a process's growth is recorded, and its guard half full */
};

struct apo_record {
	__u32 type; /* enum apo_record_type */
	__u32 size; /* of the whole record, bytes */
};

enum apo_trigger {
	APO_TRIGGER_GROWTH = 1,	 /* rss_stat: an mm counter moved */
	APO_TRIGGER_PULSE = 2,	 /* timer tick: need grew outside the mm counters */
	APO_TRIGGER_RECLAIM = 3, /* the cgroup reached its limit and reclaim began */
	APO_TRIGGER_CHARGE = 4,	 /* page_counter_try_charge: a batch of any memory is charged */
	APO_TRIGGERS = 4,
};

enum apo_rule {
	APO_RULE_RESERVE = 1,  /* headroom < reserve */
	APO_RULE_FORECAST = 2, /* headroom / rate < forecast, level already high */
	APO_RULE_WARN = 3,     /* need / limit passed the warn level */
};

/* Who sent the signal, or why nobody did. */
enum apo_action {
	APO_ACT_NONE = 0,	   /* no process could make use of it */
	APO_ACT_SENT = 1,	   /* by the kernel side, in the fault */
	APO_ACT_DELEGATED = 2,	   /* handed to the responder */
	APO_ACT_DRY_RUN = 3,	   /* would have been sent */
	APO_ACT_DISAPPEARED = 4,   /* responder: the process was gone already */
	APO_ACT_FAILED = 5,	   /* responder: the system call failed, see error */
	APO_ACT_SENT_RESPONDER = 6 /* by the responder */
};

/* One trip or warning. */
struct apo_trip {
	struct apo_record rec;
	__u64 id;	    /* unique since boot */
	__u64 crossed_ns;   /* the look that found the line crossed */
	__u64 signal_ns;    /* after the signal was queued; 0 = not by the kernel side */
	__u64 forecast_ns;  /* headroom / rate at the trip; APO_UNLIMITED = not growing */
	__u64 rate_pages_s; /* growth of need, pages per second */
	struct apo_reading reading;
	struct apo_task grower;
	struct apo_task target;	    /* whom the signal is for; tgid 0: nobody, or see policy */
	__u64 rss_pages[APO_KINDS]; /* of the grower, exact */
	__u64 faults;		    /* mm counter events of the grower since it was first seen */
	__u64 spike_ns;		    /* since when its growth is recorded; 0: it is not */
	__u64 spike_pages;	    /* how much it has grown since then */
	__u32 trigger;		    /* enum apo_trigger */
	__u32 rule;		    /* enum apo_rule */
	__u32 policy;		    /* index into the policy table */
	__u32 target_policy;	    /* enum apo_target */
	__u32 signal;		    /* chosen signal: the policy's, or the documented fallback */
	__u32 action;		    /* enum apo_action */
	__s32 error;		    /* of the last attempt to send, 0 or -errno */
	__u32 step;		    /* 0 for the first signal of a crossing, then 1, 2, ... */
	__u32 args_len;		    /* bytes in args; 0: not readable from where we were */
	__u32 pad;
	char args[APO_ARGS_LEN]; /* command line of the grower, arguments ended by NUL */
};
_Static_assert(sizeof(struct apo_trip) == 560, "apo_trip is ABI");

enum apo_request_flag {
	APO_REQUEST_AIRBAG = 1, /* raise the limit of limit_cgroup, first of all */
	APO_REQUEST_SIGNAL = 2, /* signal the target */
};

/*
 * What the responder needs of a trip; the trip itself goes to the slow path. Refresh, prepare and
 * brake have the same layout and use only limit_cgroup; so has a request without a trip, which is
 * about a limit that is raised already and nearly reached again.
 */
struct apo_request {
	struct apo_record rec;
	__u64 trip_id; /* 0: none */
	__u64 limit_cgroup;
	__u64 rate_pages_s; /* growth of need */
	struct apo_task grower;
	__u32 target_policy; /* enum apo_target */
	__u32 signal;	     /* of the policy */
	__u32 rule;	     /* enum apo_rule: a warning is for those who handle it, nobody else */
	__u32 flags;	     /* enum apo_request_flag */
};
_Static_assert(sizeof(struct apo_request) == 96, "apo_request is ABI");

/* Confirmation and end of a signalled process. */
struct apo_close {
	struct apo_record rec;
	__u64 id;	       /* of the trip */
	__u64 time_ns;	       /* of this record */
	__u64 generated_ns;    /* the kernel queued the signal; 0 = never seen */
	__u64 delivered_ns;    /* the handler was entered; 0 = never seen */
	__u64 peak_need_pages; /* highest need of the binding cgroup since the trip */
	__s64 least_headroom_pages;
	__u32 tgid;
	__s32 generate_result; /* enum TRACE_SIGNAL_*: 0 delivered, 1 ignored, 2 pending, ... */
	__s32 exit_code;       /* wait(2) status word; APO_REC_EXIT only */
	__u32 oom_victim;      /* 1: the kernel had chosen it as OOM victim */
};
_Static_assert(sizeof(struct apo_close) == 72, "apo_close is ABI");

struct apo_oom {
	struct apo_record rec;
	__u64 time_ns;
	__u64 trip_id;	    /* trip that had signalled the victim; 0 = no trip preceded */
	__u64 limit_cgroup; /* binding limit of the victim */
	__u64 spike_ns;	    /* since when its growth is recorded; 0: it is not */
	__u64 spike_pages;  /* how much it has grown since then */
	struct apo_task victim;
	struct apo_reading reading;
};
_Static_assert(sizeof(struct apo_oom) == 160, "apo_oom is ABI");

/* A trip may follow, and the process be gone at once: what is needed of it is to be taken now. */
struct apo_spike {
	struct apo_record rec;
	__u64 spike_ns;
	struct apo_task task;
};
_Static_assert(sizeof(struct apo_spike) == 64, "apo_spike is ABI");

/* Per-process account, key: tgid. Updated whenever a guarded process is looked at. */
struct apo_process {
	__u64 start_boottime_ns;
	__u64 cgroup_id;
	__u64 last_ns;		    /* of the last look */
	__u64 fault_ns;		    /* of the last look that an mm counter event caused */
	__u64 rss_pages[APO_KINDS]; /* kernel counter, within its per-CPU batch */
	__u64 peak_pages;	    /* highest file + anon + shmem seen */
	__u64 faults;		    /* mm counter events */
	__u64 rate_pages_s;	    /* net growth over the last half-life */
	__s64 score_pages;	    /* net growth, halved every APO_HALF_LIFE_NS */
	__s64 owned_pages;	    /* RSS plus growth charged to it that RSS does not show */
	__s64 mark_pages;	    /* owned_pages when its guard last tripped */
	__u64 mark_ns;		    /* which trip that was */
	__u64 spike_ns;		    /* since when its growth is recorded; 0: it is not */
	__s64 spike_base_pages;	    /* owned_pages then */
	__s64 spike_level_pages;    /* up to which its growth has been recorded */
	__s64 spike_hidden_pages;   /* of that, what its RSS does not show */
	__u64 huge_ns;		    /* when it was last seen to grow by huge pages in a spike */
	__u64 noted_ns;		    /* when user space was last told of a spike of it */
	__u32 calm;		    /* 1: it did not grow to speak of at the last look */
	__u32 pad;
	__u64 mm;      /* identity of the address space: exec starts a new account */
	__u32 ns_tgid; /* pid in its own PID namespace */
	__u32 ns_level;
	char comm[APO_COMM_LEN];
};
_Static_assert(sizeof(struct apo_process) == 208, "apo_process is ABI");

#define APO_HALF_LIFE_NS (1ULL << 30) /* 1.07 s: growth older than that fades */

/* Per-guard account, key: id of the cgroup whose limit binds. */
struct apo_guard {
	__u64 last_ns;
	__u64 need_pages; /* at the last look */
	__u64 limit_pages;
	__u64 peak_need_pages;
	__s64 least_headroom_pages;
	__u64 rate_pages_s; /* growth of need since the start of the previous window */
	__u64 window_ns;    /* start of the present window for that rate */
	__u64 window_need_pages;
	__u64 previous_ns; /* start of the one before */
	__u64 previous_need_pages;
	__u64 explained_pages;	/* need that is in some process's account */
	__u64 grant_base_pages; /* distance to the line when the looks now due were put off */
	__u64 trips;
	__u64 warns;
	__u64 oom_kills;
	__u64 oom_kills_uncaught; /* no trip preceded */
	__u64 last_trip_ns;
	__u64 cpus_now;	   /* CPUs that looked at it in this window, and in the one before: */
	__u64 cpus_before; /* bit CPU % 64 */
	__u64 cpus_ns;
	__u64 trip_peak_need_pages; /* since the first trip of this era */
	__s64 trip_least_headroom_pages;
	__s64 score_pages;    /* net growth of need, halved every APO_HALF_LIFE_NS */
	__s64 top_rank_pages; /* of the process that grows most */
	__u64 top_ns;
	__u64 refresh_ns;      /* when a refresh was last thought about */
	__u64 refresh_wait_ns; /* until when a trip waits for its answer */
	__u64 airbag_ns;       /* when the responder was last asked to raise the limit again */
	__u64 point_ns;	       /* of the last point of the flight recorder */
	__u64 point_pages;     /* usage then */
	__u32 top_tgid;
	__u32 step; /* signals decided since headroom was last ample */
	__u32 era;  /* counts recoveries; part of the once-only latch */
	__u32 warned;
	__u32 prepared; /* the responder was told that it is half full */
	__u32 pad;
};
_Static_assert(sizeof(struct apo_guard) == 264, "apo_guard is ABI");

/* A process that was signalled, key: tgid. Lives until the process exits or the cooldown ends. */
struct apo_signalled {
	__u64 trip_id;
	__u64 limit_cgroup;
	__u64 time_ns;	    /* of the decision */
	__u64 generated_ns; /* the kernel queued it */
	__u64 delivered_ns; /* the handler was entered */
	__u32 signal;
	__s32 generate_result;
	__u32 pending; /* 1: the last attempt met -EBUSY, try again */
	__u32 oom_victim;
	__u32 brake; /* 1: the responder wants to know when the handler is entered */
	__u32 pad;
};
_Static_assert(sizeof(struct apo_signalled) == 64, "apo_signalled is ABI");

/*
 * The recorder: who allocated what in a spike. A spike is the growth of one process since it was
 * last calm; its growth is sampled every APO_SAMPLE_PAGES, each sample weighted with the pages since
 * the one before. So the weights of a spike add up to what the process has grown.
 */
#define APO_SAMPLE_PAGES 64

/*
 * A thread in user mode, key: a hash of what tells one path through the code from another. The
 * frames are found in it later, in user space.
 */
struct apo_stack {
	__u64 registers[APO_REGISTERS]; /* struct pt_regs (x86-64), struct user_pt_regs (arm64) */
	__u64 sp;			/* address of the copy */
	__u32 bytes;			/* there are of it; 0: not readable */
	__u32 pad;
	__u8 copy[APO_STACK_BYTES];
};
_Static_assert(sizeof(struct apo_stack) == 8480, "apo_stack is ABI");

struct apo_weight_key {
	__u64 spike_ns; /* which spike */
	__u64 stack;	/* key of the stack */
	__u32 tgid;
	__u32 pad;
};
_Static_assert(sizeof(struct apo_weight_key) == 24, "apo_weight_key is ABI");

struct apo_weight {
	__u64 pages;
	__u64 samples;
};
_Static_assert(sizeof(struct apo_weight) == 16, "apo_weight is ABI");

/* A moment in the flight recorder: taken where something moved, at most one a millisecond. */
struct apo_point {
	__u64 time_ns; /* 0: none yet */
	__u64 limit_cgroup;
	__u64 limit_pages;
	__u64 usage_pages;
	__u64 reclaimable_pages;
	__u64 rate_pages_s;
	__u64 rss_pages[APO_KINDS]; /* of the process, within the per-CPU batch */
	__u32 tgid;
	__u32 pad;
};
_Static_assert(sizeof(struct apo_point) == 88, "apo_point is ABI");

/* Answer of the one-shot reader of one process's memory. */
struct apo_rss {
	__u64 pages[APO_KINDS]; /* exact */
	__u32 tgid;		/* in the initial PID namespace */
	__u32 has_memory;	/* 0: a kernel thread, or exited and not reaped */
};
_Static_assert(sizeof(struct apo_rss) == 40, "apo_rss is ABI");

/* What the kernel side counts about itself. One slot each, per CPU. */
enum apo_stat {
	APO_STAT_LOOKS = 0, /* evaluations of the rule */
	APO_STAT_TRIPS,	    /* trips decided */
	APO_STAT_WARNS,
	APO_STAT_SENT,	       /* signals queued by the kernel side */
	APO_STAT_BUSY,	       /* -EBUSY, retried at the next look */
	APO_STAT_DELEGATED,    /* handed to the responder */
	APO_STAT_LOST_RECORDS, /* ring buffer full */
	APO_STAT_MAP_FULL,     /* a guard, process or trip had no room in its map */
	APO_STAT_SUBTREE_CUT,  /* page cache of an ancestor not summed to the end */
	APO_STAT_OOM_KILLS,    /* OOM victims in guarded cgroups */
	APO_STAT_SAMPLES,      /* stacks recorded */
	APO_STATS,
};
