/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is mapped in a process: /proc/PID/maps, the executable part of it, and the sums of smaps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Executable ones, and bytes of their paths. The rest is not kept: a process can have any name repeated. */
#define MAPPINGS_MAX 65536
#define MAPPINGS_PATHS_MAX (2UL << 20)

struct mapping {
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* in the file */
	uint64_t inode;	     /* 0: no file */
	uint64_t major, minor;
	char *path; /* as the kernel writes it, without " (deleted)"; "" for anonymous */
};

struct mappings {
	struct mapping *list; /* by address */
	size_t count;
};

/* From an open file in the format of maps. -ENOMEM. */
int mappings_parse(FILE *file, struct mappings *ret);
/* Of the process whose /proc directory this is. -ESRCH: it has no memory any more, or let go of it meanwhile. */
int mappings_read(int pid_dirfd, struct mappings *ret);
/* In the format of maps, for mappings_parse(). */
void mappings_write(const struct mappings *mappings, FILE *file);
void mappings_clear(struct mappings *mappings);

/* NULL: nothing executable is there. */
const struct mapping *mappings_find(const struct mappings *mappings, uint64_t address);

/* Mappings of one name, or all that have none. */
#define MAPPING_GROUPS_MAX 4   /* that are told of, the largest */
#define MAPPING_NAME_MAX 128UL /* bytes, with a NUL; of longer ones the end is kept */
struct mapping_group {
	char name[MAPPING_NAME_MAX];   /* "[heap]", "[anon:Go: heap]", a path; "": they have none */
	uint64_t bytes, largest_bytes; /* resident: of all, and of the largest of them */
	uint64_t count;		       /* with anything resident */
};

/* Resident bytes by kind of mapping, and the groups that are most of it, largest first. */
struct mapping_sums {
	uint64_t heap, stack, anon, file, shmem;
	struct mapping_group groups[MAPPING_GROUPS_MAX];
	uint64_t group_count;
};
/* -ENOMEM. */
int mapping_sums_parse(FILE *file, struct mapping_sums *ret);
/*
 * -ESRCH: it has no memory any more, or let go of it meanwhile.
 * Walks the page tables of all of the process, 10 to 100 ns per page, and holds up its mmap() and
 * munmap() meanwhile.
 */
int mapping_sums_read(int pid_dirfd, struct mapping_sums *ret);
