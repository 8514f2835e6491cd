/* SPDX-License-Identifier: BSD-2-Clause */
/* /proc/PID/maps: the names of files, of memfds and of anonymous mappings are the process's choice. */
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "sense/mappings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_fclose_ FILE *file = fuzz_stream(data, size);
	struct mappings mappings;

	FUZZ_CHECK(mappings_parse(file, &mappings) == 0);
	FUZZ_CHECK(mappings.count <= MAPPINGS_MAX);
	for (size_t i = 0; i < mappings.count; i++) {
		const struct mapping *mapping = &mappings.list[i];
		const struct mapping *found = mappings_find(&mappings, mapping->start);

		FUZZ_CHECK(strlen(mapping->path) < size && !strchr(mapping->path, '\n'));
		FUZZ_CHECK(!found ||
			   (found->start <= mapping->start && mapping->start < found->end));
	}
	mappings_clear(&mappings);
	return 0;
}
