/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "symbols/symbols.h"
#include "unit/symbols_run.h"

static struct perf_map *map_of(const void *bytes, size_t size)
{
	const char *error = NULL;
	struct perf_map *map = perf_map_open(memory_file(bytes, size), &error);

	cr_assert_not_null(map);
	cr_expect_null(error);
	return map;
}

static struct perf_map *map_of_text(const char *text)
{
	return map_of(text, strlen(text));
}

/* "": nothing is there. */
static const char *name_at(const struct perf_map *map, uint64_t address)
{
	static struct symbol symbol;

	return perf_map_find(map, address, &symbol) ? symbol.function : "";
}

Test(perf_map, an_address_is_found_from_start_to_before_end)
{
	struct perf_map *map = map_of_text("2000 10 py::second:/app/b.py\n"
					   "1000 20 py::first:/app/a.py\n");

	cr_expect_str_eq(name_at(map, 0xfff), "");
	cr_expect_str_eq(name_at(map, 0x1000), "py::first:/app/a.py");
	cr_expect_str_eq(name_at(map, 0x101f), "py::first:/app/a.py");
	cr_expect_str_eq(name_at(map, 0x1020), "");
	cr_expect_str_eq(name_at(map, 0x200f), "py::second:/app/b.py");
	cr_expect_str_eq(name_at(map, UINT64_MAX), "");
	perf_map_close(map);
}

Test(perf_map, names_have_spaces_and_addresses_may_have_a_prefix)
{
	struct perf_map *map = map_of_text("0x1000 0x10 Lname; ::run (x, y)\n");

	cr_expect_str_eq(name_at(map, 0x1008), "Lname; ::run (x, y)");
	perf_map_close(map);
}

Test(perf_map, of_entries_that_overlap_the_newest_wins)
{
	struct perf_map *map = map_of_text("1000 100 oldest\n"
					   "1080 10 middle\n"
					   "1000 40 newest\n"
					   "10f0 100 across\n");

	cr_expect_str_eq(name_at(map, 0x1000), "newest");
	cr_expect_str_eq(name_at(map, 0x103f), "newest");
	cr_expect_str_eq(name_at(map, 0x1040), "oldest");
	cr_expect_str_eq(name_at(map, 0x1084), "middle");
	cr_expect_str_eq(name_at(map, 0x1090), "oldest");
	cr_expect_str_eq(name_at(map, 0x10ff), "across");
	perf_map_close(map);
}

Test(perf_map, the_same_place_used_again_and_again_has_its_last_name)
{
	char text[8192] = "";
	struct perf_map *map;

	for (int i = 0; i < 200; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "1000 100 f%d\n", i);
	map = map_of_text(text);
	cr_expect_str_eq(name_at(map, 0x1050), "f199");
	perf_map_close(map);
}

Test(perf_map, the_mark_of_how_v8_compiled_it_is_left_out)
{
	struct perf_map *map = map_of_text("1000 10 JS:~serve /app/a.js:1\n"
					   "2000 10 JS:*serve /app/a.js:1\n"
					   "3000 10 JS:serve /app/a.js:1\n"
					   "4000 10 a b:~c\n"
					   "5000 10 x:\n"
					   "6000 10 ~\n");

	cr_expect_str_eq(name_at(map, 0x1000), "JS:serve /app/a.js:1");
	cr_expect_str_eq(name_at(map, 0x2000), "JS:serve /app/a.js:1");
	cr_expect_str_eq(name_at(map, 0x3000), "JS:serve /app/a.js:1");
	cr_expect_str_eq(name_at(map, 0x4000), "a b:~c");
	cr_expect_str_eq(name_at(map, 0x5000), "x:");
	cr_expect_str_eq(name_at(map, 0x6000), "~");
	perf_map_close(map);
}

/* 140,000 names of 500 bytes are more than are kept. */
Test(perf_map, the_names_that_are_kept_have_a_bound)
{
	const size_t lines = 140000;
	const char *error = NULL;
	struct perf_map *map;
	FILE *file = tmpfile();

	cr_assert_not_null(file);
	for (size_t i = 0; i < lines; i++)
		fprintf(file, "%zx 10 %0500zu\n", 0x1000 + i * 0x10, i);
	cr_assert_eq(fflush(file), 0);
	rewind(file);
	map = perf_map_open(dup(fileno(file)), &error);
	fclose(file);
	cr_assert_not_null(map);
	cr_expect_eq(strlen(name_at(map, 0x1000)), 500);
	cr_expect_eq(strlen(name_at(map, 0x1000 + 120000 * 0x10)), 500);
	cr_expect_str_eq(name_at(map, 0x1000 + (lines - 1) * 0x10), "");
	perf_map_close(map);
}

Test(perf_map, a_last_line_that_is_half_written_is_a_line_or_none)
{
	static const char text[] = "1000 10 first\n2000 10 second";

	for (size_t length = 0; length < sizeof(text); length++) {
		struct perf_map *map = map_of(text, length);

		cr_expect_str_eq(name_at(map, 0x1008), length > 8 ? name_at(map, 0x1000) : "");
		if (length > strlen("1000 10 first"))
			cr_expect_str_eq(name_at(map, 0x1008), "first");
		cr_expect(strncmp(name_at(map, 0x2008), "second", strlen(name_at(map, 0x2008))) ==
			  0);
		perf_map_close(map);
	}
}

Test(perf_map, a_line_that_is_too_long_is_cut_and_its_rest_is_no_line)
{
	/* The rest of the first line looks like one of its own. */
	enum { LONG = 5000 };
	char text[LONG + 64];
	struct perf_map *map;
	size_t length = (size_t)snprintf(text, sizeof(text), "1000 10 ");

	memset(text + length, 'a', LONG - length);
	for (size_t i = 512; i + 16 < LONG; i += 13)
		memcpy(text + i, " 3000 10 evil ", 14);
	snprintf(text + LONG, sizeof(text) - LONG, "\n2000 10 next\n");
	map = map_of_text(text);
	cr_expect_eq(strlen(name_at(map, 0x1000)), SYMBOL_NAME_MAX - 1);
	cr_expect_str_eq(name_at(map, 0x2000), "next");
	cr_expect_str_eq(name_at(map, 0x3000), "");
	perf_map_close(map);
}

Test(perf_map, what_is_no_entry_is_passed_over)
{
	struct perf_map *map = map_of_text("\n"
					   " 1000 10 blank\n"
					   "1000\n"
					   "1000 10\n"
					   "1000 0 empty\n"
					   "-1000 10 negative\n"
					   "1000 -10 negative\n"
					   "10000000000000000 10 huge\n"
					   "1000 10000000000000000 huge\n"
					   "1000\t10\ttabs\n"
					   "xyz 10 none\n"
					   "1000 10 good\n");

	cr_expect_str_eq(name_at(map, 0x1000), "good");
	perf_map_close(map);
}

Test(perf_map, an_entry_may_reach_around_the_end_of_all_addresses)
{
	struct perf_map *map = map_of_text("ffffffffffffff00 ffffffffffffffff last\n"
					   "0 ffffffffffffffff all\n");

	cr_expect_str_eq(name_at(map, UINT64_MAX - 1), "all");
	cr_expect_str_eq(name_at(map, UINT64_MAX), "last");
	cr_expect_str_eq(name_at(map, 0), "all");
	perf_map_close(map);
}

Test(perf_map, an_empty_one_and_noise_have_no_names)
{
	static unsigned char noise[65536];
	uint32_t state = 1;
	struct perf_map *map = map_of("", 0);

	cr_expect_str_eq(name_at(map, 0), "");
	perf_map_close(map);
	for (size_t i = 0; i < sizeof(noise); i++) {
		state = state * 1664525 + 1013904223;
		noise[i] = (unsigned char)(state >> 24);
	}
	map = map_of(noise, sizeof(noise));
	for (uint64_t address = 1; address; address <<= 1)
		name_at(map, address);
	perf_map_close(map);
	memset(noise, 0, sizeof(noise));
	map = map_of(noise, sizeof(noise));
	cr_expect_str_eq(name_at(map, 0), "");
	perf_map_close(map);
}

Test(perf_map, what_cannot_be_read_is_empty)
{
	const char *error = NULL;
	struct perf_map *map = perf_map_open(open("/", O_RDONLY | O_CLOEXEC), &error);

	cr_assert_not_null(map);
	cr_expect_str_eq(name_at(map, 0), "");
	perf_map_close(map);
	cr_expect_null(perf_map_open(-1, &error));
	cr_expect_not_null(error);
	perf_map_close(NULL);
}
