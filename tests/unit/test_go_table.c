/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "symbols/symbols.h"

#define TEXT 0x401000ULL
#define NAMES 128 /* offsets in the section */
#define DATA 256
#define FUNCTIONS 3

static const char *const names[FUNCTIONS] = {"main.main", "main.(*hoard).fill", "runtime.mallocgc"};

struct table {
	uint8_t bytes[2048];
	size_t size;
};

static void put32(struct table *table, size_t offset, uint32_t value)
{
	memcpy(table->bytes + offset, &value, sizeof(value));
}

static void put64(struct table *table, size_t offset, uint64_t value)
{
	memcpy(table->bytes + offset, &value, sizeof(value));
}

/* As the linker writes it: each function 0x100 bytes, from the text on. */
static struct table make(uint32_t magic, uint64_t text)
{
	struct table table = {.size = sizeof(table.bytes)};
	size_t name = 1; /* the first is empty */

	put32(&table, 0, magic);
	table.bytes[6] = 1;
	table.bytes[7] = 8;
	put64(&table, 8, FUNCTIONS);
	put64(&table, 16, 1);
	put64(&table, 24, text);
	put64(&table, 32, NAMES);
	put64(&table, 64, DATA);
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		uint32_t record = 64 + i * 40;

		put32(&table, DATA + i * 8, i * 0x100);
		put32(&table, DATA + i * 8 + 4, record);
		put32(&table, DATA + record, i * 0x100);
		put32(&table, DATA + record + 4, (uint32_t)name);
		memcpy(table.bytes + NAMES + name, names[i], strlen(names[i]) + 1);
		name += strlen(names[i]) + 1;
	}
	put32(&table, DATA + FUNCTIONS * 8, FUNCTIONS * 0x100); /* the end */
	return table;
}

static const char *name_at(const struct go_table *table, uint64_t address)
{
	static struct symbol symbol;

	return go_table_find(table, address, &symbol) ? symbol.function : "";
}

Test(go_table, functions_are_found_from_start_to_before_end)
{
	static const uint32_t magics[] = {0xfffffff0, 0xfffffff1};

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		struct table bytes = make(magics[i], TEXT);
		struct go_table *table = go_table_open(bytes.bytes, bytes.size, 0);

		cr_assert_not_null(table);
		cr_expect_str_eq(name_at(table, TEXT), "main.main");
		cr_expect_str_eq(name_at(table, TEXT + 0xff), "main.main");
		cr_expect_str_eq(name_at(table, TEXT + 0x100), "main.(*hoard).fill");
		cr_expect_str_eq(name_at(table, TEXT + 0x2ff), "runtime.mallocgc");
		cr_expect_str_eq(name_at(table, TEXT + 0x300), "");
		cr_expect_str_eq(name_at(table, TEXT - 1), "");
		cr_expect_str_eq(name_at(table, 0), "");
		cr_expect_str_eq(name_at(table, UINT64_MAX), "");
		go_table_close(table);
	}
}

Test(go_table, a_program_that_is_moved_has_its_text_where_its_section_is)
{
	struct table bytes = make(0xfffffff1, 0);
	struct go_table *table = go_table_open(bytes.bytes, bytes.size, 0x9000);

	cr_assert_not_null(table);
	cr_expect_str_eq(name_at(table, 0x9150), "main.(*hoard).fill");
	go_table_close(table);
}

Test(go_table, another_version_or_width_is_not_understood)
{
	struct table bytes = make(0xfffffffb, TEXT); /* 1.2 to 1.15 */

	cr_expect_null(go_table_open(bytes.bytes, bytes.size, 0));
	bytes = make(0xfffffff1, TEXT);
	bytes.bytes[7] = 4;
	cr_expect_null(go_table_open(bytes.bytes, bytes.size, 0));
	go_table_close(NULL);
}

/* Each length in a block of its own, so that a sanitizer sees the first byte too many. */
Test(go_table, cut_at_any_byte_it_is_not_read_beyond)
{
	struct table whole = make(0xfffffff1, TEXT);

	for (size_t size = 0; size <= whole.size; size++) {
		uint8_t *bytes = malloc(size ?: 1);
		struct go_table *table;

		cr_assert_not_null(bytes);
		memcpy(bytes, whole.bytes, size);
		table = go_table_open(bytes, size, 0);
		for (uint64_t at = TEXT - 1; table && at < TEXT + 0x301; at += 0x40)
			name_at(table, at);
		go_table_close(table);
		free(bytes);
	}
}

Test(go_table, any_word_may_be_anything)
{
	static const uint64_t values[] = {0,
					  1,
					  511,
					  512,
					  513,
					  INT32_MAX,
					  UINT32_MAX,
					  INT64_MAX,
					  UINT64_MAX,
					  UINT64_MAX - 7,
					  UINT64_MAX / 8 + 1};
	struct table whole = make(0xfffffff1, TEXT);

	for (size_t offset = 8; offset + 8 <= whole.size; offset += 4) {
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			uint8_t *bytes = malloc(whole.size);
			struct go_table *table;

			cr_assert_not_null(bytes);
			memcpy(bytes, whole.bytes, whole.size);
			memcpy(bytes + offset, &values[i], sizeof(values[i]));
			table = go_table_open(bytes, whole.size, TEXT);
			for (uint64_t at = TEXT; table && at < TEXT + 0x300; at += 0x80)
				name_at(table, at);
			go_table_close(table);
			free(bytes);
		}
	}
}

Test(go_table, a_name_without_an_end_is_none)
{
	struct table bytes = make(0xfffffff1, TEXT);
	struct go_table *table;

	put32(&bytes, DATA + 64 + 4, sizeof(bytes.bytes) - NAMES - 4);
	memset(bytes.bytes + sizeof(bytes.bytes) - 4, 'x', 4);
	table = go_table_open(bytes.bytes, bytes.size, 0);
	cr_assert_not_null(table);
	cr_expect_str_eq(name_at(table, TEXT), "");
	cr_expect_str_eq(name_at(table, TEXT + 0x100), "main.(*hoard).fill");
	go_table_close(table);
}

/* Be its end gigabytes away, or nowhere. */
Test(go_table, of_a_long_name_no_more_is_read_than_is_shown)
{
	struct table bytes = make(0xfffffff1, TEXT);
	struct go_table *table;

	put32(&bytes, DATA + 64 + 4, 1024 - NAMES);
	memset(bytes.bytes + 1024, 'x', 1024);
	table = go_table_open(bytes.bytes, bytes.size, 0);
	cr_assert_not_null(table);
	cr_expect_eq(strlen(name_at(table, TEXT)), SYMBOL_NAME_MAX - 1);
	go_table_close(table);
	table = go_table_open(bytes.bytes, 1024 + SYMBOL_NAME_MAX - 1, 0);
	cr_assert_not_null(table);
	cr_expect_str_eq(name_at(table, TEXT), "");
	go_table_close(table);
}
