/* SPDX-License-Identifier: BSD-2-Clause */
/* Names that others chose, made safe to show. */
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *raw = fuzz_text(data, size), *dumped = NULL;
	_cleanup_free_ char *line = text_escape_line(raw), *safe = text_utf8(raw);
	json_t *string = json_string(safe);

	FUZZ_CHECK(line && safe);
	FUZZ_CHECK(fuzz_is_printable(line, false));
	FUZZ_CHECK(string);
	dumped = json_dumps(string, JSON_ENCODE_ANY | JSON_COMPACT);
	FUZZ_CHECK(dumped && strlen(dumped) <= text_json_size(raw));
	json_decref(string);
	return 0;
}
