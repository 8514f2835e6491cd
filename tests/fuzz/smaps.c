/* SPDX-License-Identifier: BSD-2-Clause */
/* /proc/PID/smaps: the lines of maps, each with fields below it. */
#include "base/util.h"
#include "fuzz/fuzz.h"
#include "sense/mappings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_fclose_ FILE *file = fuzz_stream(data, size);
	struct mapping_sums sums;

	FUZZ_CHECK(mapping_sums_parse(file, &sums) == 0);
	return 0;
}
