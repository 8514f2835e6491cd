/* SPDX-License-Identifier: BSD-2-Clause */
/* Real programs, judged by their own data: of bench/subjects/program, and of tests/services/service. */
#pragma once

#include "child.h"

struct subjects;

/*
 * With a directory for their files, a tmpfs, and a cgroup for clients. One at a time. program: the script that has
 * their actions.
 */
struct subjects *subjects_new(const struct bench *bench, const char *program);
/* Makes what the program needs. NULL, or why it cannot be had. */
const char *subjects_prepare(struct subjects *subjects, const char *name);
/* One of its actions; argument may be NULL. Its errors are kept, see below. */
struct child *subjects_start(struct subjects *subjects, const struct group *group,
			     const char *action, const char *name, const char *argument);
/* The last line that came on standard error since the last preparation. */
const char *subjects_error(const struct subjects *subjects);
struct subjects *subjects_free(struct subjects *subjects);
