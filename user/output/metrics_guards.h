/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guarded limits of a status as rows of metrics: which of them have numbers there, and their labels. The names of
 * cgroups are chosen by others: a value is escaped, and each byte of it that is no UTF-8 becomes U+FFFD. Of guards that
 * read alike then only one has its numbers there, since a reader refuses the whole of a text that has one series twice.
 * Pure.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "core/status.h"

/* Those that have numbers of their own at most, the fullest; of the others only how many they are is told. */
#define METRICS_GUARDS_MAX 500

struct metrics_guard {
	const struct status_limit *limit;
	char *labels; /* {cgroup="/a",...} */
};

struct metrics_guards {
	struct metrics_guard *items; /* by their labels, each of which is there once */
	size_t count;
	size_t omitted; /* they are guarded, and are not among these */
};

/* 0 or -ENOMEM; to be cleared in either case. The status is borrowed. */
int metrics_guards_collect(const struct status *status, struct metrics_guards *ret);
void metrics_guards_clear(struct metrics_guards *guards);

/* A label's value, between its quotation marks. */
void metrics_print_label(FILE *file, const char *raw);
