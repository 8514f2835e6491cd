/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sections of the bench share. The bench is two processes: the worker measures, the
 * supervisor waits for it and then, however it ended, kills and removes what it left. So nothing
 * here returns an error: what goes wrong ends the worker with a message. Mounts live in the
 * worker's own mount namespace and go with it, as do BPF programs.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sense/cgroup.h"
#include "sense/cgroup_memory.h"
#include "sense/machine.h"

#define MIB (1024ULL * 1024)

struct bench {
	const char *apoptosis; /* the binary */
	const char *workloads; /* directory of the victims */
	const char *subjects;  /* directory of the programs of near and real */
	const char *services;  /* and of those of services */
	bool quick;
	bool reports;		  /* guards record who allocates */
	bool anyway;		  /* measure cost although others are on the tracepoint */
	unsigned int repetitions; /* 0: each section's own default */
	const char *guards;	  /* of save, by commas; NULL: all */
	const char *only;	  /* parts of the names of the rows wanted, by commas; NULL: all */
	struct cgroup_tree *tree;
	char *root; /* rel of the cgroup all others are made in */
	char *dir;  /* for files; on whatever the temporary directory is on */
	struct machine machine;
	uint64_t page_size;
	json_t *json; /* what --json writes */
};

struct group {
	char *rel; /* "/apo-bench-17/3-far" */
	int fd;
	uint64_t id;
};

__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...);
/* printf into memory that is never freed: names and paths of one run. */
__attribute__((format(printf, 1, 2))) char *text(const char *format, ...);
/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);
void sleep_ms(unsigned int ms);
/*
 * Waits until the machine is idle, a few seconds at most: a guard that starts or ends has the kernel make
 * or free its maps and programs for a while, which is no cost of having one.
 */
void machine_settle(void);
/* Pins the calling thread. */
void pin_to(unsigned int cpu);
/* Whether the name is one of a list, by commas or blanks. */
bool is_listed(const char *list, const char *name);
/* Whether the row of that name is: of a section that has rows. */
bool is_wanted(const struct bench *bench, const char *name);
/* How often to repeat something whose default is `full`, or `quick` with QUICK=1. */
unsigned int repeats(const struct bench *bench, unsigned int full, unsigned int quick);

/* A tmpfs of 1 GiB, mounted in the bench's directory; its path. */
char *memory_new(const struct bench *bench);
void memory_free(char *path);

/* Below `parent`, or below the bench's root; limit 0 is none. */
struct group *group_new(const struct bench *bench, const struct group *parent, const char *name,
			uint64_t limit);
void group_set_limit(const struct bench *bench, const struct group *group, uint64_t bytes);
void group_move(const struct group *group, pid_t pid);
struct cgroup_memory group_memory(const struct bench *bench, const struct group *group);
uint64_t group_oom_kills(const struct bench *bench, const struct group *group);
/* Kills what is in it and removes it. NULL is fine. Returns NULL. */
struct group *group_free(const struct bench *bench, struct group *group);
/* Kills and removes everything below the cgroup `rel`, itself included. */
void group_sweep(const struct cgroup_tree *tree, const char *rel);

/* The sections. */
void latency_run(struct bench *bench);
void save_run(struct bench *bench);
void airbag_run(struct bench *bench);
void near_run(struct bench *bench);
void real_run(struct bench *bench);
void services_run(struct bench *bench);
void pressure_run(struct bench *bench);
void cost_run(struct bench *bench);
void whole_run(struct bench *bench);
void idle_run(struct bench *bench);
void fleet_run(struct bench *bench);
