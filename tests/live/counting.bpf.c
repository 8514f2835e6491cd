// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Counts as the guard's programs do, in two programs of which one interrupts the other: at the system
 * calls and at the ticks of one thread. How often each has run is known from counters that the other
 * does not touch.
 */
#include "stats.bpf.h"

#include <bpf/bpf_tracing.h>

/* So many at a call that they take most of the thread's time: that is where the ticks come. */
const volatile __u32 call_adds = 2000;
const volatile __u32 tick_adds = 100;

__u32 counted_pid = 0; /* of the thread, in the initial PID namespace; 0: nothing is counted */
__u64 call_runs = 0;
__u64 tick_runs = 0;

/* Run by the thread itself through BPF_PROG_TEST_RUN. */
SEC("raw_tp")
int prepare(void *ctx)
{
	counted_pid = bpf_get_current_pid_tgid();
	return 0;
}

static __always_inline bool is_counted(void)
{
	return counted_pid && counted_pid == (__u32)bpf_get_current_pid_tgid();
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_call)
{
	if (!is_counted())
		return 0;
	for (__u32 i = 0; i < call_adds; i++)
		stat_add(APO_STAT_CHECKS);
	__sync_fetch_and_add(&call_runs, 1);
	return 0;
}

/* Of a timer that expires in a softirq, this may be interrupted by itself. */
SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(on_tick)
{
	if (!is_counted())
		return 0;
	for (__u32 i = 0; i < tick_adds; i++)
		stat_add(APO_STAT_CHECKS);
	__sync_fetch_and_add(&tick_runs, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
