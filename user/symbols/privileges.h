/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives up privileges before untrusted files are read. Afterwards the process can compute, use the
 * descriptors it has, and end: nothing that it may call takes a path or a process, or makes a
 * descriptor or code. So there is nothing left that namespaces would keep apart. What is tried against
 * it is in tests/live/breakout.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct privileges_bounds {
	uint64_t memory_bytes; /* address space, files that are mapped included */
	uint64_t answer_bytes; /* the longest file it may write */
	unsigned int cpu_s;    /* then it is killed */
};

/*
 * Closes all descriptors but these, also those that whoever started the daemon has left open. False: they
 * cannot be listed.
 */
bool privileges_close_others(const int *kept, size_t count);

/*
 * Bounds memory, time and output; gives up capabilities, user and groups, these two where that is
 * permitted; and allows only the system calls that reading and replying take. There is no way back.
 * False: the process could still do more than that.
 */
bool privileges_drop(const struct privileges_bounds *bounds);
