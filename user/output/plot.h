/* SPDX-License-Identifier: BSD-2-Clause */
/* A recording's timeline, in characters. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Prints an empty line, then the memory of a report's cgroup before and after the trip against its
 * limit. Prints nothing where there are fewer than two samples. unicode: block characters in UTF-8,
 * else ASCII. A shutdown that takes longer than the growth before it has a scale of its own.
 */
void plot_timeline(FILE *file, const json_t *document, bool unicode);
