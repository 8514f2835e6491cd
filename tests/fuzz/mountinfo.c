/* SPDX-License-Identifier: BSD-2-Clause */
/* One line of /proc/PID/mountinfo: mount points and roots are names that others chose. */
#include "sense/mountinfo.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *line = fuzz_text(data, size);
	size_t length = strlen(line);
	struct mountinfo entry;

	if (mountinfo_parse(line, &entry))
		return 0;
	FUZZ_CHECK(entry.root[0] == '/' && entry.point[0] == '/' && *entry.type);
	FUZZ_CHECK(strlen(entry.root) + strlen(entry.point) + strlen(entry.type) +
			   strlen(entry.options) <
		   length);
	return 0;
}
