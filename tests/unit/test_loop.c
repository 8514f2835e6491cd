/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/loop.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/util.h"

static void count_timer(uv_timer_t *timer)
{
	++*(int *)timer->data;
}

static void count_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	++*(int *)poll->data;
	uv_poll_stop(poll);
}

Test(loop, handles_call_back)
{
	int pipe_fds[2], times = 0, polls = 0;
	uv_timer_t *timer;
	uv_poll_t *poll;
	uv_loop_t loop;

	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(pipe(pipe_fds), 0);
	timer = loop_timer_new(&loop, &times);
	poll = loop_poll_new(&loop, pipe_fds[0], count_poll, &polls);
	cr_assert(timer && poll);
	uv_timer_start(timer, count_timer, 0, 0);
	cr_assert_eq(write(pipe_fds[1], ".", 1), 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(times, 1);
	cr_expect_eq(polls, 1);
	cr_expect_null(loop_timer_drop(timer));
	cr_expect_null(loop_poll_drop(poll));
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* The owner is gone, what was polled closed, before the loop is run. The sanitizer build sees the rest. */
Test(loop, what_is_dropped_does_not_call_back)
{
	int *gone = malloc(sizeof(*gone)), pipe_fds[2];
	uv_timer_t *timer;
	uv_poll_t *poll;
	uv_loop_t loop;

	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(pipe(pipe_fds), 0);
	timer = loop_timer_new(&loop, gone);
	poll = loop_poll_new(&loop, pipe_fds[0], count_poll, gone);
	cr_assert(gone && timer && poll);
	*gone = 0;
	uv_timer_start(timer, count_timer, 0, 0);
	cr_assert_eq(write(pipe_fds[1], ".", 1), 1);
	loop_timer_drop(timer);
	loop_poll_drop(poll);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	free(gone);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(loop, what_cannot_be_polled_is_null)
{
	uv_loop_t loop;

	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_expect_null(loop_poll_new(&loop, -1, count_poll, NULL));
	cr_expect_null(loop_timer_drop(NULL));
	cr_expect_null(loop_poll_drop(NULL));
	cr_expect_eq(uv_loop_close(&loop), 0, "nothing is left in it");
}
