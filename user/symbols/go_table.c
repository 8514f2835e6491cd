// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "symbols/symbols.h"

/* First word of the table: Go 1.18, and 1.20 and newer. The layout is the same. */
#define MAGIC_118 0xfffffff0U
#define MAGIC_120 0xfffffff1U
#define HEADER_BYTES 8 /* magic, two zeros, instruction quantum, size of a pointer */

/* Words of the header after that, each of the size of a pointer. */
enum word {
	WORD_FUNCTIONS = 0, /* how many */
	WORD_TEXT = 2,	    /* address of the first; 0 where it is yet to be relocated */
	WORD_NAMES = 3,	    /* offsets in the section */
	WORD_DATA = 7,
	WORDS,
};

struct go_table {
	const uint8_t *section;
	size_t size;
	uint64_t functions, text, names, data;
};

static bool read_u32(const struct go_table *table, uint64_t offset, uint32_t *ret)
{
	if (offset > table->size || table->size - offset < sizeof(*ret))
		return false;
	memcpy(ret, table->section + offset, sizeof(*ret));
	return true;
}

static uint64_t word(const struct go_table *table, enum word which)
{
	uint64_t value;

	memcpy(&value, table->section + HEADER_BYTES + which * sizeof(value), sizeof(value));
	return value;
}

struct go_table *go_table_open(const uint8_t *section, size_t size, uint64_t text_address)
{
	struct go_table *table;
	uint32_t magic;

	if (size < HEADER_BYTES + WORDS * sizeof(uint64_t))
		return NULL;
	memcpy(&magic, section, sizeof(magic));
	if ((magic != MAGIC_118 && magic != MAGIC_120) || section[7] != sizeof(uint64_t))
		return NULL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->section = section;
	table->size = size;
	table->functions = word(table, WORD_FUNCTIONS);
	table->text = word(table, WORD_TEXT);
	if (!table->text)
		table->text = text_address;
	table->names = word(table, WORD_NAMES);
	table->data = word(table, WORD_DATA);
	if (table->functions < size / (2 * sizeof(uint32_t)) && table->names < size &&
	    table->data < size)
		return table;
	free(table);
	return NULL;
}

void go_table_close(struct go_table *table)
{
	free(table);
}

/* Pairs of where a function begins, counted from the text, and where its data is. */
static bool function_start(const struct go_table *table, uint64_t index, uint32_t *ret)
{
	return read_u32(table, table->data + index * 2 * sizeof(uint32_t), ret);
}

/* Within the section, or after all that is shown of it. */
static bool name_ends(const struct go_table *table, uint64_t place)
{
	uint64_t room = table->size - place;

	return room >= SYMBOL_NAME_MAX || memchr(table->section + place, '\0', room);
}

bool go_table_find(const struct go_table *table, uint64_t address, struct symbol *ret)
{
	uint64_t wanted = address - table->text, low = 0, high = table->functions, place;
	uint32_t start, data, name;

	if (address < table->text || !function_start(table, table->functions, &start) ||
	    wanted >= start)
		return false;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (!function_start(table, middle, &start))
			return false;
		if (start <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || !read_u32(table, table->data + (low - 1) * 2 * sizeof(uint32_t) + 4, &data) ||
	    !read_u32(table, table->data + data + 4, &name))
		return false;
	place = table->names + name;
	if (place >= table->size || !name_ends(table, place))
		return false;
	*ret = (struct symbol){};
	symbol_copy(ret->function, (const char *)table->section + place);
	return true;
}
