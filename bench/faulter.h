/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that does one thing over and over, on command, and says how long it took. One CPU is its own, and
 * nothing else of the bench runs meanwhile; its threads have one each in turn.
 */
#pragma once

#include "child.h"

#define FAULTER_PAGES 512 /* of a block: one page table full */
#define FAULTER_MAX_BLOCKS 256
#define FAULTER_THREADS 4
#define FAULTER_DEPTH 24

/* What a block is. */
enum work {
	WORK_PAGES,    /* pages, touched, timed and given back */
	WORK_HUGE,     /* huge pages */
	WORK_THREADS,  /* pages, by four threads at once, each its own */
	WORK_SWITCHES, /* two processes that wake each other: context switches */
	WORK_PYTHON, /* pages, by a function in C that CPython has called, FAULTER_DEPTH calls deep */
	WORKS,
};

struct faulter;

struct faulter *faulter_new(const struct group *group, unsigned int cpu);
struct faulter *faulter_free(struct faulter *faulter);
pid_t faulter_pid(const struct faulter *faulter);
/* How much a block takes, before it is given back. */
uint64_t faulter_block_bytes(enum work work);
/* Whether there are huge pages, or a CPython. */
bool faulter_has(const struct faulter *faulter, enum work work);
/*
 * Nanoseconds for one fault (of each thread; or one switch): the median over so many blocks, after one that does
 * not count.
 */
double faulter_measure(struct faulter *faulter, enum work work, unsigned int blocks);
