/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that makes a thousand cgroups a second, moves into each and out again, and removes it. */
#pragma once

#include "child.h"

struct churner;

/* Asleep at first. Its cgroups are below that group. */
struct churner *churner_new(const struct group *group);
void churner_set(struct churner *churner, bool on);
struct churner *churner_free(struct churner *churner);
