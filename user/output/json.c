/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/json.h"

#include <errno.h>

#include "base/text.h"
#include "base/util.h"
#include "output/format.h"

/* Digits of a real: an hour in ms is exact to the ns. */
#define REAL_DIGITS 13

json_t *json_event(const char *event, uint64_t realtime_ns)
{
	json_t *object = json_object();
	char time[FORMAT_TIME_SIZE];
	int r = 0;

	format_rfc3339(time, sizeof(time), realtime_ns);
	if (event)
		r |= json_object_set_new(object, "event", json_string(event));
	r |= json_object_set_new(object, "schema", json_integer(JSON_SCHEMA));
	r |= json_object_set_new(object, "time", json_string(time));
	return json_finish(object, r);
}

json_t *json_text(const char *raw)
{
	_cleanup_free_ char *text = NULL;

	if (!raw)
		return json_null();
	text = text_utf8(raw);
	return text ? json_string(text) : NULL;
}

json_t *json_u64(uint64_t value)
{
	if (value == APO_UNLIMITED)
		return json_null();
	return json_integer((json_int_t)MIN(value, (uint64_t)INT64_MAX));
}

json_t *json_known(bool known, uint64_t value)
{
	return known ? json_u64(value) : json_null();
}

json_t *json_span(uint64_t earlier_ns, uint64_t later_ns, uint64_t unit_ns)
{
	if (!earlier_ns || !later_ns)
		return json_null();
	return json_real((double)sat_sub(later_ns, earlier_ns) / (double)unit_ns);
}

json_t *json_kinds(const uint64_t counts[APO_KINDS], uint64_t unit_bytes)
{
	json_t *object = json_object();
	int r = 0;

	for (enum apo_kind kind = APO_FILE; kind < APO_KINDS; kind++)
		r |= json_object_set_new(object, kind_name(kind),
					 json_u64(sat_mul(counts[kind], unit_bytes)));
	return json_finish(object, r);
}

json_t *json_finish(json_t *object, int failed)
{
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

char *json_line_text(const json_t *document)
{
	_cleanup_free_ char *text =
		json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
	char *line = NULL;

	return text && asprintf(&line, "%s\n", text) >= 0 ? line : NULL;
}

int json_write_line(FILE *file, const json_t *document)
{
	_cleanup_free_ char *line = json_line_text(document);

	if (!line)
		return -ENOMEM;
	fputs(line, file);
	return file_result(file);
}

int json_write_line_new(FILE *file, json_t *document)
{
	int r = document ? json_write_line(file, document) : -ENOMEM;

	json_decref(document);
	return r;
}
