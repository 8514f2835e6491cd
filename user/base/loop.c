// SPDX-License-Identifier: BSD-2-Clause
#include "base/loop.h"

#include <stdlib.h>

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

uv_timer_t *loop_timer_new(uv_loop_t *loop, void *data)
{
	uv_timer_t *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	uv_timer_init(loop, timer); /* cannot fail */
	timer->data = data;
	return timer;
}

uv_poll_t *loop_poll_new(uv_loop_t *loop, int fd, uv_poll_cb callback, void *data)
{
	return loop_poll_new_of(loop, fd, UV_READABLE, callback, data);
}

uv_poll_t *loop_poll_new_of(uv_loop_t *loop, int fd, int events, uv_poll_cb callback, void *data)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));

	if (!poll)
		return NULL;
	if (uv_poll_init(loop, poll, fd)) {
		free(poll);
		return NULL;
	}
	poll->data = data;
	if (uv_poll_start(poll, events, callback))
		return loop_poll_drop(poll);
	return poll;
}

uv_timer_t *loop_timer_drop(uv_timer_t *timer)
{
	if (timer)
		uv_close((uv_handle_t *)timer, free_handle);
	return NULL;
}

uv_poll_t *loop_poll_drop(uv_poll_t *poll)
{
	if (poll)
		uv_close((uv_handle_t *)poll, free_handle);
	return NULL;
}
