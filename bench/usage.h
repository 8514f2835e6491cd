/* SPDX-License-Identifier: BSD-2-Clause */
/* What a running guard takes of the machine. */
#pragma once

#include "tool.h"

struct usage {
	uint64_t rss_bytes, anon_bytes, locked_bytes, map_bytes, program_bytes;
	unsigned int threads;
};

struct usage usage_of(pid_t pid);
/* How often its threads were scheduled in, a second. */
double usage_wakeups(const struct tool *tool, unsigned int seconds);
