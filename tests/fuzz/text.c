/* SPDX-License-Identifier: BSD-2-Clause */
/* Names that others chose, made safe to show. */
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "output/metrics_guards.h"

/* As a label of metrics it is one line, ends where it should, and is UTF-8. */
static void check_label(const char *raw)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	FUZZ_CHECK(file);
	metrics_print_label(file, raw);
	FUZZ_CHECK(!fclose(file));
	for (size_t i = 0; i < size;) {
		size_t length = text_utf8_sequence(text + i, NULL);

		FUZZ_CHECK(length && text[i] != '\n' && text[i] != '"');
		if (text[i] == '\\')
			FUZZ_CHECK(text[i + 1] && strchr("\\\"n", text[i + 1]));
		i += text[i] == '\\' ? 2 : length;
	}
}

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
	check_label(raw);
	return 0;
}
