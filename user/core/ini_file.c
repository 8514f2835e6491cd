/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/ini_file.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

struct reader {
	const struct ini_events *events;
	const char *rest; /* of the text */
	unsigned int line;
	bool is_continued; /* the line is one that inih would add to the value before */
};

static int on_key(void *userdata, const char *section, const char *key, const char *value)
{
	const struct reader *reader = userdata;
	const struct ini_events *events = reader->events;

	if (reader->is_continued)
		events->on_mistake(reader->line, "it begins with a blank: a value is one line",
				   events->userdata);
	else
		events->on_key(&(const struct ini_key){reader->line, section, key, value ?: ""},
			       events->userdata);
	return 1;
}

/* A line for inih, which asks for one at a time. */
static char *next_line(char *buf, int size, void *stream)
{
	struct reader *reader = stream;
	const struct ini_events *events = reader->events;
	size_t length = strcspn(reader->rest, "\n");

	if (!*reader->rest)
		return NULL;
	reader->line++;
	reader->is_continued = isblank((unsigned char)*reader->rest);
	if (length < (size_t)size) {
		snprintf(buf, (size_t)size, "%.*s", (int)length, reader->rest);
	} else {
		events->on_mistake(reader->line, "the line is too long", events->userdata);
		*buf = '\0';
	}
	reader->rest += length + (reader->rest[length] == '\n');
	return buf;
}

int ini_file_read(const char *text, const struct ini_events *events)
{
	struct reader reader = {.events = events, .rest = text};
	int line = ini_parse_stream(next_line, &reader, on_key, &reader);

	return line == -2 ? -ENOMEM : MAX(line, 0);
}

char *ini_complaint(const char *file, const struct ini_key *at, const char *wrong)
{
	bool has_section = at->section && *at->section;
	_cleanup_free_ char *raw = NULL;

	if (asprintf(&raw, "%s:%u:%s%s%s%s%s%s%s%s%s %s", file, at->line, has_section ? " [" : "",
		     has_section ? at->section : "", has_section ? "]" : "", at->key ? " " : "",
		     at->key ?: "", at->value ? " '" : "", at->value ?: "", at->value ? "'" : "",
		     at->key || has_section ? ":" : "", wrong) < 0) {
		raw = NULL;
		return NULL;
	}
	return text_escape_line(raw);
}
