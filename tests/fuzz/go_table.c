/* SPDX-License-Identifier: BSD-2-Clause */
/* The function table of a Go program. The last four bytes say where to look. */
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "symbols/symbols.h"

#define TEXT 0x401000

static void look_up(const struct go_table *table, uint64_t address)
{
	struct symbol symbol;

	memset(&symbol, 'x', sizeof(symbol));
	if (go_table_find(table, address, &symbol))
		FUZZ_CHECK(memchr(symbol.function, '\0', sizeof(symbol.function)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t offset = 0;
	uint64_t text = 0;
	struct go_table *table;

	if (size < sizeof(offset))
		return 0;
	size -= sizeof(offset);
	memcpy(&offset, data + size, sizeof(offset));
	table = go_table_open(data, size, TEXT);
	if (!table)
		return 0;
	memcpy(&text, data + 24, sizeof(text)); /* as the table says it */
	for (uint64_t i = 0; i < 64; i += 4)
		look_up(table, (text ?: TEXT) + i);
	look_up(table, (text ?: TEXT) + offset);
	look_up(table, UINT64_MAX);
	go_table_close(table);
	return 0;
}
