/* SPDX-License-Identifier: BSD-2-Clause */
#include "sinks/report_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "unit/fixture.h"

TestSuite(reports, .init = fixture_make, .fini = fixture_remove);

static void put(const char *name, const char *text, time_t written)
{
	const struct timespec times[] = {{.tv_sec = written}, {.tv_sec = written}};

	fixture_file(name, text);
	cr_assert_eq(utimensat(fixture_root(), name, times, 0), 0);
}

static bool is_there(const char *name)
{
	return faccessat(fixture_root(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Test(reports, the_oldest_come_first_and_other_files_not_at_all)
{
	_cleanup_free_ struct report_file *files = NULL;
	size_t count = 0;

	put("00000000000000aa.json", "12345", 300);
	put("00000000000000bb.json", "1", 100);
	put("00000000000000cc.json", "1", 200);
	put("notes.json", "mine", 50);
	put("00000000000000DD.json", "mine", 50);
	put("00000000000000ee.json.tmp", "mine", 50);
	cr_assert_eq(symlinkat("/etc/passwd", fixture_root(), "00000000000000ff.json"), 0);
	cr_assert_eq(report_dir_list(fixture_root(), &files, &count), 0);
	cr_assert_eq(count, 3);
	cr_expect_str_eq(files[0].name, "00000000000000bb.json");
	cr_expect_str_eq(files[1].name, "00000000000000cc.json");
	cr_expect_str_eq(files[2].name, "00000000000000aa.json");
	cr_expect_eq(files[2].size_bytes, 5);
}

Test(reports, nothing_is_an_empty_list)
{
	_cleanup_free_ struct report_file *files = NULL;
	size_t count = 1;

	cr_assert_eq(report_dir_list(fixture_root(), &files, &count), 0);
	cr_expect_eq(count, 0);
	cr_expect_eq(report_dir_list(-1, &files, &count), -EBADF);
}

Test(reports, the_oldest_go_when_there_are_too_many_or_they_are_too_large)
{
	put("0000000000000001.json", "1234567890", 1);
	put("0000000000000002.json", "1234567890", 2);
	put("0000000000000003.json", "1234567890", 3);
	put("mine", "1234567890", 0);
	report_dir_prune(fixture_root(), 3, 30);
	cr_expect(is_there("0000000000000001.json"));
	report_dir_prune(fixture_root(), 2, 30);
	cr_expect_not(is_there("0000000000000001.json"));
	cr_expect(is_there("0000000000000002.json"));
	report_dir_prune(fixture_root(), 2, 19);
	cr_expect_not(is_there("0000000000000002.json"));
	cr_expect(is_there("0000000000000003.json"));
	cr_expect(is_there("mine"));
}
