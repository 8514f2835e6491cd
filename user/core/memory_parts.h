/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the memory of a cgroup is: its parts, by the kernel's own counters (memory.stat), before a spike and at a
 * trip, and the files that its memory on tmpfs is. Plain data; text comes in as an argument.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum memory_part {
	MEMORY_ANON,	/* heaps, stacks, mappings without a file */
	MEMORY_SHMEM,	/* files on tmpfs, and all that is shared without a file on a disk */
	MEMORY_FILE,	/* page cache of files on disks */
	MEMORY_SWAP,	/* v1, where the limit is one of memory and swap together */
	MEMORY_TABLES,	/* of pages. This and the next three: v2 */
	MEMORY_STACKS,	/* of threads in the kernel */
	MEMORY_SLAB,	/* objects of the kernel: dentries, inodes, pipes, epoll */
	MEMORY_SOCKETS, /* their buffers */
	MEMORY_KERNEL,	/* the rest of the kernel's; on v1 all of it */
	MEMORY_OTHER,	/* what is in none of these, or was let go of before they were read */
	MEMORY_PARTS
};

struct memory_parts {
	uint64_t read_ns;   /* CLOCK_MONOTONIC; 0: they are not known */
	unsigned int known; /* bits, by the numbers above: others are in one of the rest */
	uint64_t bytes[MEMORY_PARTS];
};

/* "anon", "page_tables": as a member of a document. */
const char *memory_part_name(enum memory_part part);

/* What the files of a cgroup say. */
struct memory_parts_text {
	const char *stat;      /* memory.stat */
	bool is_v1;	       /* where it counts the subtree apart, as "total_" */
	bool with_swap;	       /* swap is part of the usage: v1's limit of both */
	uint64_t usage_bytes;  /* read after it */
	uint64_t kernel_bytes; /* v1: memory.kmem.usage_in_bytes; 0 where there is none */
	uint64_t read_ns;
};

/* -EBADMSG: it says nothing of anonymous memory. */
int memory_parts_parse(const struct memory_parts_text *text, struct memory_parts *ret);

/*
 * The parts as they were at a trip, where the process that grew has let go of memory before they could be read. What
 * has gone since is counted for what the process had then, anonymous memory first, and the rest for "other".
 */
void memory_parts_go_back(struct memory_parts *parts, uint64_t usage_bytes, uint64_t anon_bytes,
			  uint64_t shmem_bytes);

/* A file on tmpfs, or a piece of shared memory. */
struct memory_file {
	char *path; /* as processes of the cgroup see it */
	uint64_t bytes;
	bool is_unlinked; /* it has no path any more: "/memfd:name", or what was removed and is open */
	bool is_older;	  /* last changed before the process began */
};

struct memory_files {
	bool known;
	bool is_owned; /* sizes are what is charged to the cgroup; false: they are of whole files, maybe others' too */
	bool is_cut;		  /* there were too many to look at all */
	struct memory_file *list; /* largest first */
	size_t count;
};

/* Frees what it owns; leaves it empty. */
void memory_files_clear(struct memory_files *files);
