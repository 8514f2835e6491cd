/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runner of the live tests: Criterion's, one test at a time (each owns the machine's memory
 * for a moment), with a line for every test, the reason of every skip, and a sweep at the end.
 */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/options.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"

/* Criterion's own lines for these would also list every test that --filter leaves out. */
ReportHook(POST_TEST)(struct criterion_test_stats *stats)
{
	const struct criterion_test *test = stats->test;

	if (stats->test_status == CR_STATUS_PASSED)
		printf("pass %s::%s (%.1f s)\n", test->category, test->name,
		       (double)stats->elapsed_time);
	else if (stats->test_status == CR_STATUS_SKIPPED && !test->data->disabled)
		printf("skip %s::%s: %s\n", test->category, test->name, stats->message);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct criterion_test_set *tests = criterion_initialize();
	int result = 0;

	criterion_options.jobs = 1;
	if (criterion_handle_args(argc, argv, true)) {
		if (geteuid() != 0) {
			fputs("live tests need root\n", stderr);
			result = 1;
		} else {
			live_runner_begin();
			result = !criterion_run_all_tests(tests);
			live_runner_end();
		}
	}
	criterion_finalize(tests);
	return result;
}
