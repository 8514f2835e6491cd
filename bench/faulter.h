/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that takes page faults on command and says how long they took: blocks of pages,
 * touched, timed and given back. One CPU is its own; nothing else of the bench runs meanwhile.
 */
#pragma once

#include "child.h"

#define FAULTER_PAGES 512 /* of a block: one page table full */
#define FAULTER_MAX_BLOCKS 256

struct faulter;

struct faulter *faulter_new(const struct group *group, unsigned int cpu);
struct faulter *faulter_free(struct faulter *faulter);
pid_t faulter_pid(const struct faulter *faulter);
/* Nanoseconds for one fault: the median over so many blocks, after one that does not count. */
double faulter_measure(struct faulter *faulter, unsigned int blocks);
