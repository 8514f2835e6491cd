/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a cgroup by its files: reads usage, page cache, limits and kernel counters, and writes
 * limits. For start-up, the responder, reports and the commands; the decision to trip never reads
 * these files.
 *
 * dirfd comes from cgroup_open(). All sizes are bytes; UINT64_MAX is "no limit", which v1 writes
 * as the largest multiple of the page size in 63 bits and v2 as "max".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/cgroup.h"

struct cgroup_memory {
	uint64_t usage_bytes;
	uint64_t limit_bytes;
	uint64_t file_bytes;	    /* page cache that can be dropped, of the whole subtree: the
					inactive and active file lists; tmpfs is not on them */
	uint64_t swap_usage_bytes;  /* 0 where swap is not accounted */
	uint64_t swap_limit_bytes;  /* v2 memory.swap.max; none on v1 */
	uint64_t memsw_usage_bytes; /* v1 memory and swap together; 0 on v2 */
	uint64_t memsw_limit_bytes; /* v1 memory.memsw.limit_in_bytes; none on v2 */
	bool swap_accounted;	    /* the swap files are there */
};

/*
 * -ENODATA: the cgroup has no such files; it is the root of the v2 hierarchy, or the memory
 * controller is not enabled for it. -ENOENT: the cgroup was removed.
 */
int cgroup_memory_read(const struct cgroup_tree *tree, int dirfd, struct cgroup_memory *ret);

/*
 * The cgroup that the memory of processes in this one is charged to: itself, or on v2, where it
 * lacks the memory controller (a threaded cgroup cannot have it), the nearest ancestor that has it.
 */
int cgroup_charged(const struct cgroup_tree *tree, const char *rel, char **ret_rel);

/* The limit with the least headroom over a cgroup and its ancestors, as far as the mount shows. */
struct cgroup_limit {
	char *cgroup;	    /* rel of the cgroup whose limit it is, owned; NULL: no limit */
	uint64_t cgroup_id; /* 0: no limit */
	uint64_t limit_bytes;
	uint64_t usage_bytes;	/* what counts against it: with swap, where memsw binds */
	uint64_t file_bytes;	/* part of usage that can be dropped */
	int64_t headroom_bytes; /* limit - (usage - file); may be negative; INT64_MAX: no limit */
	bool memsw_binds;	/* it is v1's limit of memory and swap together */
};

/*
 * Room in swap is not added to the headroom: how much of it this cgroup could get depends on the
 * machine. Of equal headrooms the one nearest to the cgroup is taken. v1 cgroups below a parent
 * without memory.use_hierarchy (kernels before 5.11) are not charged to it, and the walk ends
 * there. A cgroup without any limit is a success with cgroup NULL. Release with
 * cgroup_limit_done().
 */
int cgroup_limit_binding(const struct cgroup_tree *tree, const char *rel, struct cgroup_limit *ret);

/* Frees what the struct owns, not itself; leaves it empty. */
void cgroup_limit_done(struct cgroup_limit *limit);
#define _cleanup_cgroup_limit_ __attribute__((cleanup(cgroup_limit_done)))

/*
 * Kernel counters of a cgroup and its subtree. v2 memory.events counts the subtree itself; v1
 * counts an OOM kill in the victim's own cgroup only, so the subtree's are summed here.
 */
struct cgroup_events {
	uint64_t oom_kills;
	uint64_t at_limit; /* charges that met the limit: v2 events max, v1 memory.failcnt */
	uint64_t at_high;  /* v2: charges above memory.high, which are slowed down; v1: 0 */
	bool hangs; /* v1: its OOM killer is disabled, and threads wait at the limit until there is room */
};

/* -ENODATA: as above, or v1 before 4.13, which does not count kills. */
int cgroup_events_read(const struct cgroup_tree *tree, int dirfd, struct cgroup_events *ret);

/*
 * Sets the memory limit; the kernel rounds down to whole pages. UINT64_MAX removes it. -EBUSY: v1
 * could not reclaim enough to get below; -EINVAL: v1, above memory.memsw.limit_in_bytes; -ENOENT:
 * no limit can be set on this cgroup.
 */
int cgroup_write_limit(const struct cgroup_tree *tree, int dirfd, uint64_t bytes);

/* The limits that cgroup_limits_change() sets. UINT64_MAX: none, or no such file. */
struct cgroup_limits {
	uint64_t memory_bytes;
	uint64_t memsw_bytes; /* v1: memory and swap together */
	uint64_t high_bytes;  /* v2 memory.high: threads that charge more sleep, up to 2 s */
};

/* All four allocate nothing and are callable from the responder. Errors as above. */
int cgroup_usage_read(const struct cgroup_tree *tree, int dirfd, uint64_t *ret);
/*
 * For what memory is, which is told from the text: memory.stat, what the kernel has of it (v1; 0: it does not say),
 * and then what is used. The caller frees the text.
 */
int cgroup_stat_read(const struct cgroup_tree *tree, int dirfd, char **ret_stat,
		     uint64_t *ret_kernel_bytes, uint64_t *ret_usage_bytes);
/* What counts against v1's limit of memory and swap together; 0 where there is none. */
int cgroup_memsw_usage_read(const struct cgroup_tree *tree, int dirfd, uint64_t *ret);
int cgroup_limits_read(const struct cgroup_tree *tree, int dirfd, struct cgroup_limits *ret);
/*
 * Writes the limits that differ, in the order that keeps memsw at or above memory. Each is read right
 * before: -EAGAIN, it is not what it was, and that one and those after it stay as they are. On v2 of 6.16
 * and newer the kernel neither reclaims nor kills within the write, whatever is used (c8e6002bd611); older
 * ones do. -EBUSY: v1 could not reclaim enough.
 */
int cgroup_limits_change(const struct cgroup_tree *tree, int dirfd,
			 const struct cgroup_limits *from, const struct cgroup_limits *to);

/*
 * v2: has the kernel reclaim so much, without killing. -EAGAIN: it could not; -ENOENT: before 5.19, or v1.
 */
int cgroup_reclaim(const struct cgroup_tree *tree, int dirfd, uint64_t bytes);

/* Whether what is below it is charged to it too. Not so on v1 before 5.11 without memory.use_hierarchy. */
bool cgroup_charges_children(const struct cgroup_tree *tree, int dirfd);

/* Whether the limit file is there and could be opened for writing (permissions, mount). */
bool cgroup_limit_writable(const struct cgroup_tree *tree, int dirfd);
