/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts of the machine that decide what protection is possible. root_fd is an open "/" or a
 * fixture of one. A fact whose file is missing has the value its comment names; reading goes on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum machine_lockdown {
	MACHINE_LOCKDOWN_UNKNOWN = 0, /* no securityfs, or no lockdown module: not locked */
	MACHINE_LOCKDOWN_NONE,
	MACHINE_LOCKDOWN_INTEGRITY,	  /* Secure Boot's default: BPF still reads kernel memory */
	MACHINE_LOCKDOWN_CONFIDENTIALITY, /* BPF may not read kernel memory: no protection */
};

enum machine_thp {
	MACHINE_THP_NONE = 0, /* not built in */
	MACHINE_THP_NEVER,
	MACHINE_THP_MADVISE,
	MACHINE_THP_ALWAYS,
};

struct machine {
	char release[65]; /* kernel release, as uname -r; "" unknown */
	bool btf;	  /* sys/kernel/btf/vmlinux is there and readable */
	enum machine_lockdown lockdown;
	enum machine_thp thp;
	uint64_t memory_bytes; /* 0 unknown */
	uint64_t swap_total_bytes;
	uint64_t swap_free_bytes;
	uint32_t cpus_possible; /* number of CPUs that can ever be online; at least 1 */
	uint32_t cpus_online;	/* at least 1 */
	bool ticks_stop;	/* on some CPUs, while one process runs there: nohz_full */
	uint32_t cpu_ids;	/* highest possible CPU number + 1: size of per-CPU tables */
	uint32_t node_ids;	/* highest possible NUMA node number + 1; 1 without NUMA */
	uint32_t nodes_online;	/* NUMA nodes with CPUs or memory in use; at least 1 */
	uint64_t capabilities;	/* machine_capabilities() */
};

/* -ENOMEM, or an error of root_fd itself. */
int machine_read(int root_fd, struct machine *ret);

/* Memory of the machine, and what could be used now, from an open /proc. Allocates nothing. -EBADMSG. */
int machine_memory_read(int proc_fd, uint64_t *ret_total_bytes, uint64_t *ret_available_bytes);

/* Address of a kernel symbol, from an open /proc/kallsyms (slow); 0: there is none, or it is hidden. */
uint64_t machine_kernel_symbol(int kallsyms_fd, const char *name);

/*
 * The effective set of this process, bit N is CAP_ number N; 0 in a user namespace of its own, as in a rootless container:
 * there it is full as a rule, and counts nowhere else.
 */
uint64_t machine_capabilities(int root_fd);
/* Whether it has this capability: CAP_BPF, CAP_PERFMON, ... */
bool machine_has_capability(const struct machine *machine, int capability);

/* "always", "madvise", "never", "none". */
const char *machine_thp_name(enum machine_thp thp);
