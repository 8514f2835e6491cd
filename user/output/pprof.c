/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/pprof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/document.h"
#include "output/format.h"

/* Field numbers of profile.proto. */
enum profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_TIME_NS = 9,
	PROFILE_DURATION_NS = 10,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_TYPE = 14,
};
enum value_type_field { VALUE_TYPE = 1, VALUE_UNIT = 2 };
enum sample_field { SAMPLE_LOCATIONS = 1, SAMPLE_VALUES = 2 };
enum mapping_field {
	MAPPING_ID = 1,
	MAPPING_START = 2,
	MAPPING_END = 3,
	MAPPING_OFFSET = 4,
	MAPPING_FILE = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	MAPPING_HAS_FILES = 8,
	MAPPING_HAS_LINES = 9,
	MAPPING_HAS_INLINED = 10,
};
enum location_field {
	LOCATION_ID = 1,
	LOCATION_MAPPING = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4
};
enum line_field { LINE_FUNCTION = 1, LINE_NUMBER = 2 };
enum function_field { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM = 3, FUNCTION_FILE = 4 };

/* --- protocol buffers ---------------------------------------------------------------------- */

#define WIRE_VARINT 0
#define WIRE_BYTES 2

/* Seven bits a byte, lowest first. */
static void put_varint(FILE *file, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		fputc((int)(value & 0x7f) | 0x80, file);
	fputc((int)value, file);
}

/* 0 is what an absent field means. */
static void put_number(FILE *file, unsigned int field, uint64_t value)
{
	if (!value)
		return;
	put_varint(file, field << 3 | WIRE_VARINT);
	put_varint(file, value);
}

static void put_bytes(FILE *file, unsigned int field, const char *bytes, size_t size)
{
	put_varint(file, field << 3 | WIRE_BYTES);
	put_varint(file, size);
	fwrite(bytes, 1, size, file);
}

/* A message inside of another one: its length comes first, so it is collected. */
struct message {
	FILE *file;
	char *bytes;
	size_t size;
};

struct profile {
	FILE *file;
	const json_t *recording;
	json_t *strings;   /* text: index */
	json_t *functions; /* text of name and file: id */
	int failed;
};

static FILE *message_begin(struct profile *profile, struct message *message)
{
	*message = (struct message){};
	message->file = open_memstream(&message->bytes, &message->size);
	if (message->file)
		return message->file;
	profile->failed = -ENOMEM;
	/* Callers need not check: after a failure the file is not used. */
	return profile->file;
}

static void message_end(struct profile *profile, FILE *parent, unsigned int field,
			struct message *message)
{
	if (!message->file)
		return;
	if (fclose(message->file) == 0)
		put_bytes(parent, field, message->bytes, message->size);
	else
		profile->failed = -ENOMEM;
	free(message->bytes);
}

/* --- tables -------------------------------------------------------------------------------- */

/* The number that the key has in the table, a new one if it has none: from `first` on. */
static uint64_t number_in(struct profile *profile, json_t *table, const char *key, uint64_t first,
			  bool *ret_new)
{
	const json_t *known = json_object_get(table, key);
	uint64_t number = json_object_size(table) + first;

	*ret_new = !known;
	if (known)
		return (uint64_t)json_integer_value(known);
	if (json_object_set_new(table, key, json_integer((json_int_t)number)))
		profile->failed = -ENOMEM;
	return number;
}

/* Strings are written as they come up: only their order among themselves counts. */
static uint64_t string(struct profile *profile, const char *raw)
{
	_cleanup_free_ char *text = text_utf8(raw ?: "");
	uint64_t index;
	bool is_new;

	if (!text) {
		profile->failed = -ENOMEM;
		return 0;
	}
	index = number_in(profile, profile->strings, text, 0, &is_new);
	if (is_new)
		put_bytes(profile->file, PROFILE_STRING, text, strlen(text));
	return index;
}

static uint64_t function(struct profile *profile, const char *name, const char *source)
{
	_cleanup_free_ char *key = NULL, *raw = NULL;
	struct message message;
	FILE *file;
	uint64_t id;
	bool is_new;

	if (asprintf(&raw, "%s\n%s", name ?: "", source ?: "") < 0)
		raw = NULL;
	key = raw ? text_utf8(raw) : NULL;
	if (!key) {
		profile->failed = -ENOMEM;
		return 0;
	}
	id = number_in(profile, profile->functions, key, 1, &is_new);
	if (!is_new)
		return id;
	file = message_begin(profile, &message);
	put_number(file, FUNCTION_ID, id);
	put_number(file, FUNCTION_NAME, string(profile, name));
	put_number(file, FUNCTION_SYSTEM, string(profile, name));
	put_number(file, FUNCTION_FILE, string(profile, source));
	message_end(profile, profile->file, PROFILE_FUNCTION, &message);
	return id;
}

/* --- members ------------------------------------------------------------------------------- */

/* "0x1198"; 0 if it is not there. */
static uint64_t hex_at(const json_t *object, const char *member)
{
	const char *text = document_text(object, member);
	uint64_t value;

	return text && strncmp(text, "0x", 2) == 0 && parse_number(text + 2, 16, '\0', &value)
		       ? value
		       : 0;
}

/* An index of the report as an id, which begins with 1; 0: none. */
static uint64_t id_of(const json_t *index, size_t count)
{
	json_int_t value = json_is_integer(index) ? json_integer_value(index) : -1;

	return value >= 0 && (uint64_t)value < count ? (uint64_t)value + 1 : 0;
}

static uint64_t number_at(const json_t *object, const char *path)
{
	return (uint64_t)MAX(json_integer_value(document_at(object, path)), 0);
}

/* --- parts of the profile ------------------------------------------------------------------ */

static void put_type(struct profile *profile, const char *type, const char *unit)
{
	struct message message;
	FILE *file = message_begin(profile, &message);

	put_number(file, VALUE_TYPE, string(profile, type));
	put_number(file, VALUE_UNIT, string(profile, unit));
	message_end(profile, profile->file, PROFILE_SAMPLE_TYPE, &message);
}

/*
 * What the report has of a module, in place of its mapping, which the report does not have.
 */
struct extent {
	uint64_t start, end, offset;
	size_t places, named, with_source, with_line;
	bool inlined;
};

static void extend(struct extent *extent, const json_t *location)
{
	const json_t *function, *functions = document_at(location, "functions");
	uint64_t address = hex_at(location, "address");
	bool has_source = true, has_line = true;
	size_t i;

	if (!extent->places || address < extent->start) {
		extent->start = address;
		extent->offset = hex_at(location, "offset");
	}
	extent->end = MAX(extent->end, sat_add(address, 1));
	json_array_foreach (functions, i, function) {
		has_source = has_source && document_text(function, "source");
		has_line = has_line && number_at(function, "line");
	}
	extent->places++;
	extent->named += json_array_size(functions) > 0;
	extent->with_source += json_array_size(functions) > 0 && has_source;
	extent->with_line += json_array_size(functions) > 0 && has_line;
	extent->inlined = extent->inlined || json_array_size(functions) > 1;
}

/* pprof looks up only what a mapping lacks: it has what every place in it has. */
static void put_mapping(struct profile *profile, size_t index, const json_t *module,
			const struct extent *extent)
{
	struct message message;
	FILE *file;

	if (!extent->places)
		return;
	file = message_begin(profile, &message);
	put_number(file, MAPPING_ID, index + 1);
	put_number(file, MAPPING_START, extent->start);
	put_number(file, MAPPING_END, extent->end);
	put_number(file, MAPPING_OFFSET, extent->offset);
	put_number(file, MAPPING_FILE, string(profile, document_text(module, "path")));
	put_number(file, MAPPING_BUILD_ID, string(profile, document_text(module, "build_id")));
	put_number(file, MAPPING_HAS_FUNCTIONS, extent->named == extent->places);
	put_number(file, MAPPING_HAS_FILES, extent->with_source == extent->places);
	put_number(file, MAPPING_HAS_LINES, extent->with_line == extent->places);
	put_number(file, MAPPING_HAS_INLINED, extent->inlined);
	message_end(profile, profile->file, PROFILE_MAPPING, &message);
}

static void put_mappings(struct profile *profile)
{
	const json_t *item, *modules = document_at(profile->recording, "modules");
	size_t i, count = json_array_size(modules);
	_cleanup_free_ struct extent *extents = calloc(count + 1, sizeof(*extents));

	if (!extents) {
		profile->failed = -ENOMEM;
		return;
	}
	json_array_foreach (document_at(profile->recording, "locations"), i, item) {
		uint64_t id = id_of(document_at(item, "module"), count);

		if (id)
			extend(&extents[id - 1], item);
	}
	json_array_foreach (modules, i, item)
		put_mapping(profile, i, item, &extents[i]);
}

/* The last line of a location is the function that the others are inlined into. */
static void put_location(struct profile *profile, size_t index, const json_t *location)
{
	size_t i, module_count = json_array_size(document_at(profile->recording, "modules"));
	const json_t *item;
	struct message message, line;
	FILE *file = message_begin(profile, &message);

	put_number(file, LOCATION_ID, index + 1);
	put_number(file, LOCATION_MAPPING, id_of(document_at(location, "module"), module_count));
	put_number(file, LOCATION_ADDRESS, hex_at(location, "address"));
	json_array_foreach (document_at(location, "functions"), i, item) {
		FILE *inner = message_begin(profile, &line);

		put_number(inner, LINE_FUNCTION,
			   function(profile, document_text(item, "name"),
				    document_text(item, "source")));
		put_number(inner, LINE_NUMBER, number_at(item, "line"));
		message_end(profile, file, LOCATION_LINE, &line);
	}
	message_end(profile, profile->file, PROFILE_LOCATION, &message);
}

static void put_sample(struct profile *profile, const json_t *stack)
{
	size_t i, count = json_array_size(document_at(profile->recording, "locations"));
	const json_t *index;
	struct message message, list;
	FILE *file = message_begin(profile, &message), *inner = message_begin(profile, &list);

	json_array_foreach (document_at(stack, "locations"), i, index)
		if (id_of(index, count))
			put_varint(inner, id_of(index, count));
	message_end(profile, file, SAMPLE_LOCATIONS, &list);
	inner = message_begin(profile, &list);
	put_varint(inner, number_at(stack, "samples"));
	put_varint(inner, number_at(stack, "bytes"));
	message_end(profile, file, SAMPLE_VALUES, &list);
	message_end(profile, profile->file, PROFILE_SAMPLE, &message);
}

/* "2026-01-31T12:00:00.123456Z"; 0 if it is something else. */
static uint64_t time_of(const char *text)
{
	struct tm tm = {};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	time_t seconds = rest ? timegm(&tm) : 0;

	return seconds > 0 ? sat_mul((uint64_t)seconds, NSEC_PER_SEC) : 0;
}

static void put_profile(struct profile *profile, const json_t *document)
{
	double since_ms = json_number_value(document_at(profile->recording, "since_ms"));
	const json_t *item;
	size_t i;

	string(profile, ""); /* must be the first */
	put_type(profile, "samples", "count");
	put_type(profile, "space", "bytes");
	put_mappings(profile);
	json_array_foreach (document_at(profile->recording, "locations"), i, item)
		put_location(profile, i, item);
	json_array_foreach (document_at(profile->recording, "stacks"), i, item)
		put_sample(profile, item);
	put_number(profile->file, PROFILE_TIME_NS,
		   time_of(document_text(document, document_trip_time(document))));
	put_number(profile->file, PROFILE_DURATION_NS,
		   since_ms > 0 && since_ms < 1e12 ? (uint64_t)(since_ms * NSEC_PER_MSEC) : 0);
	put_number(profile->file, PROFILE_COMMENT,
		   string(profile, document_text(document, "process.cmdline")));
	put_number(profile->file, PROFILE_DEFAULT_TYPE, string(profile, "space"));
}

int pprof_write(FILE *file, const json_t *document)
{
	struct profile profile = {
		.file = file,
		.recording = document_at(document, "recording"),
		.strings = json_object(),
		.functions = json_object(),
	};

	if (!profile.strings || !profile.functions)
		profile.failed = -ENOMEM;
	else
		put_profile(&profile, document);
	json_decref(profile.strings);
	json_decref(profile.functions);
	return profile.failed ?: file_result(file);
}
