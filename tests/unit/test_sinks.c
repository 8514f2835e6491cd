/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sinks hear of what. That a closed incident comes to the journal and to the termination message is
 * for the live tests, which own those places.
 */
#include "sinks/sinks.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "base/util.h"
#include "sinks/report_dir.h"
#include "unit/fixture.h"

TestSuite(sinks, .init = fixture_make, .fini = fixture_remove);

static size_t count_reports(void)
{
	_cleanup_free_ struct report_file *files = NULL;
	size_t count = 0;

	cr_assert_eq(report_dir_list(fixture_root(), &files, &count), 0);
	return count;
}

Test(sinks, what_is_open_is_a_line_and_no_file)
{
	const struct incident incident = {.id = 1, .reason = ""};
	_cleanup_fclose_ FILE *out = tmpfile();
	struct sinks sinks = {.lines = {.out = out}, .report_dirfd = fixture_root()};

	cr_assert_not_null(out);
	sinks_incident(&sinks, &incident);
	cr_expect_gt(lseek(fileno(out), 0, SEEK_END), 0);
	sinks_file(&sinks, &incident);
	cr_expect_eq(count_reports(), 0);
}

Test(sinks, what_is_closed_is_a_file_where_files_are_asked_for)
{
	const struct incident incident = {.id = 1, .reason = "", .verdict = VERDICT_SAVED};
	struct sinks sinks = {.report_dirfd = -1, .report_bounds = {.files = 9, .bytes = 1 << 20}};

	sinks_file(&sinks, &incident);
	cr_expect_eq(count_reports(), 0);
	sinks.report_dirfd = fixture_root();
	sinks_file(&sinks, &incident);
	cr_expect_eq(count_reports(), 1);
}
