/* SPDX-License-Identifier: BSD-2-Clause */
/* The stacks of a report as flame graph tools read them. */
#pragma once

#include <jansson.h>
#include <stdio.h>

/*
 * A line for each stack, "root;...;leaf BYTES": outermost first, inlined functions as frames of
 * their own, places without a name as module+0xoffset. Names are escaped, and a ";" in one is ":".
 * 0 or file_result().
 */
int folded_write(FILE *file, const json_t *document);
