/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/folded.h"

#include "base/text.h"
#include "base/util.h"
#include "output/document.h"
#include "output/format.h"

static void print_frame(FILE *file, const char *raw, bool *first)
{
	_cleanup_free_ char *safe = text_escape_line(raw ?: "[unknown]");

	for (char *c = safe; c && *c; c++)
		if (*c == ';')
			*c = ':';
	fprintf(file, "%s%s", *first ? "" : ";", safe ?: "?");
	*first = false;
}

static void print_location(FILE *file, const json_t *modules, const json_t *location, bool *first)
{
	const json_t *functions = document_at(location, "functions");
	const json_t *index = document_at(location, "module");
	const json_t *module = json_is_integer(index)
				       ? json_array_get(modules, (size_t)json_integer_value(index))
				       : NULL;
	_cleanup_free_ char *place = document_place(document_text(module, "path"),
						    document_text(location, "offset"),
						    document_text(location, "address"));
	size_t count = json_array_size(functions);

	if (count == 0)
		print_frame(file, place, first);
	/* Innermost first in the report. */
	for (size_t i = count; i-- > 0;)
		print_frame(file, document_text(json_array_get(functions, i), "name") ?: place,
			    first);
}

static void print_stack(FILE *file, const json_t *recording, const json_t *stack)
{
	const json_t *places = document_at(stack, "locations");
	const json_t *locations = document_at(recording, "locations");
	const json_t *modules = document_at(recording, "modules");
	bool first = true;

	for (size_t i = json_array_size(places); i-- > 0;) {
		const json_t *index = json_array_get(places, i);

		print_location(file, modules,
			       json_is_integer(index)
				       ? json_array_get(locations,
							(size_t)json_integer_value(index))
				       : NULL,
			       &first);
	}
	if (first)
		print_frame(file, NULL, &first);
	document_print(file, stack, " %n\n", PATHS("bytes"));
}

int folded_write(FILE *file, const json_t *document)
{
	const json_t *recording = document_at(document, "recording"), *stack;
	size_t i;

	json_array_foreach (document_at(recording, "stacks"), i, stack)
		if (json_integer_value(document_at(stack, "bytes")) > 0)
			print_stack(file, recording, stack);
	return file_result(file);
}
