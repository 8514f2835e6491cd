// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * When the line was crossed: the headroom of one process's memory cgroup at each of its mm counter
 * events, with none of the guard's thinning out and choosing. It is attached before the guard, so it
 * sees each event first.
 */
#include "memcg.bpf.h"
#include "rss.bpf.h"

#include <bpf/bpf_tracing.h>

/* Written by user space before the process starts, then read by it. */
__u32 wanted_tgid = 0;
__u64 line_pages = 0; /* crossed when limit - usage is less */

__u64 claimed_address = 0; /* in the process: its own count of the pages it began */

__u64 crossed_ns = 0;
__u64 crossed_rss_pages = 0; /* exact */
__u64 crossed_claimed = 0;

SEC("raw_tp")
int prepare(void *ctx)
{
	offsets_find();
	return 0;
}

SEC("tp_btf/rss_stat")
int BPF_PROG(witness, struct mm_struct *mm)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 pages[APO_KINDS], now, limit = 0, swap;
	struct mem_cgroup *memcg;
	__s64 usage = 0;
	bool swap_binds;

	if (!wanted_tgid || bpf_get_current_pid_tgid() >> 32 != wanted_tgid || crossed_ns)
		return 0;
	now = bpf_ktime_get_ns();
	memcg = memcg_of_task(task);
	if (!memcg)
		return 0;
	counter_read((void *)memcg + bpf_core_field_offset(struct mem_cgroup, memory), &usage,
		     &limit);
	if ((__s64)limit - usage >= (__s64)line_pages)
		return 0;
	swap = swap_room((__u64)memcg);
	if (!limit_read(memcg, false, &usage, &limit, &swap, &swap_binds) ||
	    (__s64)(limit + swap + reclaimable_pages(0, (__u64)memcg)) - usage >=
		    (__s64)line_pages ||
	    crossed_ns)
		return 0;
	crossed_ns = now;
	rss_exact((void *)verifier_number(mm), task, pages);
	crossed_rss_pages = pages[APO_FILE] + pages[APO_ANON] + pages[APO_SHMEM];
	bpf_probe_read_user(&crossed_claimed, sizeof(crossed_claimed), (void *)claimed_address);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
