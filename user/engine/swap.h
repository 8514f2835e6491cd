/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells the kernel side of the machine's swap: at the start, and whenever it is turned on or off.
 * Slow path.
 */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "source/source.h"

struct swap_watch {
	struct source *source;
	uint64_t page_bytes;
	int fd; /* /proc/swaps; -1: the kernel has no swap */
	uv_poll_t poll;
};

/* 0, or an error of libuv. The loop closes the poll handle. */
int swap_watch_start(struct swap_watch *watch, struct source *source, uint64_t page_bytes,
		     uv_loop_t *loop);
void swap_watch_stop(struct swap_watch *watch);
