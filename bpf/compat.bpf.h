/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Every difference between kernels, one inline each, probed by BTF. Callers do not know that a
 * difference exists. A flavor is named for the version that ended it.
 */
#pragma once

#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "apoptosis/abi_profile.h"
#include "verifier.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/*
 * mm counters were plain atomics with a per-task cache until 6.2 made them percpu_counters
 * (f1a7941243c1 "mm: convert mm's rss stats into percpu_counter"). Goes when 6.1 goes.
 */
struct mm_rss_stat___pre62 {
	atomic_long_t count[4];
};
struct mm_struct___pre62 {
	struct mm_rss_stat___pre62 rss_stat;
};
struct task_rss_stat___pre62 {
	int count[4];
};
struct task_struct___pre62 {
	struct task_rss_stat___pre62 rss_stat;
};

/* Array members that some toolchains encode nested and others flattened. */
struct mem_cgroup_per_node___flat {
	unsigned long lru_zone_size[30];
};
struct mem_cgroup_per_node___nested {
	unsigned long lru_zone_size[5][6];
};

/* Multi-generational LRU: struct lru_gen_struct in 6.1, lru_gen_folio from 6.3 (391655fe08d1). */
struct lru_gen_folio___flat {
	long nr_pages[40];
};
struct lru_gen_folio___nested {
	long nr_pages[4][2][5];
};
struct lru_gen_struct___flat {
	long nr_pages[40];
};
struct lru_gen_struct___nested {
	long nr_pages[4][2][5];
};
struct lruvec___flat {
	struct lru_gen_folio___flat lrugen;
};
struct lruvec___nested {
	struct lru_gen_folio___nested lrugen;
};
struct lruvec___flat63 {
	struct lru_gen_struct___flat lrugen;
};
struct lruvec___nested63 {
	struct lru_gen_struct___nested lrugen;
};
struct mem_cgroup_per_node___gen_flat {
	struct lruvec___flat lruvec;
};
struct mem_cgroup_per_node___gen_nested {
	struct lruvec___nested lruvec;
};
struct mem_cgroup_per_node___gen_flat63 {
	struct lruvec___flat63 lruvec;
};
struct mem_cgroup_per_node___gen_nested63 {
	struct lruvec___nested63 lruvec;
};

/*
 * Memory statistics of a cgroup: an array of atomics in 5.10, then (2d146aa3aa84, 5.13) a struct
 * flushed by rstat, embedded at first, behind a pointer from 6.1 on (410f8e82689e).
 */
struct mem_cgroup___pre513 {
	atomic_long_t vmstats[64];
};
struct memcg_vmstats {
	long state[64];
};
struct mem_cgroup___pre61 {
	struct memcg_vmstats vmstats;
};
struct mem_cgroup___now {
	struct memcg_vmstats *vmstats;
};
/* v1's memory.swappiness; absent where v1 is compiled out. */
struct mem_cgroup___v1 {
	int swappiness;
};
enum node_stat_item {
	NR_INACTIVE_FILE = 2,
	NR_ACTIVE_FILE = 3,
	NR_SLAB_RECLAIMABLE_B = 5,
	NR_KERNEL_MISC_RECLAIMABLE = 34,
};

#pragma clang attribute pop

#define STAT_SLAB_RECLAIMABLE 5 /* bytes; before it are the LRU lists, in pages */

/*
 * The statistics of a cgroup and its descendants, an array of 64 bits each; NULL where it is not known.
 * The index is that of enum node_stat_item; 6.12 and newer number the statistics anew, in an order whose
 * first seven are those of the enum, so that they are trusted only where both agree.
 */
static __always_inline void *compat_memcg_stats(void *memcg)
{
	struct mem_cgroup___pre513 *pre513 = memcg;
	struct mem_cgroup___pre61 *pre61 = memcg;
	struct mem_cgroup___now *now = memcg;
	struct memcg_vmstats *vmstats = NULL;

	if (bpf_core_enum_value(enum node_stat_item, NR_SLAB_RECLAIMABLE_B) !=
	    STAT_SLAB_RECLAIMABLE)
		return NULL;
	if (bpf_core_field_exists(pre513->vmstats)) {
		verifier_branch();
		return &pre513->vmstats;
	}
	if (bpf_core_field_exists(pre61->vmstats)) {
		verifier_branch();
		return &pre61->vmstats.state;
	}
	if (bpf_core_field_exists(now->vmstats)) {
		verifier_branch();
		bpf_probe_read_kernel(&vmstats, sizeof(vmstats), &now->vmstats);
		return vmstats ? &vmstats->state : NULL;
	}
	return NULL;
}

/* Whether a v1 cgroup asks never to be swapped out at its limit. */
static __always_inline bool compat_never_swaps(void *memcg)
{
	struct mem_cgroup___v1 *v1 = memcg;
	int swappiness = 60;

	if (bpf_core_field_exists(v1->swappiness)) {
		verifier_branch();
		bpf_probe_read_kernel(&swappiness, sizeof(swappiness), &v1->swappiness);
	}
	return swappiness == 0;
}

/* Counter `kind` of an address space as the kernel keeps it: exact to the per-CPU batch. */
static __always_inline __s64 compat_rss_count(struct mm_struct *mm, int kind)
{
	struct mm_struct___pre62 *old = (void *)mm;
	struct percpu_counter *counter;
	__s64 count = 0;

	if (bpf_core_field_exists(old->rss_stat.count)) {
		verifier_branch();
		bpf_probe_read_kernel(&count, sizeof(count), &old->rss_stat.count[kind]);
	} else {
		verifier_branch();
		counter = (void *)mm + bpf_core_field_offset(struct mm_struct, rss_stat) +
			  kind * bpf_core_type_size(struct percpu_counter);
		bpf_probe_read_kernel(&count, sizeof(count), &counter->count);
	}
	return count;
}

/*
 * As compat_rss_count(), for each event, and without a call: of an address space that a tracepoint was
 * given. The verifier wants a constant offset in each read. Before 6.2 each event is looked at: 0.
 */
static __always_inline __s64 compat_rss_count_of_event(struct mm_struct *mm, int kind)
{
	struct mm_struct___pre62 *old = (void *)mm;

	if (bpf_core_field_exists(old->rss_stat.count))
		return 0;
	verifier_branch();
	switch (kind) {
	case APO_FILE:
		return mm->rss_stat[APO_FILE].count;
	case APO_ANON:
		return mm->rss_stat[APO_ANON].count;
	case APO_SHMEM:
		return mm->rss_stat[APO_SHMEM].count;
	}
	return 0; /* swapped out: nothing that grows */
}

/* Where the per-CPU part of counter `kind` lives; NULL where there is none (before 6.2). */
static __always_inline void *compat_rss_percpu(struct mm_struct *mm, int kind)
{
	struct mm_struct___pre62 *old = (void *)mm;
	struct percpu_counter *counter;
	void *counters = NULL;

	if (bpf_core_field_exists(old->rss_stat.count))
		return NULL;
	verifier_branch();
	counter = (void *)mm + bpf_core_field_offset(struct mm_struct, rss_stat) +
		  kind * bpf_core_type_size(struct percpu_counter);
	bpf_probe_read_kernel(&counters, sizeof(counters), &counter->counters);
	return counters;
}

/* Pages the task has faulted in but not yet added to its address space; 0 from 6.2 on. */
static __always_inline __s64 compat_rss_pending(struct task_struct *task, int kind)
{
	struct task_struct___pre62 *old = (void *)task;
	int count = 0;

	if (bpf_core_field_exists(old->rss_stat.count)) {
		verifier_branch();
		bpf_probe_read_kernel(&count, sizeof(count), &old->rss_stat.count[kind]);
	}
	return count;
}

/* The table of a node's LRU sizes, [zone][lru], and its size in bytes. */
static __always_inline void *compat_lru_sizes(void *node, __u32 *ret_bytes)
{
	struct mem_cgroup_per_node___flat *flat = node;
	struct mem_cgroup_per_node___nested *nested = node;

	if (bpf_core_field_exists(flat->lru_zone_size)) {
		verifier_branch();
		*ret_bytes = bpf_core_field_size(flat->lru_zone_size);
		return &flat->lru_zone_size;
	}
	if (bpf_core_field_exists(nested->lru_zone_size)) {
		verifier_branch();
		*ret_bytes = bpf_core_field_size(nested->lru_zone_size);
		return &nested->lru_zone_size;
	}
	return NULL;
}

/* The table of a node's generation sizes, [generation][type][zone]; NULL without MGLRU. */
static __always_inline void *compat_gen_sizes(void *node, __u32 *ret_bytes)
{
	struct mem_cgroup_per_node___gen_flat *flat = node;
	struct mem_cgroup_per_node___gen_nested *nested = node;
	struct mem_cgroup_per_node___gen_flat63 *flat63 = node;
	struct mem_cgroup_per_node___gen_nested63 *nested63 = node;

	if (bpf_core_field_exists(flat->lruvec.lrugen.nr_pages)) {
		verifier_branch();
		*ret_bytes = bpf_core_field_size(flat->lruvec.lrugen.nr_pages);
		return &flat->lruvec.lrugen.nr_pages;
	}
	if (bpf_core_field_exists(nested->lruvec.lrugen.nr_pages)) {
		verifier_branch();
		*ret_bytes = bpf_core_field_size(nested->lruvec.lrugen.nr_pages);
		return &nested->lruvec.lrugen.nr_pages;
	}
	if (bpf_core_field_exists(flat63->lruvec.lrugen.nr_pages)) {
		verifier_branch();
		*ret_bytes = bpf_core_field_size(flat63->lruvec.lrugen.nr_pages);
		return &flat63->lruvec.lrugen.nr_pages;
	}
	if (bpf_core_field_exists(nested63->lruvec.lrugen.nr_pages)) {
		verifier_branch();
		*ret_bytes = bpf_core_field_size(nested63->lruvec.lrugen.nr_pages);
		return &nested63->lruvec.lrugen.nr_pages;
	}
	return NULL;
}

/* Words of struct pt_regs (x86-64) and struct user_pt_regs (arm64), whose layout is uapi. */
#ifdef __TARGET_ARCH_arm64
#define REGISTERS 34
#define REGISTER_FP 29
#define REGISTER_SP 31
#define REGISTER_PC 32
#define REGISTERS_ARE_USER(registers) (((registers)[33] & 0x1f) == 0) /* EL0, 64 bits */
#else
#define REGISTERS 21
#define REGISTER_FP 4
#define REGISTER_SP 19
#define REGISTER_PC 16
#define REGISTERS_ARE_USER(registers) ((registers)[17] == 0x33 && (registers)[20] == 0x2b)
#endif

#define KERNEL_STACK_MIN 0x4000 /* THREAD_SIZE; KASAN doubles it, 64 KiB pages make it 64 KiB */
#define KERNEL_STACK_MAX 0x10000

static __always_inline bool compat_registers_at(void *address, __u64 registers[APO_REGISTERS])
{
	return !bpf_probe_read_kernel(registers, REGISTERS * sizeof(__u64), address) &&
	       REGISTERS_ARE_USER(registers);
}

/*
 * The user-mode registers of a task that is in the kernel: they lie at the top of its kernel stack,
 * below 16 bytes where x86 delivers events by FRED (6.9). They are recognized by their segments.
 */
static __always_inline bool compat_user_registers(struct task_struct *task,
						  __u64 registers[APO_REGISTERS])
{
	void *stack = BPF_CORE_READ(task, stack) - bpf_core_type_size(struct pt_regs);

	for (__u32 size = KERNEL_STACK_MIN; size <= KERNEL_STACK_MAX; size *= 2)
		if (compat_registers_at(stack + size, registers) ||
		    compat_registers_at(stack + size - 16, registers))
			return true;
	return false;
}

/* What the running thread keeps in its register for thread-local storage, as of when it last began to run. */
static __always_inline __u64 compat_thread_pointer(struct task_struct *task)
{
#ifdef __TARGET_ARCH_arm64
	return BPF_CORE_READ(task, thread.uw.tp_value);
#else
	return BPF_CORE_READ(task, thread.fsbase);
#endif
}
