/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/mappings.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "unit/fixture.h"

#define EXEC "555555554000-555555560000 r-xp 00002000 fe:01 1234  "

static void parse(const char *text, struct mappings *ret)
{
	FILE *file = fmemopen((char *)text, strlen(text), "r");

	cr_assert_not_null(file);
	cr_assert_eq(mappings_parse(file, ret), 0);
	fclose(file);
}

static struct mapping_sums sums_of(const char *text)
{
	FILE *file = fmemopen((char *)text, strlen(text), "r");
	struct mapping_sums sums;

	cr_assert_not_null(file);
	cr_assert_eq(mapping_sums_parse(file, &sums), 0);
	fclose(file);
	return sums;
}

/* --- maps ---------------------------------------------------------------------------------- */

Test(mappings, executable_ones_are_kept_in_order)
{
	struct mappings mappings;

	parse("555555550000-555555554000 r--p 00000000 fe:01 1234    /usr/bin/server\n"
	      "555555554000-555555560000 r-xp 00002000 fe:01 1234    /usr/bin/server\n"
	      "555555560000-555555570000 rw-p 0000e000 fe:01 1234    /usr/bin/server\n"
	      "7ffff7dd0000-7ffff7f00000 r-xs 00026000 00:1f 99      /lib/libc.so.6\n"
	      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0    [vsyscall]\n",
	      &mappings);
	cr_assert_eq(mappings.count, 3);
	cr_expect_eq(mappings.list[0].start, 0x555555554000);
	cr_expect_eq(mappings.list[0].end, 0x555555560000);
	cr_expect_eq(mappings.list[0].offset, 0x2000);
	cr_expect_eq(mappings.list[0].major, 0xfe);
	cr_expect_eq(mappings.list[0].minor, 1);
	cr_expect_eq(mappings.list[0].inode, 1234);
	cr_expect_str_eq(mappings.list[0].path, "/usr/bin/server");
	cr_expect_str_eq(mappings.list[1].path, "/lib/libc.so.6");
	cr_expect_eq(mappings.list[2].start, 0xffffffffff600000);
	cr_expect_eq(mappings.list[2].inode, 0);
	cr_expect_str_eq(mappings.list[2].path, "[vsyscall]");
	mappings_clear(&mappings);
	cr_expect_eq(mappings.count, 0);
	mappings_clear(&mappings);
}

Test(mappings, paths_are_what_the_kernel_wrote)
{
	static const struct {
		const char *line, *path;
	} cases[] = {
		{EXEC "/opt/app (deleted)\n", "/opt/app"},
		{EXEC "/opt/my app/bin x\n", "/opt/my app/bin x"},
		{EXEC "/opt/a\\012b\n", "/opt/a\\012b"},
		{EXEC "/opt/a\\012b (deleted)\n", "/opt/a\\012b"},
		{EXEC "/opt/(deleted)\n", "/opt/(deleted)"},
		{EXEC "/memfd:jit (deleted)\n", "/memfd:jit"},
		{EXEC "/opt/caf\xe9\t\x1b[31m\n", "/opt/caf\xe9\t\x1b[31m"},
		{EXEC "/opt/no-line-break", "/opt/no-line-break"},
		{"1000-2000 --xp 00000000 00:00 0\n", ""},
		{"1000-2000 rwxp 00000000 00:00 0 \n", ""},
		{"1000-2000 rwxp 00000000 00:00 0      [anon:v8]\n", "[anon:v8]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mappings mappings;

		parse(cases[i].line, &mappings);
		cr_assert_eq(mappings.count, 1, "case %zu", i);
		cr_expect_str_eq(mappings.list[0].path, cases[i].path);
		mappings_clear(&mappings);
	}
}

Test(mappings, the_whole_address_space_fits)
{
	struct mappings mappings;

	parse("0-ffffffffffffffff r-xp ffffffffffffffff ffffffff:ffffffff 18446744073709551615 "
	      "/x\n",
	      &mappings);
	cr_assert_eq(mappings.count, 1);
	cr_expect_eq(mappings.list[0].end, UINT64_MAX);
	cr_expect_eq(mappings.list[0].offset, UINT64_MAX);
	cr_expect_eq(mappings.list[0].inode, UINT64_MAX);
	mappings_clear(&mappings);
}

Test(mappings, lines_that_are_none_are_passed_over)
{
	static const char *const lines[] = {
		"\n",
		" \n",
		"x\n",
		"1000\n",
		"1000-\n",
		"1000-2000\n",
		"1000-2000 \n",
		"1000 2000 r-xp 0 0:0 0\n",
		"1000-2000 r-x 0 0:0 0\n",
		"1000-2000 r-xpp 0 0:0 0\n",
		"1000-2000 r-xp\n",
		"1000-2000 r-xp 0\n",
		"1000-2000 r-xp 0 0\n",
		"1000-2000 r-xp 0 0:0\n",
		"1000-2000 r-xp 0 0:0 \n",
		"1000-2000 r-xp 0 0:0 12x\n",
		"-1000-2000 r-xp 0 0:0 0\n",
		"1000--2000 r-xp 0 0:0 0\n",
		"1000-2000 r-xp 0 0:0 -1\n",
		"10000000000000000-20000000000000000 r-xp 0 0:0 0\n",
		"1000-2000 r-xp 0 0:0 18446744073709551616\n",
		"zzzz-2000 r-xp 0 0:0 0\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char text[256];
		struct mappings mappings;

		snprintf(text, sizeof(text), "%s" EXEC "/good\n", lines[i]);
		parse(text, &mappings);
		cr_expect_eq(mappings.count, 1, "'%s'", lines[i]);
		if (mappings.count)
			cr_expect_str_eq(mappings.list[0].path, "/good");
		mappings_clear(&mappings);
	}
}

Test(mappings, every_prefix_of_a_line_is_a_line_or_none)
{
	static const char line[] = EXEC "/opt/app (deleted)\n";

	for (size_t length = 1; length < sizeof(line); length++) {
		struct mappings mappings;
		char text[sizeof(line)];

		snprintf(text, sizeof(text), "%.*s", (int)length, line);
		parse(text, &mappings);
		cr_expect_leq(mappings.count, 1);
		mappings_clear(&mappings);
	}
}

/* With the sanitizers, these also show what reads on behind the end of the line. */
Test(mappings, a_line_that_ends_within_its_last_number_is_none)
{
	static const struct {
		const char *text;
		size_t count;
	} cases[] = {
		{"1000-2000 r-xp 0 0:0 123", 0},
		{"1000-2000 r-xp 0 0:0 123 ", 1},
		{"1000-2000 r-xp 0 0:0", 0},
		{"1000-2000 r-xp", 0},
		{"1000-2000", 0},
		{EXEC "/x\n1000-2000 r-xp 0 0:0 123", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mappings mappings;

		parse(cases[i].text, &mappings);
		cr_expect_eq(mappings.count, cases[i].count, "'%s'", cases[i].text);
		mappings_clear(&mappings);
	}
}

Test(mappings, an_address_is_found_from_start_to_before_end)
{
	struct mappings mappings;

	parse("1000-2000 r-xp 0 0:0 1 /a\n"
	      "2000-3000 r-xp 0 0:0 2 /b\n"
	      "5000-6000 r-xp 0 0:0 3 /c\n",
	      &mappings);
	cr_expect_null(mappings_find(&mappings, 0xfff));
	cr_expect_str_eq(mappings_find(&mappings, 0x1000)->path, "/a");
	cr_expect_str_eq(mappings_find(&mappings, 0x1fff)->path, "/a");
	cr_expect_str_eq(mappings_find(&mappings, 0x2000)->path, "/b");
	cr_expect_null(mappings_find(&mappings, 0x3000));
	cr_expect_str_eq(mappings_find(&mappings, 0x5fff)->path, "/c");
	cr_expect_null(mappings_find(&mappings, UINT64_MAX));
	mappings_clear(&mappings);
	cr_expect_null(mappings_find(&mappings, 0x1000));
}

Test(mappings, there_are_no_more_than_a_process_may_have)
{
	FILE *file = tmpfile();
	struct mappings mappings;

	cr_assert_not_null(file);
	for (unsigned int i = 1; i <= MAPPINGS_MAX + 10; i++)
		fprintf(file, "%x000-%x000 r-xp 0 0:0 0\n", i, i + 1);
	rewind(file);
	cr_assert_eq(mappings_parse(file, &mappings), 0);
	fclose(file);
	cr_expect_eq(mappings.count, MAPPINGS_MAX);
	mappings_clear(&mappings);
}

Test(mappings, long_paths_take_no_more_memory_than_is_theirs)
{
	FILE *file = tmpfile();
	struct mappings mappings;
	size_t bytes = 0;

	cr_assert_not_null(file);
	for (unsigned int i = 1; i <= MAPPINGS_PATHS_MAX / 4096 + 10; i++)
		fprintf(file, "%x000-%x000 r-xp 0 0:0 7 /%04095u\n", i, i + 1, i);
	rewind(file);
	cr_assert_eq(mappings_parse(file, &mappings), 0);
	fclose(file);
	for (size_t i = 0; i < mappings.count; i++)
		bytes += strlen(mappings.list[i].path);
	cr_expect_eq(bytes, MAPPINGS_PATHS_MAX);
	cr_expect_eq(mappings.count, MAPPINGS_PATHS_MAX / 4096);
	mappings_clear(&mappings);
}

Test(mappings, of_a_process_that_is_gone, .init = fixture_make, .fini = fixture_remove)
{
	struct mappings mappings;
	struct mapping_sums sums;

	cr_expect_eq(mappings_read(fixture_root(), &mappings), -ENOENT);
	cr_expect_eq(mapping_sums_read(fixture_root(), &sums), -ENOENT);
	fixture_file("maps", "");
	cr_expect_eq(mappings_read(fixture_root(), &mappings), -ESRCH);
	fixture_file("maps", "1000-2000 rw-p 0 0:0 0\n");
	cr_expect_eq(mappings_read(fixture_root(), &mappings), -ESRCH, "nothing in it is code");
	fixture_file("maps", EXEC "/x\n");
	cr_expect_eq(mappings_read(fixture_root(), &mappings), 0);
	mappings_clear(&mappings);
}

/* A pipe has nothing a second time, as /proc where the process has let go of its memory meanwhile. */
static void write_once(const char *name, const char *text)
{
	cr_assert_eq(mkfifoat(fixture_root(), name, 0600), 0);
	if (fork() == 0) {
		int fd = openat(fixture_root(), name, O_WRONLY);

		_exit(write(fd, text, strlen(text)) < 0);
	}
}

Test(mappings, of_a_process_that_is_gone_before_all_is_read, .init = fixture_make,
     .fini = fixture_remove)
{
	struct mappings mappings;
	struct mapping_sums sums;

	write_once("maps", EXEC "/x\n");
	cr_expect_eq(mappings_read(fixture_root(), &mappings), -ESRCH);
	write_once("smaps", EXEC "/x\nRss: 4 kB\n");
	cr_expect_eq(mapping_sums_read(fixture_root(), &sums), -ESRCH);
}

/* --- smaps --------------------------------------------------------------------------------- */

Test(mappings, sums_are_of_what_is_resident_by_kind)
{
	struct mapping_sums sums = sums_of(
		"555555560000-555555580000 rw-p 00000000 00:00 0    [heap]\n"
		"Size:                128 kB\n"
		"Rss:                 100 kB\n"
		"Anonymous:           100 kB\n"
		"7ff000000000-7ff100000000 rw-p 00000000 00:00 0 \n"
		"Rss:                   8 kB\n"
		"Anonymous:             8 kB\n"
		"AnonHugePages:         0 kB\n"
		"7ff200000000-7ff300000000 rw-p 00000000 00:00 0    [anon:arena]\n"
		"Rss:                   4 kB\n"
		"7ff300000000-7ff400000000 rw-s 00000000 00:01 77    /dev/shm/ring\n"
		"Rss:                  20 kB\n"
		"Anonymous:             0 kB\n"
		"7ff400000000-7ff500000000 rw-s 00000000 00:01 78    /memfd:x (deleted)\n"
		"Rss:                  40 kB\n"
		"7ff500000000-7ff600000000 rw-s 00000000 00:01 79    /SYSV00000001 (deleted)\n"
		"Rss:                  80 kB\n"
		"7ff600000000-7ff700000000 rw-s 00000000 00:01 80    /dev/zero (deleted)\n"
		"Rss:                 160 kB\n"
		"7ff700000000-7ff800000000 r-xp 00000000 fe:01 90    /lib/libc.so.6\n"
		"Rss:                 320 kB\n"
		"Anonymous:             0 kB\n"
		"7ffc00000000-7ffc00100000 rw-p 00000000 00:00 0    [stack]\n"
		"Rss:                  12 kB\n"
		"VmFlags: rd wr mr\n");

	cr_expect_eq(sums.heap, 100 * 1024);
	cr_expect_eq(sums.anon, 12 * 1024);
	cr_expect_eq(sums.shmem, 300 * 1024);
	cr_expect_eq(sums.file, 320 * 1024);
	cr_expect_eq(sums.stack, 12 * 1024);
}

Test(mappings, those_of_one_name_are_a_group_and_the_largest_are_kept)
{
	struct mapping_sums sums = sums_of("1000-2000 rw-p 0 0:0 0 \n"
					   "Rss: 4 kB\n"
					   "2000-3000 rw-p 0 0:0 0 \n"
					   "Rss: 20 kB\n"
					   "3000-4000 rw-p 0 0:0 0 [heap]\n"
					   "Rss: 8 kB\n"
					   "4000-5000 r--p 0 fe:1 9 /a (deleted)\n"
					   "Rss: 0 kB\n"
					   "5000-6000 rw-p 0 0:0 0 \n"
					   "Rss: 12 kB\n"
					   "6000-7000 r-xp 0 fe:1 7 /lib/b\n"
					   "Rss: 4 kB\n"
					   "7000-8000 r-xp 0 fe:1 8 /lib/c\n"
					   "Rss: 16 kB\n"
					   "8000-9000 rw-p 0 0:0 0 [anon: Go: heap]\n"
					   "Rss: 28 kB\n");
	static const struct mapping_group wanted[] = {{"", 36 * 1024, 20 * 1024, 3},
						      {"[anon: Go: heap]", 28 * 1024, 28 * 1024, 1},
						      {"/lib/c", 16 * 1024, 16 * 1024, 1},
						      {"[heap]", 8 * 1024, 8 * 1024, 1}};

	cr_assert_eq(sums.group_count, ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		cr_expect_str_eq(sums.groups[i].name, wanted[i].name);
		cr_expect_eq(sums.groups[i].bytes, wanted[i].bytes);
		cr_expect_eq(sums.groups[i].largest_bytes, wanted[i].largest_bytes);
		cr_expect_eq(sums.groups[i].count, wanted[i].count);
	}
}

Test(mappings, of_a_long_name_the_end_is_kept)
{
	_cleanup_free_ char *text = NULL;
	struct mapping_sums sums;

	cr_assert_geq(asprintf(&text, "1000-2000 rw-p 0 fe:1 9 /%0200d/end\nRss: 4 kB\n", 0), 0);
	sums = sums_of(text);
	cr_assert_eq(sums.group_count, 1);
	cr_expect_eq(strlen(sums.groups[0].name), MAPPING_NAME_MAX - 1);
	cr_expect_str_eq(sums.groups[0].name + MAPPING_NAME_MAX - 5, "/end");
}

Test(mappings, pages_of_a_private_file_that_were_written_are_anonymous)
{
	struct mapping_sums sums =
		sums_of("7ff700000000-7ff800000000 rw-p 00000000 fe:01 90    /lib/libc.so.6\n"
			"Rss:                  24 kB\n"
			"Anonymous:            16 kB\n"
			"7ff800000000-7ff900000000 rw-p 00000000 fe:01 91    /lib/libm.so.6\n"
			"Rss:                   8 kB\n"
			"Anonymous:             8 kB\n");

	cr_expect_eq(sums.file, 8 * 1024);
	cr_expect_eq(sums.anon, 24 * 1024);
}

Test(mappings, sums_are_never_below_nothing)
{
	struct mapping_sums sums =
		sums_of("7ff700000000-7ff800000000 rw-p 00000000 fe:01 90    /lib/libc.so.6\n"
			"Rss:                   4 kB\n"
			"Anonymous:            16 kB\n");

	cr_expect_eq(sums.file, 0);
	cr_expect_eq(sums.anon, 4 * 1024);
}

Test(mappings, fields_without_a_mapping_or_a_number_are_passed_over)
{
	struct mapping_sums sums = sums_of("Rss:  4 kB\n"
					   "1000-2000 rw-p 0 0:0 0 [heap]\n"
					   "Rss:\n"
					   "Rss: many kB\n"
					   "Rssx: 7 kB\n"
					   "Rss: 1 kB\n");

	cr_expect_eq(sums.heap, 1024);
	cr_expect_eq(sums.anon + sums.file + sums.stack + sums.shmem, 0);
}
