// SPDX-License-Identifier: BSD-2-Clause
#include "profile/symbols_reply.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

/*
 * apoptosis-symbols keeps to these. In memory a number takes 40 times as much as in text, an empty object
 * 200 times: all of an answer takes 100 MiB at most, for a moment, and the daemon's memory is locked.
 */
#define ANSWER_MAX (8LL << 20) /* bytes */
#define LISTS_MAX 110000       /* and objects */
#define VALUES_MAX 500000      /* in them */

static char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? strdup(text) : NULL;
}

static bool take_location(const struct recording *recording, const json_t *item,
			  struct recording_location *ret)
{
	const json_t *functions = json_object_get(item, "functions"), *function;
	json_int_t module = json_integer_value(json_object_get(item, "module"));
	size_t count = json_array_size(functions), i;

	*ret = (struct recording_location){
		.address = (uint64_t)json_integer_value(json_object_get(item, "address")),
		.offset = (uint64_t)json_integer_value(json_object_get(item, "offset")),
		.module = module >= 0 && (size_t)module < recording->module_count ? (uint32_t)module
										  : RECORDING_NONE,
		.is_script = json_is_true(json_object_get(item, "script")),
		.functions = calloc(count + 1, sizeof(*ret->functions)),
	};
	if (!ret->functions)
		return false;
	json_array_foreach (functions, i, function) {
		ret->functions[ret->function_count++] = (struct recording_function){
			.name = text_of(function, "name"),
			.source = text_of(function, "source"),
			.line = (unsigned int)json_integer_value(json_object_get(function, "line")),
		};
	}
	return true;
}

static bool take_stack(const struct recording *recording, const json_t *item,
		       struct recording_stack *ret)
{
	size_t count = json_array_size(item);

	ret->locations = calloc(count + 1, sizeof(*ret->locations));
	if (!ret->locations)
		return false;
	for (size_t i = 0; i < count; i++) {
		json_int_t index = json_integer_value(json_array_get(item, i));

		if (index < 0 || (size_t)index >= recording->location_count)
			return false;
		ret->locations[ret->count++] = (uint32_t)index;
	}
	return true;
}

/* From a program that has read what was not to be trusted: so is this. */
static bool take_answer(struct recording *recording, const json_t *answer)
{
	const json_t *modules = json_object_get(answer, "modules"), *item;
	const json_t *locations = json_object_get(answer, "locations");
	const json_t *stacks = json_object_get(answer, "stacks");
	size_t i;

	if (json_array_size(modules) != recording->module_count ||
	    json_array_size(stacks) != recording->stack_count)
		return false;
	recording_forget_places(recording);
	json_array_foreach (modules, i, item) {
		free(recording->modules[i].build_id);
		recording->modules[i].build_id = text_of(item, "build_id");
		if (!recording->modules[i].error)
			recording->modules[i].error = text_of(item, "error");
	}
	recording->locations =
		calloc(json_array_size(locations) + 1, sizeof(*recording->locations));
	if (!recording->locations)
		return false;
	json_array_foreach (locations, i, item) {
		if (!take_location(recording, item,
				   &recording->locations[recording->location_count++]))
			return false;
	}
	json_array_foreach (stacks, i, item) {
		if (!take_stack(recording, item, &recording->stacks[i]))
			return false;
	}
	return true;
}

/* By its punctuation, outside of strings; what is wrong otherwise is seen when it is read. */
static bool has_bounded_parts(const char *text, size_t size)
{
	size_t lists = 0, values = 0;
	bool in_string = false;

	for (size_t i = 0; i < size; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string) {
			lists += text[i] == '[' || text[i] == '{';
			values += text[i] == ',';
		}
	}
	return lists <= LISTS_MAX && values <= VALUES_MAX;
}

static json_t *read_answer(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	_cleanup_free_ char *text = size > 0 && size <= ANSWER_MAX ? malloc((size_t)size) : NULL;

	if (!text || pread(fd, text, (size_t)size, 0) != size ||
	    !has_bounded_parts(text, (size_t)size))
		return NULL;
	return json_loadb(text, (size_t)size, JSON_REJECT_DUPLICATES, NULL);
}

bool symbols_reply_read(int fd, struct recording *recording)
{
	json_t *answer = read_answer(fd);
	bool ok = answer && take_answer(recording, answer);

	json_decref(answer);
	return ok;
}
