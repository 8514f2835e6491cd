/* SPDX-License-Identifier: BSD-2-Clause */
/* What the memory of a limit is, in words: the same for a terminal and for a page. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "core/memory_parts.h"

/*
 * [[SIZE, CHANGE, WORDS], ...]: parts, the largest first, and below the one that is tmpfs its files, whose CHANGE is
 * null; then what the process that grew had of it, and below that its mappings, as the files. Empty: nothing is
 * known. NULL: no memory.
 */
json_t *report_memory(const json_t *document);

/* Of when that is, and what the changes count from; "" without any. The caller frees it. NULL: no memory. */
char *report_memory_time(const json_t *document);

/* What most of what is needed is, "page tables of the kernel", where that is not anonymous memory; else "". Static. */
const char *report_memory_main(const json_t *document);

/* Most of what is needed is that, and not anonymous memory: a sentence for the summary. Else nothing. */
void report_memory_tell(FILE *file, const json_t *document);

/* What to do about that; static text, NULL if there is nothing to say. */
const char *report_memory_advice(const json_t *document);
