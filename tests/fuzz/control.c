/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket, from both of its sides: a request, and in the second part a status that is shown to people, and on the screens of top. */
#include "output/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "output/status.h"
#include "output/top.h"

static void check_request(const char *line, size_t size)
{
	_cleanup_free_ char *error = NULL;
	enum control_request request = CONTROL_REQUESTS;

	if (control_parse(line, size, &request, &error) == 0)
		FUZZ_CHECK(request < CONTROL_REQUESTS && !error);
	else
		FUZZ_CHECK(error && fuzz_is_printable(error, false));
}

/* Twice, so that something has been seen before. */
static void check_screens(const json_t *document)
{
	const struct top_view view = {.filter = "", .width = 80, .height = 24, .details = true};
	const struct top_line *lines;
	struct top *top = top_new();
	size_t count, rows;

	for (int i = 0; i < 2; i++) {
		FUZZ_CHECK(top_take(top, document) == 0);
		FUZZ_CHECK(top_draw(top, &view, &lines, &count, &rows) == 0);
		for (size_t line = 0; line < count; line++)
			FUZZ_CHECK(fuzz_is_printable(lines[line].text, false));
	}
	top_free(top);
}

static void check_status(const char *text, size_t size)
{
	json_t *document = json_loadb(text, size, 0, NULL);
	_cleanup_free_ char *shown = NULL;
	size_t length;
	FILE *file = document ? open_memstream(&shown, &length) : NULL;

	if (!file)
		return;
	FUZZ_CHECK(status_text(file, document, false) == 0);
	fclose(file);
	FUZZ_CHECK(strlen(shown) == length && fuzz_is_printable(shown, true));
	check_screens(document);
	json_decref(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	size_t request_size, status_size;
	_cleanup_free_ char *request = fuzz_part(&input, &request_size);
	_cleanup_free_ char *status = fuzz_part(&input, &status_size);

	check_request(request, request_size);
	check_status(status, status_size);
	return 0;
}
