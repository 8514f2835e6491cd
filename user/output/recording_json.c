/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/recording_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* --- places -------------------------------------------------------------------------------- */

static json_t *index_json(uint32_t index)
{
	return index == RECORDING_NONE ? json_null() : json_u64(index);
}

static json_t *hex_json(uint64_t value)
{
	char text[20];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_string(text);
}

static json_t *modules_json(const struct recording *recording)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < recording->module_count; i++) {
		const struct recording_module *module = &recording->modules[i];
		json_t *object = json_object();

		r |= json_object_set_new(object, "path", json_text(module->path));
		r |= json_object_set_new(object, "build_id", json_text(module->build_id));
		r |= json_object_set_new(object, "error", json_text(module->error));
		r |= json_array_append_new(list, object);
	}
	return json_finish(list, r);
}

static json_t *functions_json(const struct recording_location *location)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < location->function_count; i++) {
		const struct recording_function *function = &location->functions[i];
		json_t *object = json_object();

		r |= json_object_set_new(object, "name", json_text(function->name));
		r |= json_object_set_new(object, "source", json_text(function->source));
		r |= json_object_set_new(object, "line",
					 json_known(function->line != 0, function->line));
		r |= json_array_append_new(list, object);
	}
	return json_finish(list, r);
}

static json_t *locations_json(const struct recording *recording)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < recording->location_count; i++) {
		const struct recording_location *location = &recording->locations[i];
		json_t *object = json_object();

		r |= json_object_set_new(object, "address", hex_json(location->address));
		r |= json_object_set_new(object, "module", index_json(location->module));
		r |= json_object_set_new(object, "offset", hex_json(location->offset));
		r |= json_object_set_new(object, "functions", functions_json(location));
		r |= json_array_append_new(list, object);
	}
	return json_finish(list, r);
}

static json_t *stacks_json(const struct recording *recording)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < recording->stack_count; i++) {
		const struct recording_stack *stack = &recording->stacks[i];
		json_t *object = json_object(), *places = json_array();

		for (uint32_t j = 0; j < stack->count; j++)
			r |= json_array_append_new(places, json_u64(stack->locations[j]));
		r |= json_object_set_new(object, "bytes", json_u64(stack->bytes));
		r |= json_object_set_new(object, "samples", json_u64(stack->samples));
		r |= json_object_set_new(object, "locations", places);
		r |= json_array_append_new(list, object);
	}
	return json_finish(list, r);
}

/* --- who it was ---------------------------------------------------------------------------- */

struct owner {
	struct recording_owner place;
	uint64_t bytes;
};

static const char *name_of(const struct recording *recording, const struct owner *owner)
{
	const struct recording_location *location =
		owner->place.location == RECORDING_NONE
			? NULL
			: &recording->locations[owner->place.location];

	return location && owner->place.function < location->function_count
		       ? location->functions[owner->place.function].name
		       : NULL;
}

static const char *source_of(const struct recording *recording, const struct owner *owner)
{
	return recording->locations[owner->place.location].functions[owner->place.function].source
		       ?: "";
}

/* The same function, at whatever place in it; without a name, the same place. */
static bool is_same(const struct recording *recording, const struct owner *a, const struct owner *b)
{
	const char *one = name_of(recording, a), *other = name_of(recording, b);

	if (a->place.runtime || b->place.runtime)
		return a->place.runtime == b->place.runtime && a->place.space == b->place.space;
	if (one && other)
		return strcmp(one, other) == 0 &&
		       recording->locations[a->place.location].module ==
			       recording->locations[b->place.location].module &&
		       (!recording->locations[a->place.location].is_script ||
			strcmp(source_of(recording, a), source_of(recording, b)) == 0);
	return !one && !other && a->place.location == b->place.location;
}

#define LITTLE 100 /* of the whole: less explains nothing */

/* What nobody can change, or knows, comes last; of a function that is to come before it, some is expected. */
static int rank_of(const struct recording *recording, const struct owner *owner)
{
	if (owner->place.runtime)
		return 1;
	if (owner->place.location == RECORDING_NONE)
		return 2;
	return owner->bytes < recording->recorded_bytes / LITTLE;
}

static int by_rank_and_bytes(const void *a, const void *b, void *recording)
{
	const struct owner *one = a, *other = b;
	int ranks = rank_of(recording, one) - rank_of(recording, other);

	if (ranks)
		return ranks;
	return one->bytes > other->bytes ? -1 : one->bytes < other->bytes;
}

/* -ENOMEM. */
static int find_owners(const struct recording *recording, struct owner *owners, size_t *ret_count)
{
	_cleanup_free_ struct recording_owner *places =
		calloc(recording->stack_count + 1, sizeof(*places));
	size_t count = 0;
	int r = places ? recording_owners(recording, places) : -ENOMEM;

	for (size_t i = 0; !r && i < recording->stack_count; i++) {
		struct owner owner = {.place = places[i], .bytes = recording->stacks[i].bytes};
		size_t j = 0;

		while (j < count && !is_same(recording, &owners[j], &owner))
			j++;
		if (j < count)
			owners[j].bytes += owner.bytes;
		else
			owners[count++] = owner;
	}
	if (count)
		qsort_r(owners, count, sizeof(*owners), by_rank_and_bytes, (void *)recording);
	*ret_count = count;
	return r;
}

static json_t *owner_json(const struct recording *recording, const struct owner *owner)
{
	const struct recording_location *location =
		owner->place.location == RECORDING_NONE
			? NULL
			: &recording->locations[owner->place.location];
	const struct recording_function *function =
		name_of(recording, owner) ? &location->functions[owner->place.function] : NULL;
	bool in_module = location && location->module != RECORDING_NONE;
	uint64_t whole = recording->recorded_bytes;
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "function", json_text(function ? function->name : NULL));
	r |= json_object_set_new(object, "source", json_text(function ? function->source : NULL));
	r |= json_object_set_new(object, "line",
				 json_known(function && function->line,
					    function ? function->line : 0));
	r |= json_object_set_new(object, "module",
				 json_text(in_module ? recording->modules[location->module].path
						     : NULL));
	r |= json_object_set_new(object, "offset",
				 in_module ? hex_json(location->offset) : json_null());
	r |= json_object_set_new(object, "runtime", json_text(runtime_name(owner->place.runtime)));
	r |= json_object_set_new(object, "space", json_text(owner->place.space));
	r |= json_object_set_new(object, "bytes", json_u64(owner->bytes));
	r |= json_object_set_new(object, "share",
				 json_real(whole ? (double)owner->bytes / (double)whole : 0));
	return json_finish(object, r);
}

#define HINT_LEAST 0.1 /* of what was recorded: less is not worth a restart */

/* Whether anything that was compiled at run time has a name. */
static bool has_names_of_code(const struct recording *recording)
{
	for (size_t i = 0; i < recording->location_count; i++) {
		const struct recording_location *location = &recording->locations[i];
		const char *path = location->module < recording->module_count
					   ? recording->modules[location->module].path
					   : NULL;

		if (location->function_count && path && strcmp(path, RECORDING_JIT) == 0)
			return true;
	}
	return false;
}

/* How the functions behind the runtime that has most of it get names. NULL: nothing is missing. */
static const char *hint_of_runtime(const struct recording *recording, const struct owner *owners,
				   size_t count, uint64_t *ret_bytes)
{
	uint64_t bytes[RUNTIMES] = {};
	enum runtime most = RUNTIME_NONE;

	for (size_t i = 0; i < count; i++)
		bytes[owners[i].place.runtime] += owners[i].bytes;
	for (enum runtime i = RUNTIME_NONE + 1; i < RUNTIMES; i++)
		if (!most || bytes[i] > bytes[most])
			most = i;
	*ret_bytes = bytes[most];
	return has_names_of_code(recording) ? NULL : runtime_hint(most);
}

/* The file that has most of the places without a name. NULL: none has any. */
static const struct recording_module *find_nameless(const struct recording *recording,
						    const struct owner *owners, size_t count,
						    uint64_t *ret_bytes)
{
	_cleanup_free_ uint64_t *bytes = calloc(recording->module_count + 1, sizeof(*bytes));
	size_t most = recording->module_count;

	for (size_t i = 0; bytes && i < count; i++) {
		uint32_t index = owners[i].place.location, module;

		if (index == RECORDING_NONE || recording->locations[index].function_count)
			continue;
		module = recording->locations[index].module;
		if (module >= recording->module_count)
			continue;
		bytes[module] += owners[i].bytes;
		if (bytes[module] > bytes[most])
			most = module;
	}
	*ret_bytes = bytes ? bytes[most] : 0;
	return *ret_bytes ? &recording->modules[most] : NULL;
}

/* How what is stripped is found the next time. NULL: no memory, or it is no file that could be read. */
static char *hint_of_module(const struct recording_module *module)
{
	const char *id = module->build_id, *slash = strrchr(module->path ?: "", '/');
	const char *name = slash ? slash + 1 : module->path;
	char *text = NULL;
	int r = -1;

	if (!name || module->error || strcmp(name, RECORDING_JIT) == 0)
		return NULL;
	if (id)
		r = asprintf(
			&text,
			"%s is stripped of its symbols: install its debug package (-dbgsym, -dbg "
			"or "
			"-debuginfo), or put what `debuginfod-find debuginfo %s` finds where the "
			"next report looks: " RECORDING_DEBUG_FILE ".",
			name, id, id, id + MIN(strlen(id), 2UL));
	else
		r = asprintf(
			&text,
			"%s is stripped of its symbols and has no build id by which they could be "
			"found: build it with -g, or link it with --build-id.",
			name);
	return r < 0 ? NULL : text;
}

/* What is missing most, if that is worth a restart. */
static json_t *hint_json(const struct recording *recording, const struct owner *owners,
			 size_t count)
{
	double least = HINT_LEAST * (double)recording->recorded_bytes;
	uint64_t of_runtime, of_module;
	const char *hint = hint_of_runtime(recording, owners, count, &of_runtime);
	const struct recording_module *module = find_nameless(recording, owners, count, &of_module);
	_cleanup_free_ char *text = module && (double)of_module >= least &&
						    (!hint || of_module > of_runtime)
					    ? hint_of_module(module)
					    : NULL;

	if (text)
		return json_text(text);
	return json_text((double)of_runtime >= least ? hint : NULL);
}

static int set_top(json_t *object, const struct recording *recording)
{
	_cleanup_free_ struct owner *owners = calloc(recording->stack_count + 1, sizeof(*owners));
	json_t *list = json_array();
	size_t count = 0;
	int r = owners ? find_owners(recording, owners, &count) : -ENOMEM;

	for (size_t i = 0; i < count && i < RECORDING_TOP_MAX; i++)
		r |= json_array_append_new(list, owner_json(recording, &owners[i]));
	r |= json_object_set_new(object, "top", json_finish(list, r));
	return r | json_object_set_new(object, "hint",
				       owners ? hint_json(recording, owners, count) : json_null());
}

/* --- the rest ------------------------------------------------------------------------------ */

static json_t *largest_json(const struct recording_mappings *mappings)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mappings->largest) && mappings->largest[i].bytes; i++) {
		const struct recording_mapping *mapping = &mappings->largest[i];

		r |= json_array_append_new(
			list,
			json_pack("{s:o, s:o, s:o, s:o}", "name", json_text(mapping->name), "bytes",
				  json_u64(mapping->bytes), "count", json_u64(mapping->count),
				  "largest_bytes", json_u64(mapping->largest_bytes)));
	}
	return json_finish(list, r);
}

static json_t *mappings_json(const struct recording_mappings *mappings)
{
	json_t *object;
	int r = 0;

	if (!mappings->known)
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "heap", json_u64(mappings->heap_bytes));
	r |= json_object_set_new(object, "stack", json_u64(mappings->stack_bytes));
	r |= json_object_set_new(object, "anon", json_u64(mappings->anon_bytes));
	r |= json_object_set_new(object, "file", json_u64(mappings->file_bytes));
	r |= json_object_set_new(object, "shmem", json_u64(mappings->shmem_bytes));
	r |= json_object_set_new(object, "largest", largest_json(mappings));
	return json_finish(object, r);
}

static const char *const columns[] = {
	"ms",	       "pid",
	"usage_bytes", "reclaimable_bytes",
	"limit_bytes", "rate_bytes_per_s",
	"file_bytes",  "anon_bytes",
	"swap_bytes",  "shmem_bytes",
};

/* Times count from the crossing of the line, or from the kill where no trip preceded it. */
static uint64_t origin_of(const struct incident *incident)
{
	return incident->crossed_ns ?: incident->killed_ns;
}

static json_t *usage_sample_json(const struct recording *recording,
				 const struct apo_usage_sample *sample, uint64_t origin_ns)
{
	double ns = (double)sat_diff(sample->time_ns, origin_ns);
	uint64_t page = recording->page_bytes;
	json_t *row = json_array();
	int r = 0;

	r |= json_array_append_new(row, json_real(ns / (double)NSEC_PER_MSEC));
	r |= json_array_append_new(row, json_u64(sample->tgid));
	r |= json_array_append_new(row, json_u64(sat_mul(sample->usage_pages, page)));
	r |= json_array_append_new(row, json_u64(sat_mul(sample->reclaimable_pages, page)));
	r |= json_array_append_new(row, json_u64(sat_mul(sample->limit_pages, page)));
	r |= json_array_append_new(row, json_u64(sat_mul(sample->rate_pages_s, page)));
	for (enum apo_kind kind = APO_FILE; kind < APO_KINDS; kind++)
		r |= json_array_append_new(row, json_u64(sat_mul(sample->rss_pages[kind], page)));
	return json_finish(row, r);
}

static json_t *mark_json(const char *name, uint64_t origin_ns, uint64_t time_ns)
{
	return json_pack("{s:s, s:f}", "name", name, "ms",
			 (double)sat_diff(time_ns, origin_ns) / (double)NSEC_PER_MSEC);
}

static json_t *timeline_json(const struct incident *incident)
{
	const struct recording *recording = incident->recording;
	const struct {
		const char *name;
		uint64_t time_ns;
	} times[] = {
		{"line", incident->crossed_ns},	 {"kill", incident->killed_ns},
		{"signal", incident->signal_ns}, {"handler", incident->delivered_ns},
		{"airbag", incident->airbag_ns}, {"exit", incident->exit_ns},
	};
	uint64_t origin_ns = origin_of(incident);
	json_t *object = json_object(), *names = json_array(), *rows = json_array();
	json_t *marks = json_array();
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		r |= json_array_append_new(names, json_string(columns[i]));
	for (size_t i = 0; i < recording->usage_sample_count; i++)
		r |= json_array_append_new(rows, usage_sample_json(recording,
								   &recording->usage_samples[i],
								   origin_ns));
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		if (times[i].time_ns && origin_ns)
			r |= json_array_append_new(marks, mark_json(times[i].name, origin_ns,
								    times[i].time_ns));
	r |= json_object_set_new(object, "origin",
				 json_text(incident->crossed_ns	 ? "line"
					   : incident->killed_ns ? "kill"
								 : NULL));
	r |= json_object_set_new(object, "columns", names);
	r |= json_object_set_new(object, "rows", rows);
	r |= json_object_set_new(object, "marks", marks);
	return json_finish(object, r);
}

static json_t *interpreter_json(const struct recording_interpreter *interpreter)
{
	uint32_t version = interpreter->python_version;
	json_t *object;
	int r = 0;

	if (!interpreter->is_known)
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "name",
				 version ? json_sprintf("CPython %u.%u", version >> 8 & 0xff,
							version & 0xff)
					 : json_string("CPython"));
	r |= json_object_set_new(object, "trouble",
				 json_text(recording_interpreter_trouble(interpreter)));
	return json_finish(object, r);
}

json_t *recording_json(const struct incident *incident)
{
	const struct recording *recording = incident->recording;
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "since_ms",
				 json_span(recording->spike_ns, origin_of(incident),
					   NSEC_PER_MSEC));
	r |= json_object_set_new(object, "grown_bytes", json_u64(recording->grown_bytes));
	r |= json_object_set_new(object, "recorded_bytes", json_u64(recording->recorded_bytes));
	r |= json_object_set_new(object, "lost_bytes", json_u64(recording->lost_bytes));
	r |= json_object_set_new(object, "trouble", json_text(recording->trouble));
	r |= json_object_set_new(object, "interpreter", interpreter_json(&recording->interpreter));
	r |= json_object_set_new(object, "mappings", mappings_json(&recording->mappings));
	r |= set_top(object, recording);
	r |= json_object_set_new(object, "modules", modules_json(recording));
	r |= json_object_set_new(object, "locations", locations_json(recording));
	r |= json_object_set_new(object, "stacks", stacks_json(recording));
	r |= json_object_set_new(object, "timeline", timeline_json(incident));
	return json_finish(object, r);
}
