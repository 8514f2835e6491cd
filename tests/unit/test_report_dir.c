/* SPDX-License-Identifier: BSD-2-Clause */
#include "sinks/report_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
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
	report_dir_prune(fixture_root(), &(const struct report_bounds){3, 30});
	cr_expect(is_there("0000000000000001.json"));
	report_dir_prune(fixture_root(), &(const struct report_bounds){2, 30});
	cr_expect_not(is_there("0000000000000001.json"));
	cr_expect(is_there("0000000000000002.json"));
	report_dir_prune(fixture_root(), &(const struct report_bounds){2, 19});
	cr_expect_not(is_there("0000000000000002.json"));
	cr_expect(is_there("0000000000000003.json"));
	cr_expect(is_there("mine"));
}

static struct incident closed(const char *reason)
{
	return (struct incident){.id = 0xab, .verdict = VERDICT_MISSED, .reason = reason};
}

static json_t *read_report(void)
{
	_cleanup_free_ char *text = NULL;

	cr_assert_eq(file_read(fixture_root(), "00000000000000ab.json", &text, NULL), 0);
	return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
}

static const struct report_bounds many = {.files = 1000, .bytes = 64 << 20};

static const char *reason_of(const json_t *report)
{
	return json_string_value(json_object_get(report, "reason"));
}

Test(reports, a_file_is_private_and_what_was_found_out_since_replaces_it)
{
	struct incident first = closed("first"), second = closed("second");
	json_t *report;
	struct stat info;

	report_dir_write(fixture_root(), &first, &many);
	cr_assert_eq(fstatat(fixture_root(), "00000000000000ab.json", &info, 0), 0);
	cr_expect_eq(info.st_mode, S_IFREG | 0600);
	report = read_report();
	cr_expect_str_eq(reason_of(report), "first");
	cr_expect_str_eq(json_string_value(json_object_get(report, "id")), "00000000000000ab");
	json_decref(report);
	report_dir_write(fixture_root(), &second, &many);
	report = read_report();
	cr_expect_str_eq(reason_of(report), "second");
	json_decref(report);
}

static size_t count_names(void)
{
	DIR *dir = fdopendir(openat(fixture_root(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t count = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2; /* "." and ".." */
}

Test(reports, what_is_found_out_later_is_added_to_a_file)
{
	const struct loan_facts loan = {.lasted_ns = 2500 * NSEC_PER_MSEC,
					.over_realtime_ns = NSEC_PER_SEC};
	const struct comeback comeback = {.outcome = COMEBACK_DOWN, .unit = "web.service"};
	const struct amendment amendment = {.loan = &loan}, later = {.comeback = &comeback};
	struct incident incident = closed("first");
	json_t *report, *airbag;

	report_dir_amend(fixture_root(), 0xab, &amendment);
	cr_expect(!is_there("00000000000000ab.json"));
	report_dir_write(fixture_root(), &incident, &many);
	report_dir_amend(fixture_root(), 0xab, &amendment);
	report = read_report();
	cr_expect_str_eq(reason_of(report), "first");
	airbag = json_object_get(report, "airbag");
	cr_expect_eq(json_real_value(json_object_get(airbag, "lent_ms")), 2500);
	cr_expect_str_eq(json_string_value(json_object_get(airbag, "paid_back")),
			 "1970-01-01T00:00:01.000000Z");
	cr_expect(json_is_null(json_object_get(report, "after")));
	json_decref(report);

	report_dir_amend(fixture_root(), 0xab, &later);
	report = read_report();
	cr_expect_str_eq(
		json_string_value(json_object_get(json_object_get(report, "after"), "outcome")),
		"down");
	cr_expect_eq(json_real_value(json_object_get(json_object_get(report, "airbag"), "lent_ms")),
		     2500, "the loan is still there");
	json_decref(report);
}

Test(reports, a_file_that_is_no_report_any_more_is_left)
{
	put("00000000000000ab.json", "[7]", 1);
	report_dir_amend(fixture_root(), 0xab,
			 &(struct amendment){.loan = &(struct loan_facts){.over_realtime_ns = 1}});
	cr_expect_eq(count_names(), 1);
}

Test(reports, a_file_that_cannot_be_written_changes_nothing_else)
{
	struct incident incident = closed("lost");

	put("0000000000000001.json", "older", 1);
	fixture_file("00000000000000ab.json/in", "the way");
	report_dir_write(fixture_root(), &incident, &many);
	cr_expect(is_there("0000000000000001.json"));
	cr_expect(is_there("00000000000000ab.json/in"));
	cr_expect_eq(count_names(), 2);
}

Test(reports, a_directory_is_made_and_tried)
{
	_cleanup_free_ char *path = NULL, *missing = NULL, *file = NULL;
	_cleanup_close_ int dirfd = -1;
	struct stat info;
	int none = -7;

	cr_assert_geq(asprintf(&path, "%s/new", fixture_path()), 0);
	cr_assert_geq(asprintf(&missing, "%s/no/where", fixture_path()), 0);
	cr_assert_geq(asprintf(&file, "%s/file", fixture_path()), 0);
	fixture_file("file", "");
	cr_assert_eq(report_dir_open(path, &dirfd), 0);
	cr_assert_eq(fstat(dirfd, &info), 0);
	cr_expect_eq(info.st_mode, S_IFDIR | 0700);
	cr_expect_neq(unlinkat(fixture_root(), "new", AT_REMOVEDIR), -1, "something is left in it");
	cr_expect_eq(report_dir_open(missing, &none), -ENOENT);
	cr_expect_eq(report_dir_open(file, &none), -ENOTDIR);
	cr_expect_lt(report_dir_open("/proc", &none), 0, "it takes no files");
	cr_expect_eq(none, -7);
}
