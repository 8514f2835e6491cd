/* SPDX-License-Identifier: BSD-2-Clause */
/* The one-shot reader of one process's memory: bpf/rss.bpf.c, loaded, run and gone again. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"

/*
 * Memory of a process, exact, and its pid in the initial PID namespace. pid is one of the PID
 * namespace with this inode (stat of /proc/self/ns/pid); cpu_ids: highest possible CPU number + 1.
 * 0 or -errno; -ESRCH: no such process; anything else is logged in words what a user can do about it.
 */
int rss_read(pid_t pid, uint32_t pid_ns, uint32_t cpu_ids, struct apo_rss *ret);
