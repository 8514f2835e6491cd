/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/page.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "output/format.h"
#include "output/report_facts.h"

/* page.html as a string constant, made by the Makefile. */
static const char page[] =
#include "output/page.html.h"
	;

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

int page_write(FILE *file, const json_t *document)
{
	const char *place = strstr(page, PLACE);
	_cleanup_free_ char *summary = report_summary(document), *json = NULL;
	json_t *data = json_pack("{s:O, s:o, s:o, s:s, s:s}", "report", (json_t *)document, "facts",
				 report_facts(document), "missing", report_missing(document),
				 "advice", report_advice(document), "summary", summary ?: "");

	if (data)
		json = json_dumps(data, JSON_COMPACT);
	json_decref(data);
	if (!json || !place)
		return -ENOMEM;
	fwrite(page, 1, (size_t)(place - page), file);
	write_json(file, json);
	fputs(place + strlen(PLACE), file);
	return file_result(file);
}
