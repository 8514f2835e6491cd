/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/document.h"

#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/format.h"

const json_t *document_at(const json_t *document, const char *path)
{
	while (document && *path) {
		size_t length = strcspn(path, ".");
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		document = json_object_get(document, name);
		path += length + (path[length] == '.');
	}
	return document;
}

const char *document_text(const json_t *document, const char *path)
{
	return json_string_value(document_at(document, path));
}

bool document_is_text(const json_t *document, const char *path, const char *text)
{
	const char *found = document_text(document, path);

	return found && strcmp(found, text) == 0;
}

const char *document_trip_time(const json_t *document)
{
	return document_text(document, "trip_time") ? "trip_time" : "time";
}

bool document_is_known(const json_t *document, const char *path)
{
	return json_is_number(document_at(document, path));
}

static void print_text(FILE *file, const json_t *document, const char *path)
{
	const char *raw = document_text(document, path);
	_cleanup_free_ char *safe = raw ? text_escape_line(raw) : NULL;

	fputs(safe ?: "?", file);
}

static void print_number(FILE *file, const json_t *document, const char *path)
{
	const json_t *value = document_at(document, path);

	if (json_is_integer(value))
		fprintf(file, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		fputc('?', file);
}

static void print_size(FILE *file, const json_t *document, const char *path)
{
	const json_t *value = document_at(document, path);
	char size[20];

	format_signed_size(size, sizeof(size), json_integer_value(value));
	fputs(json_is_integer(value) ? size : "?", file);
}

/* A number in units of unit_ns. */
static void print_time(FILE *file, const json_t *document, const char *path, double unit_ns)
{
	double ns = json_number_value(document_at(document, path)) * unit_ns;
	char text[32];

	format_duration(text, sizeof(text), ns > 0 && ns < 1e18 ? (uint64_t)ns : 0);
	fputs(document_is_known(document, path) ? text : "?", file);
}

void document_print(FILE *file, const json_t *document, const char *format,
		    const char *const paths[])
{
	for (; *format; format++) {
		if (*format != '%') {
			fputc(*format, file);
			continue;
		}
		switch (*++format) {
		case 't':
			print_text(file, document, *paths++);
			break;
		case 'n':
			print_number(file, document, *paths++);
			break;
		case 's':
			print_size(file, document, *paths++);
			break;
		case 'u':
			print_time(file, document, *paths++, NSEC_PER_USEC);
			break;
		default:
			print_time(file, document, *paths++, NSEC_PER_MSEC);
			break;
		}
	}
}

const char *document_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

char *document_place(const char *module, const char *offset, const char *address)
{
	char *text = NULL;
	int r;

	if (module && offset)
		r = asprintf(&text, "%s+%s", document_basename(module), offset);
	else
		r = asprintf(&text, "%s", address ?: "[unknown]");
	return r < 0 ? NULL : text;
}
