/* SPDX-License-Identifier: BSD-2-Clause */
/* What tables and screens show of a status document, perhaps of another version: for output/status.c and output/top.c. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* How full a limit is, 1 where need has reached it; without a limit it is not. */
double status_fill(const json_t *limit);
const char *status_cgroup(const json_t *limit);

/* What the guard itself takes of one CPU. */
double status_cpu_percent(const json_t *status);

/* A size, or "none". */
void status_bytes(char *buf, size_t size, const json_t *document, const char *path);
/* A time that is given in seconds, or "-". */
void status_seconds(char *buf, size_t size, const json_t *document, const char *path);
