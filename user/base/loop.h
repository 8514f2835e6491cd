/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handles of the event loop that own themselves: each is a block of its own on the heap, which frees
 * itself once the loop has let go of it. So whoever made one may go away at once, at any time before the
 * loop is closed, and its callback is not called any more.
 */
#pragma once

#include <uv.h>

/* A timer that is not set yet. NULL: no memory. */
uv_timer_t *loop_timer_new(uv_loop_t *loop, void *data);

/*
 * Calls back whenever fd is readable; fd may be closed once the poll is dropped. NULL: no memory, or
 * not a descriptor that can be polled.
 */
uv_poll_t *loop_poll_new(uv_loop_t *loop, int fd, uv_poll_cb callback, void *data);

/* The same for other events of uv_poll_start(). */
uv_poll_t *loop_poll_new_of(uv_loop_t *loop, int fd, int events, uv_poll_cb callback, void *data);

/* Take NULL. Return NULL. */
uv_timer_t *loop_timer_drop(uv_timer_t *timer);
uv_poll_t *loop_poll_drop(uv_poll_t *poll);
