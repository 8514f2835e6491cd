/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/page.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "output/format.h"
#include "output/report.h"
#include "output/report_facts.h"
#include "output/report_memory.h"

/* page.html as a string constant, made by the Makefile. */
static const char page[] =
#include "output/page.html.h"
	;

#define PLAIN "@TEXT@"
#define PLACE "@REPORT@"

/*
 * Writes JSON inside of a script element. Characters that could end the element, or a line of a
 * script, occur in JSON only in strings, where they are escaped. U+2028 is E2 80 A8 in UTF-8.
 */
static void write_json(FILE *file, const char *json)
{
	for (; *json; json++) {
		if (strchr("<>&", *json)) {
			fprintf(file, "\\u%04x", (unsigned int)(unsigned char)*json);
		} else if (!strncmp(json, "\xe2\x80\xa8", 3) || !strncmp(json, "\xe2\x80\xa9", 3)) {
			fputs(json[2] == '\xa8' ? "\\u2028" : "\\u2029", file);
			json += 2;
		} else {
			fputc(*json, file);
		}
	}
}

static void write_escaped(FILE *file, const char *text)
{
	for (; *text; text++) {
		if (strchr("<>&", *text))
			fprintf(file, "&#%u;", (unsigned int)(unsigned char)*text);
		else
			fputc(*text, file);
	}
}

/* What a browser without the script shows: the report as text. */
static int write_text(FILE *file, const json_t *document)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);
	int r = memory ? report_text(memory, document, &(struct terminal){.unicode = true})
		       : -ENOMEM;

	if (memory && fclose(memory) && !r)
		r = -ENOMEM;
	if (!r)
		write_escaped(file, text);
	return r;
}

int page_write(FILE *file, const json_t *document)
{
	const char *plain = strstr(page, PLAIN), *place = strstr(page, PLACE);
	_cleanup_free_ char *summary = report_summary(document), *json = NULL;
	_cleanup_free_ char *memory_time = report_memory_time(document);
	json_t *data = json_pack("{s:O, s:o, s:o, s:o, s:s, s:s, s:s, s:s}", "report",
				 (json_t *)document, "facts", report_facts(document), "missing",
				 report_missing(document), "memory", report_memory(document),
				 "memory_time", memory_time ?: "", "memory_main",
				 report_memory_main(document), "advice", report_advice(document),
				 "summary", summary ?: "");
	int r;

	if (data)
		json = json_dumps(data, JSON_COMPACT);
	json_decref(data);
	if (!json || !plain || !place)
		return -ENOMEM;
	fwrite(page, 1, (size_t)(plain - page), file);
	r = write_text(file, document);
	if (r)
		return r;
	plain += strlen(PLAIN);
	fwrite(plain, 1, (size_t)(place - plain), file);
	write_json(file, json);
	fputs(place + strlen(PLACE), file);
	return file_result(file);
}
