/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Memory of one address space, by kind. The kernel's counters are split: a shared count, and on
 * each CPU up to batch - 1 pages that have not been added to it (batch = max(32, 2 * CPUs)).
 * rss_count() reads the shared count, rss_exact() adds the rest from every CPU.
 *
 * Its two maps are here and not in maps.bpf.h because rss.bpf.c is an object of its own.
 */
#pragma once

#include "compat.bpf.h"

const volatile __u32 nr_cpus = 1; /* highest possible CPU number + 1, set by user space */

/*
 * Distance in bytes from a per-CPU address of the allocator to its copy on each CPU. Constant
 * until reboot; found by offsets_find() from a per-CPU map of our own, because neither kallsyms
 * nor bpf_per_cpu_ptr() can reach the counters of an mm.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1); /* set to the CPU count by user space */
} cpu_offsets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} cpu_probe SEC(".maps");

/* Sum of the per-CPU parts of one counter. A global function: verified once. */
__noinline __s64 percpu_sum(__u64 counters)
{
	__s64 sum = 0;

	for (__u32 cpu = 0; cpu < APO_MAX_CPUS && cpu < nr_cpus; cpu++) {
		__u32 key = cpu;
		__u64 *offset = bpf_map_lookup_elem(&cpu_offsets, &key);
		__s32 part = 0;

		if (!offset)
			break;
		if (!*offset) /* never found: an impossible CPU, or a kernel without the helper */
			continue;
		bpf_probe_read_kernel(&part, sizeof(part), (void *)(counters + *offset));
		sum += part;
	}
	return sum;
}

/*
 * Pages of one kind: the shared count, what `task` (0: none) has not added to it yet, and if
 * `exact` what the CPUs have not. A global function: verified once.
 */
__noinline __s64 rss_kind_pages(__u64 mm_address, __u64 task_address, __u32 kind, __u32 exact)
{
	struct mm_struct *mm = (void *)mm_address;
	void *counters = exact ? compat_rss_percpu(mm, kind) : NULL;
	__s64 count = compat_rss_count(mm, kind);

	if (task_address)
		count += compat_rss_pending((void *)task_address, kind);
	if (counters)
		count += percpu_sum((__u64)counters);
	return count > 0 ? count : 0;
}

static __always_inline void rss_count(struct mm_struct *mm, struct task_struct *task,
				      __u64 ret_pages[APO_KINDS])
{
	for (int kind = 0; kind < APO_KINDS; kind++)
		ret_pages[kind] = rss_kind_pages((__u64)mm, (__u64)task, kind, false);
}

static __always_inline void rss_exact(struct mm_struct *mm, struct task_struct *task,
				      __u64 ret_pages[APO_KINDS])
{
	for (int kind = 0; kind < APO_KINDS; kind++)
		ret_pages[kind] = rss_kind_pages((__u64)mm, (__u64)task, kind, true);
}

/* Fills cpu_offsets. Once, before any sum is taken. */
static __always_inline void offsets_find(void)
{
	__u64 map = verifier_number(&cpu_probe), percpu = 0;
	__u32 zero = 0;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_map_lookup_percpu_elem))
		return; /* before 5.19; those kernels have no percpu counters here either */
	bpf_probe_read_kernel(&percpu, sizeof(percpu),
			      (void *)(map + bpf_core_field_offset(struct bpf_array, pptrs)));
	if (!percpu)
		return;
	for (__u32 cpu = 0; cpu < APO_MAX_CPUS && cpu < nr_cpus; cpu++) {
		__u64 copy = verifier_number(bpf_map_lookup_percpu_elem(&cpu_probe, &zero, cpu));
		__u64 offset = copy - percpu;
		__u32 key = cpu;

		if (copy)
			bpf_map_update_elem(&cpu_offsets, &key, &offset, BPF_ANY);
	}
}
