/* SPDX-License-Identifier: BSD-2-Clause */
/* /tmp/perf-PID.map, which the process writes itself. Looked up is where its lines say something is. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "symbols/symbols.h"

static void look_up(const struct perf_map *map, uint64_t address)
{
	struct symbol symbol;

	memset(&symbol, 'x', sizeof(symbol));
	if (!perf_map_find(map, address, &symbol))
		return;
	FUZZ_CHECK(memchr(symbol.function, '\0', sizeof(symbol.function)));
	FUZZ_CHECK(!*symbol.source && !symbol.line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	const char *error = NULL, *line = text;
	struct perf_map *map = perf_map_open(fuzz_memfd(data, size), &error);

	FUZZ_CHECK(map && !error);
	for (int i = 0; line && i < 64; i++) {
		uint64_t start = strtoull(line, NULL, 16);

		look_up(map, start);
		look_up(map, start - 1);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	look_up(map, UINT64_MAX);
	perf_map_close(map);
	return 0;
}
