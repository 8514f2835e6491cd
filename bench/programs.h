/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BPF programs that another process loaded and configured, kept by their descriptors after it has
 * gone: so the very programs can be attached and detached within milliseconds, which is what makes
 * their cost comparable. Their maps, guards and policies included, live as long as they do.
 */
#pragma once

#include "bench.h"

#define MAX_PROGRAMS 32

struct program {
	char name[16];
	uint32_t id;
	int fd;
	int link_fd; /* while attached, else -1 */
};

struct programs {
	struct program program[MAX_PROGRAMS];
	size_t n;
	int perf_tracepoint; /* number of the classic tracepoint they belong on; -1: BTF ones */
};

/* The programs that process has attached to BTF tracepoints. */
struct programs *programs_take_attached(pid_t pid);
/* Its programs for classic tracepoints, to be attached to this one. */
struct programs *programs_take_classic(pid_t pid, int tracepoint);
/* One program of our own; its descriptor is duplicated. */
struct programs *programs_of_fd(int fd);
/* All of them but that one. */
struct programs *programs_without(const struct programs *programs, const char *name);
void programs_attach(struct programs *programs);
void programs_detach(struct programs *programs);
struct programs *programs_free(struct programs *programs);
/* The one of that name, or NULL. */
const struct program *programs_find(const struct programs *programs, const char *name);

/* What the kernel counted, while kernel statistics are on. */
struct program_times {
	uint64_t ns, runs;
};
struct program_times program_times(const struct program *program);
/* Turns them on until the descriptor is closed; negative: cannot. */
int program_times_enable(void);

/* Programs of others attached to rss_stat at this moment: they would be measured too. */
unsigned int programs_foreign(const struct programs *ours);
