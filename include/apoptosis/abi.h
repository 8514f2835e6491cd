/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The interface of the kernel side and user space: settings, policies and guards go down, records
 * and accounts come up. It and abi_profile.h are the only headers that both include.
 *
 * Fixed-width integers, explicit padding, no pointers, no enums as members, a size assert each.
 * Every record starts with struct apo_record; new kinds of record are added, old ones are never
 * reinterpreted. Times are CLOCK_MONOTONIC nanoseconds unless the name says otherwise. Memory is
 * counted in pages of the running kernel (sysconf(_SC_PAGESIZE)), because that is how the kernel's
 * page counters count.
 *
 * Accounts are read from maps whose values begin with the struct here; what follows it in the map
 * is the kernel side's own working state.
 */
#pragma once

#include <linux/types.h>

#define APO_COMM_LEN 16	      /* TASK_COMM_LEN, the same on every kernel */
#define APO_ARGS_LEN 256      /* bytes of the command line kept in a trip */
#define APO_PATH_LEN 384      /* bytes of the path of a cgroup */
#define APO_MAX_DEPTH 32      /* cgroup levels walked towards the root */
#define APO_MAX_SUBTREE 512   /* descendants summed for an ancestor's page cache */
#define APO_MAX_POLICIES 64   /* policies in force at a time */
#define APO_POLICY_NONE (~0U) /* no policy: no guard covers it, or it is not known */
#define APO_MAX_CPUS 8192     /* Debian's NR_CPUS; bounds the per-CPU offset table */
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
	APO_POLICY_AIRBAG = 2,	/* the responder raises the limit at a trip */
	APO_POLICY_BRAKE = 4,	/* and slows growth when the signal is taken */
	APO_POLICY_SIGNAL_GIVEN =
		8, /* the signal is the operator's choice, whoever has a handler */
	APO_POLICY_WARN_BY_PROFILE = 16, /* warn_signal is 0: the responder knows of another */
	APO_POLICY_WARN_UNASKED =
		32, /* the level is for those who watch memory: no signal, whose ever */
};

/* What is not sent in the fault to processes of a command, as the responder knows better: bits. */
enum apo_profiled {
	APO_PROFILED_STOP = 1, /* the shutdown signal, unless it is the operator's choice */
	APO_PROFILED_WARN = 2,
	APO_PROFILED_NEVER = 4, /* they are never told to stop */
};

/* Key of the map `profiled`, a trie: the longest that fits a command counts. The value is a __u32 of those bits. */
struct apo_profiled_key {
	__u32 bits; /* of comm that are compared; with its NUL it is that name and no other */
	char comm[APO_COMM_LEN];
};
_Static_assert(sizeof(struct apo_profiled_key) == 20, "apo_profiled_key is ABI");

/* By what the owner of a service has declared how it is stopped. */
enum apo_declaration {
	APO_DECLARED_NOTHING = 0,
	APO_DECLARED_KILL_SIGNAL = 1,	 /* KillSignal= of a unit of systemd */
	APO_DECLARED_RESTART_SIGNAL = 2, /* RestartKillSignal=, of one that is started again */
	APO_DECLARED_CONTAINER = 3,	 /* the stop signal of a container */
	APO_DECLARED_EXEC_STOP = 4,	 /* ExecStop=: its manager is asked to stop it */
	APO_DECLARED_EXEC_RESTART = 5, /* the same of a unit that is started again: to restart it */
};

/* Value of the map `declared`, key: tgid of the main process, which the responder tells to stop. */
struct apo_declared {
	__u64 start_boottime_ns; /* as /proc has it, in ticks */
	__u32 signal;		 /* where its manager is asked: if that does not do it */
	__u32 by;		 /* enum apo_declaration */
};
_Static_assert(sizeof(struct apo_declared) == 16, "apo_declared is ABI");

/*
 * What to do for the processes of a guard; its id is its index in the map `policies`. The lines and
 * what is lent are those of the policy of the limit that binds; the signals, the target and the
 * cooldown are those of the policy of the process (docs/design.md, "Whose policy").
 */
struct apo_policy {
	__u64 reserve_pages;	 /* line: trip when headroom < this; 0 = use reserve_permyriad */
	__u64 reserve_max_pages; /* bounds what reserve_permyriad gives; 0 = unbounded */
	__u64 forecast_ns;	 /* trip when time to the limit < this; 0 = off */
	__u64 cooldown_ns;	 /* least time between two signals to one process */
	__u64 trip_ns;		 /* how long user space waits for the end of a trip */
	__u32 reserve_permyriad; /* reserve in 1/10000 of the limit */
	__u32 warn_permyriad;	 /* need/limit level of the softer signal, 1/10000; 0 = off */
	__u32 signal;		 /* shutdown signal number */
	__u32 warn_signal;	 /* 0 = only the event */
	__u32 target;		 /* enum apo_target */
	__u32 flags;		 /* enum apo_policy_flag */
};
_Static_assert(sizeof(struct apo_policy) == 64, "apo_policy is ABI");

/*
 * Settings of the whole kernel side that may change while it runs: the value of the map
 * `.data.settings`. User space writes all of them but self_tgid, and what comes last; the kernel side sets
 * unattended, too.
 */
struct apo_settings {
	__u64 swap_pages;	     /* free swap when it was last turned on or off */
	__u64 nr_swap_pages_address; /* where the kernel counts free swap; 0 = use swap_pages */
	__u32 generation;	     /* of the policies: counts how often they were replaced */
	__u32 guard_all;	     /* policy of what no other guard covers; or APO_POLICY_NONE */
	__u32 guard_cgroups;	     /* 1: the map `guard_cgroups` is in use */
	__u32 guard_pids;	     /* 1: the map `guard_pids` is in use */
	__u32 profiling;	     /* 1: stacks of what grows are sampled */
	__u32 has_tick;		     /* 1: the tick trigger makes up for wake-ups put off */
	__u32 self_tgid;       /* of user space, in the initial PID namespace: never signalled */
	__u32 loans;	       /* 1: the map `loans` is in use */
	__u32 guard_above;     /* 1: the map `guard_above` is in use */
	__u32 growth_attached; /* 1: the growth trigger is; 0: it is wanted once a limit is armed */
	__u32 tells_cgroups;   /* 1: of each that is made: a guard may be for it */
	__u32 unattended; /* 1: user space has ended, or is about to start anew: nobody answers */
	/* A limit is armed from half full on, and where its line is nearer than this. */
	__u64 arm_pages;
	__u64 armed_ns;	    /* when a limit was last found armed, to a second; CLOCK_MONOTONIC */
	__u64 arm_asked_ns; /* when the growth trigger was last asked for */
	__u64 sleeper_function; /* of timers that wake who sleeps; 0: not known yet */
	__u64 root_cgroup;	/* id of the cgroup that paths begin at */
	/* The machine's own memory as one more limit, of the root cgroup: if there is a policy for it. */
	__u64 host_pages;	    /* of the machine */
	__u64 host_available_pages; /* when its policy was set */
	__s64 host_kept_pages; /* by which what is free or can be dropped was more; the kernel side's */
	__u32 host_policy;     /* APO_POLICY_NONE: it is no limit */
	__u32 host_zones_grow; /* 1: memory is handed to zones when it is needed; the kernel side's */
};
_Static_assert(sizeof(struct apo_settings) == 136, "apo_settings is ABI");

/*
 * What the responder says of a limit, key: cgroup id. It is there before the limit is raised, and until it
 * is back: all that the kernel side says of the limit is about the one before. A limit above the raised
 * one was set by somebody else: it counts.
 */
struct apo_loan {
	__u64 limit_pages;  /* before it was raised; APO_UNLIMITED: it is not raised */
	__u64 raised_pages; /* what it is raised to */
	__u64 both_pages;   /* the same of v1's limit of memory and swap together */
	__u64 both_raised_pages;
	__u64 refused_until_ns; /* CLOCK_MONOTONIC: until then nothing is lent; APO_UNLIMITED: until the
				   limit, which is above what its owner has set, is back */
	__u64 rearm_ns;	  /* CLOCK_MONOTONIC: who passes the limit is signalled as if it had never
				   tripped, if the last trip was before that */
	__u32 impossible; /* 1: it cannot be raised at all */
	__u32 was_all;	  /* 1: there is no more to lend */
};
_Static_assert(sizeof(struct apo_loan) == 56, "apo_loan is ABI");

/* What a binding limit is one of. */
enum apo_limit_kind {
	APO_LIMIT_MEMORY = 0,
	APO_LIMIT_BOTH = 1, /* v1's limit of memory and swap together */
	APO_LIMIT_HOST = 2, /* the machine's own memory */
};

/* The state of the binding limit as one check found it. */
struct apo_reading {
	__u64 limit_cgroup;	 /* id (kernfs inode) of the cgroup whose limit binds */
	__u64 limit_pages;	 /* without a loan; APO_UNLIMITED: no limit up to the root */
	__u64 usage_pages;	 /* page_counter usage: over-counts by the per-CPU stock */
	__u64 reclaimable_pages; /* page cache of the subtree the kernel can drop */
	__u64 swap_pages;	 /* room left in swap for this cgroup */
	__s64 headroom_pages;	 /* limit - (usage - reclaimable) + swap; may be negative */
	__u64 reserve_pages;	 /* the line in force; 0: the limit itself, which is raised */
	__u32 limit_kind;	 /* enum apo_limit_kind */
	__u32 lent_pages;	 /* room beyond the headroom, by limits that are raised */
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
	APO_REC_BRAKE = 9,     /* a signal is taken: slow down what grows on in limit_cgroup */
	APO_REC_SPIKE = 10,    /* the growth of a process is sampled, and its limit is half full */
	APO_REC_GAP =
		11, /* something is guarded less than it should be, found for the first time */
	APO_REC_LIMIT = 12,  /* a limit is checked for the first time, or half full */
	APO_REC_ARM = 13,    /* limit_cgroup is armed, and the growth trigger is not attached */
	APO_REC_CGROUP = 14, /* a cgroup is made */
	APO_REC_PATH = 15,   /* the path of a cgroup that the next record is about */
};

struct apo_record {
	__u32 type;   /* enum apo_record_type */
	__u32 size;   /* of the whole record, bytes */
	__u32 policy; /* id of the policy of the limit; APO_POLICY_NONE: no limit, or not known */
	__u32 generation; /* of the policies when it was written: apo_settings.generation */
};
_Static_assert(sizeof(struct apo_record) == 16, "apo_record is ABI");

enum apo_trigger {
	APO_TRIGGER_GROWTH = 1,	 /* rss_stat: an mm counter moved */
	APO_TRIGGER_TICK = 2,	 /* timer tick or switch: need grew outside the mm counters */
	APO_TRIGGER_RECLAIM = 3, /* the cgroup reached its limit and reclaim began */
	APO_TRIGGER_CHARGE = 4,	 /* page_counter_try_charge: a batch of any memory is charged */
	APO_TRIGGER_END,	 /* a new trigger comes before it */
	APO_TRIGGERS = APO_TRIGGER_END - 1,
	APO_TRIGGER_LOOK =
		32, /* of user space, where there is no kernel side: it looked at the limit */
};

enum apo_rule {
	APO_RULE_RESERVE = 1,  /* headroom < reserve */
	APO_RULE_FORECAST = 2, /* headroom / rate < forecast, level already high */
	APO_RULE_WARN = 3,     /* need / limit passed the warn level */
	APO_RULE_OOMD = 4,     /* of user space: systemd-oomd is about to kill all of the cgroup */
	APO_RULES,
};

/* Who sent the signal, or why nobody did. */
enum apo_action {
	APO_ACT_NONE = 0,	    /* no process could make use of it */
	APO_ACT_SENT = 1,	    /* by the kernel side, in the fault */
	APO_ACT_DELEGATED = 2,	    /* handed to the responder */
	APO_ACT_DRY_RUN = 3,	    /* would have been sent */
	APO_ACT_DISAPPEARED = 4,    /* responder: the process was gone already */
	APO_ACT_FAILED = 5,	    /* responder: the system call failed, see error */
	APO_ACT_SENT_RESPONDER = 6, /* by the responder */
	APO_ACT_TOLD = 7,	    /* not sent: it shuts down already, somebody else has told it */
	APO_ACT_ASKED = 8,	    /* responder: the manager of its unit is asked to stop that */
};

/* One trip or warning. */
struct apo_trip {
	struct apo_record rec;
	__u64 id;	    /* unique since boot */
	__u64 crossed_ns;   /* the check that found the line crossed */
	__u64 signal_ns;    /* after the signal was queued; 0 = not by the kernel side */
	__u64 forecast_ns;  /* headroom / rate at the trip; APO_UNLIMITED = not growing */
	__u64 rate_pages_s; /* growth of need, pages per second */
	struct apo_reading reading;
	struct apo_task grower;
	struct apo_task target;	    /* whom the signal is for; tgid 0: nobody, or see target_kind */
	__u64 rss_pages[APO_KINDS]; /* of the grower, exact */
	__u64 faults;		    /* mm counter events of the grower since it was first seen */
	__u64 spike_ns;		    /* since when its growth is sampled; 0: it is not */
	__u64 spike_pages;	    /* how much it has grown since then */
	__u32 trigger;		    /* enum apo_trigger */
	__u32 rule;		    /* enum apo_rule */
	__u32 process_policy;	    /* id of the grower's own policy */
	__u32 target_kind;	    /* enum apo_target, of that policy */
	__u32 signal;		    /* chosen signal: the policy's, or the documented fallback */
	__u32 action;		    /* enum apo_action */
	__s32 error;		    /* of the last attempt to send, 0 or -errno */
	__u32 level;		    /* 0 for the first signal of a crossing, then 1, 2, ... */
	__u32 args_len;		    /* bytes in args; 0: not read, as where it was not running */
	__u32 cause_tgid;	 /* who grew, where that is a process that nobody guards; else 0 */
	char args[APO_ARGS_LEN]; /* command line of the grower, arguments ended by NUL */
};
_Static_assert(sizeof(struct apo_trip) == 568, "apo_trip is ABI");

enum apo_request_flag {
	APO_REQUEST_AIRBAG = 1, /* raise the limit of limit_cgroup, first of all */
	APO_REQUEST_SIGNAL = 2, /* signal the target */
	APO_REQUEST_STALLED =
		4, /* with AIRBAG: page cache has no room beside need, which is below the limit */
	APO_REQUEST_GRACE = 8, /* a trip: who is signalled for it has a grace, which ends */
	APO_REQUEST_ALL = 32,  /* with SIGNAL: all of the cgroup, whatever the policy's target */
	APO_REQUEST_HOST = 16, /* the limit is the machine's own memory */
};

/*
 * What the responder needs of a trip; the trip itself goes to the slow path. Refresh, prepare and
 * brake have the same layout and use only limit_cgroup. A request without a trip has it too: it
 * asks to raise a limit again that is raised already and nearly reached.
 */
struct apo_request {
	struct apo_record rec;
	__u64 trip_id; /* 0: none */
	__u64 limit_cgroup;
	__u64 rate_pages_s; /* growth of need */
	struct apo_task grower;
	__u32 process_policy; /* id of the grower's own policy: its target */
	__u32 signal;	      /* of that policy */
	__u32 rule;  /* enum apo_rule; a warning is sent only to who handles or awaits it */
	__u32 flags; /* enum apo_request_flag */
	/* Of the limit, for the end of the grace. */
	__u64 swap_pages, reserve_pages;
	__u32 args_len; /* as in struct apo_trip; only where a signal is asked for */
	__u32 pad;
	char args[APO_ARGS_LEN];
};
_Static_assert(sizeof(struct apo_request) == 384, "apo_request is ABI");

/*
 * The delivery of a signal, or the end of a signalled process. An incident can be made from it
 * alone where the record of its trip was lost.
 */
struct apo_close {
	struct apo_record rec;
	__u64 id;	    /* of the trip; also the time of the crossing */
	__u64 time_ns;	    /* of this record */
	__u64 generated_ns; /* the kernel queued the signal; 0 = never seen */
	__u64 delivered_ns; /* the handler was entered; 0 = never seen */
	__u64 limit_cgroup;
	__u64 limit_pages;     /* at its last check */
	__u64 peak_need_pages; /* highest need of the binding cgroup since the trip */
	__s64 least_headroom_pages;
	struct apo_task task;
	__u32 process_policy;
	__u32 signal;
	__s32 generate_result; /* enum TRACE_SIGNAL_*: 0 delivered, 1 ignored, 2 pending, ... */
	__s32 exit_code;       /* wait(2) status word; APO_REC_EXIT only */
	__u32 oom_victim;      /* 1: the kernel had chosen it as OOM victim */
	__u32 pad;
};
_Static_assert(sizeof(struct apo_close) == 152, "apo_close is ABI");

struct apo_oom {
	struct apo_record rec;
	__u64 time_ns;
	__u64 trip_id;	    /* trip that had signalled the victim; 0 = no trip preceded */
	__u64 generated_ns; /* of that trip's signal, as in apo_close */
	__u64 delivered_ns;
	__u64 limit_cgroup; /* binding limit of the victim */
	__u64 spike_ns;	    /* since when its growth is sampled; 0: it is not */
	__u64 spike_pages;  /* how much it has grown since then */
	struct apo_task victim;
	struct apo_reading reading;
	__u32 process_policy;
	__u32 signal; /* of that trip */
};
_Static_assert(sizeof(struct apo_oom) == 192, "apo_oom is ABI");

/* A spike that may lead to a trip, after which the process may be gone: user space reads it now. */
struct apo_spike {
	struct apo_record rec;
	__u64 spike_ns;
	struct apo_task task;
	__u64 limit_cgroup; /* in which it grows */
};
_Static_assert(sizeof(struct apo_spike) == 80, "apo_spike is ABI");

/* A limit whose services user space is to know before it is full. */
struct apo_limit_seen {
	struct apo_record rec;
	__u64 limit_cgroup;
};
_Static_assert(sizeof(struct apo_limit_seen) == 24, "apo_limit_seen is ABI");

struct apo_cgroup_made {
	struct apo_record rec;
	__u64 cgroup;
};
_Static_assert(sizeof(struct apo_cgroup_made) == 24, "apo_cgroup_made is ABI");

/*
 * The names of a cgroup and of those above it, the lowest first, each ended by NUL, up to the root that
 * user space knows. A cgroup can be gone before anybody asks for the path of its id.
 */
struct apo_cgroup_path {
	struct apo_record rec;
	__u64 cgroup;
	__u32 length;	/* bytes in names */
	__u32 is_whole; /* 0: it is too long or too deep, or not below that root */
	char names[APO_PATH_LEN];
};
_Static_assert(sizeof(struct apo_cgroup_path) == 416, "apo_cgroup_path is ABI");

/* Why something is guarded less than it should be, as far as the kernel side finds it. */
enum apo_gap {
	APO_GAP_WIDE = 0,   /* a cgroup with more than APO_MAX_SUBTREE descendants */
	APO_GAP_DEEP = 1,   /* one with more than APO_MAX_DEPTH levels above it */
	APO_GAP_LIMIT = 2,  /* no room for the account of the limit of a cgroup */
	APO_GAP_TARGET = 3, /* no room to follow somebody who was signalled for that limit */
	APO_GAP_CHILD = 4,  /* no room for a child of a guarded process, in that cgroup */
	APO_GAPS,
};

/* Key of the map `gaps`; the value is a __u64: when it was found last. */
struct apo_gap_key {
	__u64 cgroup_id;
	__u32 kind; /* enum apo_gap */
	__u32 pad;
};
_Static_assert(sizeof(struct apo_gap_key) == 16, "apo_gap_key is ABI");

struct apo_gap_found {
	struct apo_record rec;
	struct apo_gap_key gap;
};
_Static_assert(sizeof(struct apo_gap_found) == 32, "apo_gap_found is ABI");

/* Per-process account, key: tgid. Updated whenever a guarded process is checked. */
struct apo_process {
	__u64 start_boottime_ns;
	__u64 cgroup_id;
	__u64 last_ns;		    /* of the last check */
	__u64 rss_pages[APO_KINDS]; /* kernel counter, within its per-CPU batch */
	__u64 peak_pages;	    /* highest file + anon + shmem seen */
	__u64 faults;		    /* mm counter events */
	__u64 rate_pages_s;	    /* net growth over the last half-life */
	__u32 policy;		    /* id of its own policy */
	__u32 generation;
	__u32 ns_tgid; /* pid in its own PID namespace */
	__u32 ns_level;
	char comm[APO_COMM_LEN];
};
_Static_assert(sizeof(struct apo_process) == 112, "apo_process is ABI");

#define APO_HALF_LIFE_NS (1ULL << 30) /* 1.07 s: past growth loses half its weight */

/*
 * Key of the account of a limit. A limit that a guard covers has one account, with that guard's
 * policy; one that none covers has one for each policy of the processes below it.
 */
struct apo_limit_key {
	__u64 cgroup_id; /* whose limit it is */
	__u32 policy;
	__u32 pad;
};
_Static_assert(sizeof(struct apo_limit_key) == 16, "apo_limit_key is ABI");

struct apo_limit {
	__u64 last_ns;	  /* of the last check */
	__u64 need_pages; /* then */
	__u64 limit_pages;
	__u64 peak_need_pages;
	__s64 least_headroom_pages;
	__u64 rate_pages_s; /* growth of need since the start of the previous window */
	__u64 trips;
	__u64 warns;
	__u64 oom_kills;
	__u64 oom_kills_uncaught; /* no trip preceded */
	__u64 last_trip_ns;
	__u64 trip_peak_need_pages; /* since the first trip of this crossing */
	__s64 trip_least_headroom_pages;
	__u64 stage; /* see apo_stage_level() */
};
_Static_assert(sizeof(struct apo_limit) == 112, "apo_limit is ABI");

/*
 * A stage is one word, written whole: the level, how many signals were decided since headroom was
 * last ample, and the epoch, which counts recoveries.
 */
#define apo_stage(epoch, level) ((__u64)(epoch) << 32 | (__u32)(level))
#define apo_stage_level(stage) ((__u32)(stage))
#define apo_stage_epoch(stage) ((__u32)((stage) >> 32))

/* A process that was signalled, key: tgid. Lives until the process exits. */
struct apo_signalled {
	__u64 trip_id;		 /* 0: another version has signalled it */
	__u64 start_boottime_ns; /* of the process */
	__u64 limit_cgroup;
	__u64 time_ns;	    /* of the decision */
	__u64 generated_ns; /* the kernel queued it */
	__u64 delivered_ns; /* the handler was entered */
	__u32 policy;	    /* of the limit */
	__u32 process_policy;
	__u32 generation;
	__u32 signal;
	__s32 generate_result;
	__u32 pending; /* 1: the last attempt met -EBUSY, try again */
	__u32 oom_victim;
	__u32 taken; /* 1: seen to be taken by sigwait() or a signalfd, without a handler */
};
_Static_assert(sizeof(struct apo_signalled) == 80, "apo_signalled is ABI");

/* The memory of one process, from the one-shot reader (bpf/rss.bpf.c). */
struct apo_rss {
	__u64 pages[APO_KINDS]; /* exact */
	__u32 tgid;		/* in the initial PID namespace */
	__u32 has_memory;	/* 0: a kernel thread, or exited and not reaped */
};
_Static_assert(sizeof(struct apo_rss) == 40, "apo_rss is ABI");

/* What the kernel side counts about itself. One slot each, per CPU. */
enum apo_stat {
	APO_STAT_CHECKS = 0, /* evaluations of the rules */
	APO_STAT_TRIPS,	     /* trips decided */
	APO_STAT_WARNS,
	APO_STAT_SENT,	       /* signals queued by the kernel side */
	APO_STAT_BUSY,	       /* -EBUSY, tried again at the next check */
	APO_STAT_DELEGATED,    /* handed to the responder */
	APO_STAT_LOST_RECORDS, /* ring buffer full */
	APO_STAT_MAP_FULL,     /* a limit, process or trip had no room in its map */
	APO_STAT_SUBTREE_CUT,  /* page cache of a wide subtree taken from statistics for a while */
	APO_STAT_OOM_KILLS,    /* OOM victims in guarded cgroups */
	APO_STAT_SAMPLES,      /* stacks sampled */
	APO_STAT_OOM_UNCAUGHT, /* those of the victims that no trip preceded */
	APO_STATS,
};
