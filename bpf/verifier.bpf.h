/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Code that only the verifier needs, each with the kernels that need it. Four rules have no macro:
 *
 *   A function that takes and returns numbers is global (__noinline, not static): it is verified
 *   once, not for each state in which it is called (all kernels; before 5.6 there are none).
 *
 *   Such functions share what they work on by a map (check.bpf.h): of values in a map the verifier
 *   assumes nothing, so that what follows is walked once, and not for each value that it has seen.
 *
 *   Eight functions may call each other at most, the program included (all kernels).
 *
 *   The stack of a whole call chain is 512 bytes before 6.18 (which counts each function by
 *   itself): large objects live in maps, and templates for inserts in .rodata.
 */
#pragma once

#include <bpf/bpf_helpers.h>
#include <linux/types.h>

/*
 * To the compiler the offset of a field is a constant, which it may fetch ahead of the branch that
 * asks whether the field exists; where it does not, the verifier then meets an instruction that
 * could not be relocated. So each such branch begins with this, and no such branch may be inlined
 * into a loop: hoisting out of loops comes later and ignores the barrier (fails on 5.10 and 6.1).
 */
#define verifier_branch() asm volatile("" ::: "memory")

/*
 * The verifier allows no arithmetic on pointers to kernel objects and to maps; read back from the
 * stack they are numbers (all kernels).
 */
static __always_inline __u64 verifier_number(void *pointer)
{
	void *volatile spilled = pointer;
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), (void *)&spilled);
	return number;
}
