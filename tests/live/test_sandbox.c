/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where files of tenants are read, nothing can be done but to read them. What is tried is in
 * breakout_attempts.h; that a real search is in there, in test_naming.c.
 */
#include <sys/stat.h>

#include "harness.h"

TestSuite(sandbox, .init = live_setup, .fini = live_teardown, .timeout = 300);

static void expect_kept_in(const char *argument)
{
	struct live_process *breakout = live_start(NULL, live_beside("breakout"), argument);

#if defined(__SANITIZE_ADDRESS__)
	live_skip("seccomp", "a sanitizer needs system calls of its own");
#endif
	live_wait_exit(breakout);
	live_check(live_exit_code(breakout) == 0, "it ended with %d, and said:\n%s%s",
		   live_exit_code(breakout), breakout->output[0] ?: "", breakout->output[1] ?: "");
}

/* What root can do outside. */
Test(sandbox, nothing_gets_out)
{
	const char *dir = live_path("files");

	live_check(mkdir(dir, 0700) == 0, "mkdir %s: %m", dir);
	expect_kept_in(dir);
}

Test(sandbox, every_system_call_that_reading_does_not_take_is_refused)
{
	expect_kept_in("--every-call");
}
