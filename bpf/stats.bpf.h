/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the kernel side counts about itself: enum apo_stat, per CPU. */
#pragma once

#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include "apoptosis/abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, APO_STATS);
} stats SEC(".maps");

/* Atomic though per CPU: the tick's program interrupts any other on its CPU. */
static __always_inline void stat_add(__u32 stat)
{
	__u64 *value = bpf_map_lookup_elem(&stats, &stat);

	if (value)
		__sync_fetch_and_add(value, 1);
}
