/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The kernel types we touch, and of those only the fields we read. CO-RE relocates every access
 * against the running kernel's BTF, so order, size and neighbours do not matter here. Shapes that
 * changed between kernels are flavors in compat.bpf.h.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	long counter;
} atomic_long_t;

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next;
};

struct kernfs_node {
	__u64 id;
	const char *name;
};

struct cgroup_subsys_state;

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_subsys_state *subsys[16];
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
	struct list_head sibling;
	struct list_head children;
};

struct css_set {
	struct cgroup_subsys_state *subsys[16];
};

enum zone_stat_item { NR_FREE_PAGES = 0 };

struct zone {
	atomic_long_t managed_pages;
	unsigned long present_pages;
	atomic_long_t vm_stat[1];
};

struct pglist_data {
	struct zone node_zones[1];
	atomic_long_t vm_stat[1];
};

struct lruvec {
	struct pglist_data *pgdat;
};

enum cgroup_subsys_id { memory_cgrp_id = 4 };

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID };

struct task_struct;

struct hrtimer {
	void *function;
};

struct hrtimer_sleeper {
	struct hrtimer timer;
	struct task_struct *task;
};

struct page_counter {
	atomic_long_t usage;
	unsigned long max;
	struct page_counter *parent;
};

struct mem_cgroup_per_node {
	struct lruvec lruvec;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
	union {
		struct page_counter swap;  /* v2 */
		struct page_counter memsw; /* v1 */
	};
	struct mem_cgroup_per_node *nodeinfo[0];
};

struct percpu_counter {
	__s64 count;
	__s32 *counters;
};

struct mm_struct {
	struct task_struct *owner;
	unsigned long start_code; /* of the program itself, without its libraries */
	unsigned long end_code;
	unsigned long arg_start;
	unsigned long arg_end;
	struct percpu_counter rss_stat[4];
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct sigaction {
	void *sa_handler;
};

struct k_sigaction {
	struct sigaction sa;
};

struct sighand_struct {
	struct k_sigaction action[64];
};

typedef struct {
	unsigned long sig[1];
} sigset_t;

struct sigpending {
	sigset_t signal;
};

struct signal_struct {
	atomic_t live;
	struct sigpending shared_pending;
	int nr_threads;
	unsigned int flags;
	int group_exit_code;
	short oom_score_adj;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct thread_struct {
#ifdef __TARGET_ARCH_arm64
	struct {
		unsigned long tp_value;
	} uw;
#else
	unsigned long fsbase;
#endif
};

struct task_struct {
	struct sched_entity se;
	struct mm_struct *mm;
	unsigned int flags;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	sigset_t blocked, real_blocked;
	struct css_set *cgroups;
	void *stack; /* of the kernel */
	__u64 start_boottime;
	unsigned long maj_flt;
	char comm[16];
	struct thread_struct thread;
};

struct pt_regs {
};

struct bpf_map {
	__u32 id;
};

struct bpf_array {
	struct bpf_map map;
	void *pptrs[0];
};

struct bpf_iter_meta {
	void *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000
#define SIGNAL_GROUP_EXIT 0x00000004
#define SIGNAL_UNKILLABLE 0x00000040
#define TRACE_SIGNAL_IGNORED 1
#define SIGINT 2
#define SIGKILL 9
#define ESRCH 3
#define E2BIG 7
#define EBUSY 16
#define ENOSYS 38
