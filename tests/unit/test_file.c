/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/file.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/util.h"
#include "unit/fixture.h"

TestSuite(file, .init = fixture_make, .fini = fixture_remove);

Test(file, content_is_read_whole_with_its_nuls)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	fixture_bytes("f", "a\0b\n", 4);
	cr_assert_eq(file_read(fixture_root(), "f", &text, &size), 0);
	cr_expect_eq(size, 4);
	cr_expect_arr_eq(text, "a\0b\n", 5);
}

Test(file, empty_file_is_an_empty_string)
{
	_cleanup_free_ char *text = NULL;

	fixture_file("f", "");
	cr_assert_eq(file_read(fixture_root(), "f", &text, NULL), 0);
	cr_expect_str_eq(text, "");
}

Test(file, the_largest_file_is_a_mebibyte)
{
	_cleanup_free_ char *big = calloc(1, FILE_READ_MAX + 1), *text = NULL;
	size_t size = 0;

	memset(big, 'x', FILE_READ_MAX + 1);
	fixture_bytes("fits", big, FILE_READ_MAX);
	fixture_bytes("big", big, FILE_READ_MAX + 1);
	cr_assert_eq(file_read(fixture_root(), "fits", &text, &size), 0);
	cr_expect_eq(size, FILE_READ_MAX);
	free(TAKE_PTR(text));
	cr_expect_eq(file_read(fixture_root(), "big", &text, &size), -EFBIG);
	cr_expect_null(text);
}

Test(file, errors_are_those_of_the_system)
{
	_cleanup_free_ char *text = NULL;

	fixture_directory("d");
	cr_expect_eq(file_read(fixture_root(), "none", &text, NULL), -ENOENT);
	cr_expect_eq(file_read(fixture_root(), "d", &text, NULL), -EISDIR);
	cr_expect_eq(file_read(-1, "none", &text, NULL), -EBADF);
	cr_expect_null(text);
}

Test(file, number_of_kernel_files)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} cases[] = {
		{"4096\n", 0, 4096},   {"4096", 0, 4096},	   {"max\n", 0, UINT64_MAX},
		{"", -EBADMSG, 0},     {"\n", -EBADMSG, 0},	   {"4096\n\n", -EBADMSG, 0},
		{"-1\n", -EBADMSG, 0}, {"4096 kB\n", -EBADMSG, 0}, {"maximum\n", -EBADMSG, 0},
	};
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		value = 77;
		fixture_file("n", cases[i].text);
		cr_expect_eq(file_read_u64(fixture_root(), "n", &value), cases[i].result, "'%s'",
			     cases[i].text);
		cr_expect_eq(value, cases[i].result == 0 ? cases[i].value : 77, "'%s'",
			     cases[i].text);
	}
	fixture_bytes("n", "12\0", 3);
	cr_expect_eq(file_read_u64(fixture_root(), "n", &value), -EBADMSG);
	cr_expect_eq(file_read_u64(fixture_root(), "none", &value), -ENOENT);
}

Test(file, write_needs_an_existing_file)
{
	_cleanup_free_ char *text = NULL;

	fixture_file("f", "");
	cr_expect_eq(file_write(fixture_root(), "f", "-1"), 0);
	cr_assert_eq(file_read(fixture_root(), "f", &text, NULL), 0);
	cr_expect_str_eq(text, "-1");
	cr_expect_eq(file_write_nonblock(fixture_root(), "none", "1"), -ENOENT);
	cr_expect_eq(file_write(fixture_root(), "none", "1"), -ENOENT);
}

static int render_text(FILE *out, void *userdata)
{
	return fputs(userdata, out) < 0 ? -EIO : 0;
}

static int render_then_fail(FILE *out, void *userdata)
{
	fputs("half", out);
	return *(int *)userdata;
}

static int count_entries(void)
{
	DIR *dir = opendir(fixture_path());
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

Test(file, atomic_write_replaces_with_the_mode_given)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;

	umask(0777);
	fixture_file("r.json", "old");
	umask(0022);
	cr_assert_eq(file_write_atomic(fixture_root(), "r.json", 0600, render_text, "new\n"), 0);
	cr_assert_eq(file_read(fixture_root(), "r.json", &text, NULL), 0);
	cr_expect_str_eq(text, "new\n");
	cr_assert_eq(fstatat(fixture_root(), "r.json", &st, 0), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_expect_eq(count_entries(), 1);

	umask(0777);
	cr_assert_eq(file_write_atomic(fixture_root(), "open", 0644, render_text, "x"), 0);
	cr_assert_eq(fstatat(fixture_root(), "open", &st, 0), 0);
	cr_expect_eq(st.st_mode & 07777, 0644);
}

Test(file, failed_atomic_write_leaves_the_old_file_and_nothing_else)
{
	_cleanup_free_ char *text = NULL;
	int error = -ENOMEM;

	fixture_file("r.json", "old");
	cr_expect_eq(file_write_atomic(fixture_root(), "r.json", 0600, render_then_fail, &error),
		     -ENOMEM);
	cr_assert_eq(file_read(fixture_root(), "r.json", &text, NULL), 0);
	cr_expect_str_eq(text, "old");
	cr_expect_eq(count_entries(), 1);
}

Test(file, atomic_write_into_the_place_of_a_directory_fails_clean)
{
	fixture_directory("taken");
	cr_expect_eq(file_write_atomic(fixture_root(), "taken", 0600, render_text, "x"), -EISDIR);
	cr_expect_eq(count_entries(), 1);
}

Test(file, atomic_write_takes_the_longest_name)
{
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	cr_expect_eq(file_write_atomic(fixture_root(), name, 0600, render_text, "x"), 0);
	cr_expect_eq(faccessat(fixture_root(), name, F_OK, 0), 0);
}

Test(file, atomic_write_refuses_a_path)
{
	cr_expect_eq(file_write_atomic(fixture_root(), "a/b", 0600, render_text, "x"), -EINVAL);
	cr_expect_eq(file_write_atomic(fixture_root(), "", 0600, render_text, "x"), -EINVAL);
}

/* Writes more than its stream buffers, and does not look whether that worked. */
static int render_carelessly(FILE *out, void *userdata)
{
	(void)userdata;
	for (int i = 0; i < 1 << 16; i++)
		(void)fputc('x', out);
	return 0;
}

Test(file, atomic_write_without_room_fails_clean)
{
	struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};

	/* The write that meets the limit fails with EFBIG, as it would with ENOSPC on a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_eq(file_write_atomic(fixture_root(), "f", 0600, render_carelessly, NULL), -EFBIG);
	cr_expect_eq(count_entries(), 0);
}
