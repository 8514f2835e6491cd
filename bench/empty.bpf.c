// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* The least that a program on this tracepoint can do: what the others are compared with. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("tp_btf/rss_stat")
int BPF_PROG(empty)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
