/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/helper.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

struct seen {
	struct helper *helper;
	unsigned int done, in_time, ended;
};

static void on_done(bool in_time, void *userdata)
{
	struct seen *seen = userdata;

	cr_expect_eq(seen->ended, 0, "the work ends before the process");
	seen->done++;
	seen->in_time += in_time;
}

static void on_end(void *userdata)
{
	struct seen *seen = userdata;

	seen->ended++;
	seen->helper = helper_free(seen->helper);
}

static struct helper_config config_of(uv_loop_t *loop, struct seen *seen, char *const *argv)
{
	return (struct helper_config){
		.loop = loop,
		.path = "/bin/sh",
		.argv = argv,
		.in = -1,
		.out = -1,
		.patience_ms = 60000,
		.on_done = on_done,
		.on_end = on_end,
		.userdata = seen,
	};
}

static void run(const struct helper_config *config, uv_loop_t *loop, struct seen *seen)
{
	cr_assert_eq(helper_start(&seen->helper, config), 0);
	uv_run(loop, UV_RUN_DEFAULT);
	cr_expect_eq(seen->done, 1);
	cr_expect_eq(seen->ended, 1);
	cr_expect_null(seen->helper);
	cr_expect_eq(uv_loop_close(loop), 0);
}

Test(helper, has_what_it_is_given_and_no_more)
{
	char command[128], text[64] = "";
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};
	struct helper_config config;
	struct seen seen = {};
	uv_loop_t loop;
	int out[2], kept = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 50);

	uv_loop_init(&loop);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	snprintf(command, sizeof(command),
		 "for fd in %d %d 1; do [ -e /proc/self/fd/$fd ] && echo $fd; done; env", out[0],
		 kept);
	config = config_of(&loop, &seen, argv);
	config.out = out[1];
	config.kept_fds = &kept;
	config.kept_count = 1;
	run(&config, &loop, &seen);
	cr_expect_eq(seen.in_time, 1);
	cr_assert_gt(read(out[0], text, sizeof(text) - 1), 0);
	snprintf(command, sizeof(command), "%d\n1\nPWD=", kept); /* the shell's own */
	cr_expect(strncmp(text, command, strlen(command)) == 0, "%s", text);
}

Test(helper, past_its_time_it_is_killed)
{
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"},
			      (char[]){"trap '' TERM; while :; do sleep 1; done"}, NULL};
	struct seen seen = {};
	uv_loop_t loop;

	uv_loop_init(&loop);
	struct helper_config config = config_of(&loop, &seen, argv);
	config.patience_ms = 50;
	run(&config, &loop, &seen);
	cr_expect_eq(seen.in_time, 0);
}

/* It is no zombie for as long as we live. */
Test(helper, one_that_is_freed_is_waited_for, .timeout = 20)
{
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"exec sleep 1000"}, NULL};
	struct seen seen = {};
	uv_loop_t loop;

	uv_loop_init(&loop);
	struct helper_config config = config_of(&loop, &seen, argv);
	for (unsigned int i = 0; i < 8; i++) {
		cr_assert_eq(helper_start(&seen.helper, &config), 0);
		helper_free(seen.helper);
	}
	while (!waitid(P_ALL, 0, &(siginfo_t){}, WEXITED | WNOHANG | WNOWAIT))
		cr_assert_null(helper_free(NULL));
	cr_expect_eq(errno, ECHILD);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(helper, one_that_is_freed_is_killed_and_calls_nobody)
{
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"exec sleep 1000"}, NULL};
	struct seen seen = {};
	uv_loop_t loop;

	uv_loop_init(&loop);
	struct helper_config config = config_of(&loop, &seen, argv);
	cr_assert_eq(helper_start(&seen.helper, &config), 0);
	helper_free(seen.helper);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(seen.done + seen.ended, 0);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(helper, a_program_that_is_not_there)
{
	char *const argv[] = {(char[]){"x"}, NULL};
	struct seen seen = {};
	uv_loop_t loop;

	uv_loop_init(&loop);
	struct helper_config config = config_of(&loop, &seen, argv);
	config.path = "/nonexistent/program";
	cr_expect_eq(helper_start(&seen.helper, &config), -ENOENT);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
}
