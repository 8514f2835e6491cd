/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Every map and every setting of the kernel side, except the counters in stats.bpf.h and the two
 * maps in rss.bpf.h, which other objects share, and the scratch of check.bpf.h. Facts about the
 * machine are constants, known to the verifier; what a reload changes is data.
 */
#pragma once

#include "rss.bpf.h"
#include "stats.bpf.h"

#define NSEC_PER_SEC 1000000000ULL

/*
 * What a CPU writes at each event or check is in lines of its own: a whole number of them for each CPU, in arrays that
 * are BPF_F_MMAPABLE for that, since these begin with a page.
 */
#define CACHE_LINE 64
#define OWN_LINES(bytes) _Static_assert((bytes) % CACHE_LINE == 0, "CPUs share a cache line")

/* --- settings ------------------------------------------------------------------------------ */

/* Facts about the machine, set by user space before the programs are loaded. */
const volatile __u32 nr_nodes = 1; /* highest possible NUMA node number + 1 */
const volatile __u32 page_shift = 12;
const volatile bool memcg_v1 = false;
/* vm.swappiness is not 0: at 0 reclaim at a limit never swaps, so swap adds no headroom. */
const volatile bool may_swap = true;
/* Before 6.2 the counters are batched per task, and one event stands for 66 faults. */
const volatile __u32 pages_per_event = 1;
/* Usage samples in the ring of each CPU. */
const volatile __u32 usage_samples_per_cpu = 1;

struct apo_settings settings SEC(".data.settings") = {.guard_all = APO_POLICY_NONE,
						      .host_policy = APO_POLICY_NONE};

/* --- policies and guards ------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32); /* id */
	__type(value, struct apo_policy);
	__uint(max_entries, APO_MAX_POLICIES);
} policies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64);   /* cgroup id; its whole subtree is guarded */
	__type(value, __u32); /* id of the policy, here and below */
	__uint(max_entries, APO_MAX_POLICIES);
} guard_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tgid; inherited by fork */
	__type(value, __u32);
	__uint(max_entries, 16384); /* at least */
} guard_pids SEC(".maps");

/* Commands whose processes are told to stop, or warned, by the responder: see enum apo_profiled. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct apo_profiled_key);
	__type(value, __u32);
	__uint(max_entries, 1024);
} profiled SEC(".maps");

/* Main processes whose owners have declared how they are stopped: by the responder. Full: the idlest goes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u32); /* tgid */
	__type(value, struct apo_declared);
	__uint(max_entries, 4096);
} declared SEC(".maps");

/*
 * The cgroups above those that are guarded, which no guard covers: what fills their limits is seen,
 * whoever it is, and only who is guarded is signalled. The policy is that of the guard below.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64); /* cgroup id; itself, not its subtree */
	__type(value, __u32);
	__uint(max_entries, APO_MAX_POLICIES *APO_MAX_DEPTH);
} guard_above SEC(".maps");

/* Commands whose growth counts for more or less where the machine's memory binds: thousandths. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct apo_profiled_key);
	__type(value, __u32);
	__uint(max_entries, 256);
} host_weights SEC(".maps");

/* By policy: the largest process that is guarded by it, whom the kernel would kill. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32); /* tgid */
	__uint(max_entries, APO_MAX_POLICIES);
} largest SEC(".maps");

/* --- accounts ------------------------------------------------------------------------------ */

/* The account of a limit; user space reads only its first member. */
struct limit {
	struct apo_limit shared;
	__u64 window_ns; /* start of the present window of the growth rate */
	__u64 window_need_pages;
	__u64 previous_ns; /* start of the one before */
	__u64 previous_need_pages;
	__u64 explained_pages;	/* need that is in some process's account */
	__u64 grant_base_pages; /* greatest distance to the line since grants were recalled */
	__u64 grant_cpus;	/* the CPUs that they were for: cpus_now and cpus_before */
	__u64 cpus_now;		/* CPUs that checked it in this window, bit CPU % 64 */
	__u64 cpus_before;	/* and in the window before */
	__u64 cpus_ns;
	__u64 warn_stage;      /* odd: warned, and not re-armed yet */
	__s64 score_pages;     /* net growth of need, halved every APO_HALF_LIFE_NS */
	__u64 rearm_ns;	       /* when it was last re-armed */
	__u64 refresh_ns;      /* when a refresh was last considered */
	__u64 refresh_wait_ns; /* until when a trip waits for a refresh */
	__u64 lend_ns;	       /* since when a first loan is waited for; 0: it is not */
	__u64 airbag_ns;       /* when the responder was last asked to raise the limit */
	__u64 sample_ns;       /* of the last usage sample */
	__u64 sample_pages;    /* usage then */
	__u32 top_tgid;	       /* the process with the highest rank */
	__u32 prepared;	       /* the responder was told that it is half full */
	__u32 told;	       /* the slow path was told of it; 2: that it is half full */
	__u32 pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct apo_limit_key);
	__type(value, struct limit);
	__uint(max_entries, 4096); /* user space sets it, and makes room where it is full */
} limits SEC(".maps");

/* The account of a process; user space reads only its first member. */
struct process {
	struct apo_process shared;
	__u64 fault_ns;		  /* of the last check that an mm counter event caused */
	__s64 score_pages;	  /* net growth, halved every APO_HALF_LIFE_NS */
	__s64 owned_pages;	  /* RSS plus growth charged to it that RSS does not show */
	__s64 mark_pages;	  /* owned_pages when its limit last tripped */
	__u64 mark_ns;		  /* which trip that was */
	__u64 spike_ns;		  /* since when its growth is sampled; 0: it is not */
	__s64 spike_base_pages;	  /* owned_pages then */
	__s64 spike_level_pages;  /* up to which its growth has been sampled */
	__s64 spike_hidden_pages; /* of that, what its RSS does not show */
	__s64 beyond_pages;	  /* what its cgroup held beyond its RSS and is accounted for */
	__u64 beyond_ns;	  /* when that was looked at */
	__u64 ran_ns;		  /* how long the thread that ran then had run */
	__u64 huge_ns;		  /* when it last grew by huge pages in a spike */
	__u64 noted_ns;		  /* when user space was last told of a spike of it */
	__u64 stall_ns;		  /* since when a thread of it is watched for a stall */
	__u64 stall_majors;	  /* its major faults then */
	__u64 vain_ns;		  /* when reclaim for it gave nothing back; 0: it did since */
	__u64 told_ns;		  /* when its handler was entered, on somebody else's signal */
	__u64 mm;		  /* identity of the address space: exec starts a new account */
	__u32 calm;		  /* 1: it has hardly grown since it last grew fast */
	__u32 ran_pid;		  /* that thread */
	__u32 stall_pid;	  /* the one that is watched */
	__u32 is_met;		  /* 1: user space was told of its first spike */
	__u32 weight;	   /* of its growth where the machine's memory binds, see host_weight() */
	__u32 sample_more; /* pages of growth to its next sample, beyond APO_SAMPLE_PAGES */
};
/*
 * An account that is idle may be evicted. Before 6.16 each CPU of an LRU map keeps up to 128
 * entries to itself, so user space sizes it by CPUs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u32); /* tgid */
	__type(value, struct process);
	__uint(max_entries, 16384); /* at least, see above */
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tgid */
	__type(value, struct apo_signalled);
	__uint(max_entries, 1024);
} signalled SEC(".maps");

/* --- loans --------------------------------------------------------------------------------- */

/* See struct apo_loan. Room for as many as there are accounts of limits, at least. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64); /* cgroup id */
	__type(value, struct apo_loan);
	__uint(max_entries, 4096);
} loans SEC(".maps");

/* --- page cache of wide subtrees ------------------------------------------------------------- */

/* Per CPU and memory cgroup (hashed, last one wins): a sum that took long, see reclaimable.bpf.h. */
struct subtree_sum {
	__u64 memcg;
	__u64 lru;
	__u64 summed_ns;
	__u64 line_pages; /* of its limit, at the last check of that */
};
#define SUBTREE_SUMS_SHIFT 5
#define SUBTREE_SUMS_PER_CPU (1 << SUBTREE_SUMS_SHIFT)
OWN_LINES(SUBTREE_SUMS_PER_CPU * sizeof(struct subtree_sum));
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct subtree_sum);
	__uint(max_entries, SUBTREE_SUMS_PER_CPU); /* times the CPU count, by user space */
} subtree_sums SEC(".maps");

/* --- what reclaim did not give back ---------------------------------------------------------- */

/*
 * Page cache and slab that count as reclaimable and were not: spliced into pipes, queued in sockets,
 * inodes that are watched. Key: cgroup id, of a limit that is lifted and was reached all the same.
 */
struct pinned {
	__u64 pages;
	__u64 until_ns; /* reclaim may have more luck later */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64);
	__type(value, struct pinned);
	__uint(max_entries, 1024);
} pinned SEC(".maps");

__u32 any_pinned = 0; /* 1: the map has been used */

/* --- gaps ---------------------------------------------------------------------------------- */

/* What is guarded less than it should be, see gap.bpf.h. User space deletes what is over. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct apo_gap_key);
	__type(value, __u64); /* when it was found last */
	__uint(max_entries, 1024);
} gaps SEC(".maps");

__u32 any_gaps = 0; /* 1: the map has been used */

/* --- stages -------------------------------------------------------------------------------- */

/*
 * A latch is held by the CPU that moves a stage of an account, see stage_move(). One program
 * inserts and deletes it, so a program holds at most one. It is an insert and not a
 * compare-and-swap because 5.10 has no atomics that return a value.
 */
struct latch_key {
	__u64 limit_cgroup;
	__u32 policy;
	__u32 what; /* enum stage_kind */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct latch_key);
	__type(value, __u8);
	__uint(max_entries, 64); /* at least: user space sets four for each CPU */
} latches SEC(".maps");

/* --- grants -------------------------------------------------------------------------------- */

/*
 * Per CPU: how far this address space may grow before it must be checked again, in mm counter events and
 * in pages of each counter, as one event may stand for many. An array indexed by CPU, not a per-CPU map:
 * its lookup is inlined on every kernel. A cache line.
 */
struct slot {
	struct mm_struct *mm;
	__u32 left; /* events */
	__u32 granted;
	__u32 recall;	     /* index of the limit's recalls */
	__u32 recalled;	     /* their count when it was granted */
	__u32 usage_samples; /* that this CPU has written */
	__u32 pad;
	__s64 check_at_pages[APO_KINDS];
};
OWN_LINES(sizeof(struct slot));
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct slot);
	__uint(max_entries, 1); /* set to the CPU count by user space */
} slots SEC(".maps");

/*
 * Per CPU and memory cgroup (hashed, last one wins): the usage at which a process of that cgroup is
 * checked again, whatever made it grow. A process whose cgroup has not grown is passed over for the
 * price of reading one counter.
 */
struct usage_grant {
	__u64 memcg;
	__u64 check_at_pages;
	__u32 granted; /* pages */
	__u32 recall;
	__u32 recalled;
	__u32 pad;
};
#define USAGE_GRANTS_SHIFT 6
#define USAGE_GRANTS_PER_CPU (1 << USAGE_GRANTS_SHIFT)
OWN_LINES(USAGE_GRANTS_PER_CPU * sizeof(struct usage_grant));
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct usage_grant);
	__uint(max_entries, USAGE_GRANTS_PER_CPU); /* times the CPU count, by user space */
} usage_grants SEC(".maps");

/*
 * Grants are recalled by limit, hashed: a grant remembers the count of its limit and is stale when
 * that has moved, for this limit or for another one that shares it. recall_count counts all recalls
 * and moves first: a check during which it moves may rest on old facts and grants nothing.
 */
#define RECALLS 1024
__u32 recalls[RECALLS] SEC(".data.recalls") = {};
__u32 recall_count;

/* --- records ------------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} records SEC(".maps"); /* for the slow path: everything that happened */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} urgent SEC(".maps"); /* for the responder: only what it must act on */

/* When the reader of records is to be woken at the latest; 0: no record waits for it. */
__u64 wake_due_ns = 0;

/* --- the profiler -------------------------------------------------------------------------- */

/*
 * Stacks by hash, weights by spike, process and stack. Both are hashes that do not evict, each with
 * a queue of its keys, the oldest first: LRU maps lose entries on many CPUs before 6.16, because
 * each CPU keeps up to 128 to itself. User space sizes them, if anything is profiled.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64); /* hash of the stack */
	__type(value, struct apo_stack);
	__uint(max_entries, 1);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__type(value, __u64);
	__uint(max_entries, 1);
} stack_queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct apo_weight_key);
	__type(value, struct apo_weight);
	__uint(max_entries, 1);
} weights SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__type(value, struct apo_weight_key);
	__uint(max_entries, 1);
} weight_queue SEC(".maps");

/* A ring per CPU, the oldest sample overwritten. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct apo_usage_sample);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* usage_samples_per_cpu times the CPU count */
} usage_samples SEC(".maps");

/* A stack that is being taken, and of CPython its layout and the frame at hand. */
struct scratch {
	struct apo_stack stack; /* the first: it is put into `stacks` */
	struct apo_python python;
	__u64 frame[APO_PYTHON_FRAME_BYTES / 8];
};

/* By CPU and trigger: a tick can interrupt a fault. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct scratch);
	__uint(max_entries, 1); /* APO_TRIGGERS times the CPU count */
} scratches SEC(".maps");

/* --- CPython ------------------------------------------------------------------------------- */

/* By process; user space adds, the end of the process removes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tgid */
	__type(value, struct apo_python);
	__uint(max_entries, 1);
} pythons SEC(".maps");

/* As stacks are kept. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct apo_python_code_key);
	__type(value, struct apo_python_code);
	__uint(max_entries, 1);
} python_codes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__type(value, struct apo_python_code_key);
	__uint(max_entries, 1);
} python_code_queue SEC(".maps");
