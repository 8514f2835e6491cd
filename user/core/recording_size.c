// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "core/recording.h"

/* The most that output/recording_json.c writes for each, without what varies. */
#define DOCUMENT_BYTES 2048
#define LOCATION_BYTES 128
#define FUNCTION_BYTES 56
#define STACK_BYTES 96
#define MODULE_BYTES 48
#define USAGE_SAMPLE_BYTES 32 /* with the time, a real */
#define TOP_BYTES 160

static size_t number_size(uint64_t number)
{
	size_t size = 2; /* with its comma */

	for (; number >= 10; number /= 10)
		size++;
	return size;
}

static size_t text_size(const char *raw)
{
	return raw ? text_json_size(raw) : strlen("null");
}

/* --- usage samples ------------------------------------------------------------------------- */

static size_t usage_sample_size(const struct recording *recording,
				const struct apo_usage_sample *sample)
{
	const uint64_t pages[] = {sample->usage_pages, sample->reclaimable_pages,
				  sample->limit_pages, sample->rate_pages_s};
	size_t size = USAGE_SAMPLE_BYTES + number_size(sample->tgid);

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		size += number_size(sat_mul(pages[i], recording->page_bytes));
	for (size_t i = 0; i < APO_KINDS; i++)
		size += number_size(sat_mul(sample->rss_pages[i], recording->page_bytes));
	return size;
}

static size_t usage_samples_size(const struct recording *recording)
{
	size_t size = 0;

	for (size_t i = 0; i < recording->usage_sample_count; i++)
		size += usage_sample_size(recording, &recording->usage_samples[i]);
	return size;
}

/* Drops every second one, never the last. */
static size_t fit_usage_samples(struct recording *recording, size_t most)
{
	size_t size = usage_samples_size(recording);

	while (size > most) {
		size_t kept = 0;

		for (size_t i = (recording->usage_sample_count + 1) % 2;
		     i < recording->usage_sample_count; i += 2)
			recording->usage_samples[kept++] = recording->usage_samples[i];
		recording->usage_sample_count = kept;
		size = usage_samples_size(recording);
	}
	return size;
}

/* --- modules ------------------------------------------------------------------------------- */

static size_t fit_modules(struct recording *recording)
{
	size_t size = 0;

	for (size_t i = 0; i < recording->module_count; i++) {
		struct recording_module *module = &recording->modules[i];
		size_t length = module->path ? strlen(module->path) : 0;

		if (length > RECORDING_PATH_MAX)
			memmove(module->path, module->path + length - RECORDING_PATH_MAX,
				RECORDING_PATH_MAX + 1);
		size += MODULE_BYTES + text_size(module->path) + text_size(module->build_id) +
			text_size(module->error);
	}
	return size;
}

/* --- stacks -------------------------------------------------------------------------------- */

static size_t function_size(const struct recording_function *function)
{
	return FUNCTION_BYTES + text_size(function->name) + text_size(function->source);
}

static size_t location_size(const struct recording_location *location)
{
	size_t size = LOCATION_BYTES;

	for (size_t i = 0; i < location->function_count; i++)
		size += function_size(&location->functions[i]);
	return size;
}

/* Any function may be the one a stack is put down to. */
static size_t top_size(const struct recording *recording)
{
	size_t function = 0, module = 0;

	for (size_t i = 0; i < recording->location_count; i++)
		for (size_t j = 0; j < recording->locations[i].function_count; j++)
			function =
				MAX(function, function_size(&recording->locations[i].functions[j]));
	for (size_t i = 0; i < recording->module_count; i++)
		module = MAX(module, text_size(recording->modules[i].path));
	return RECORDING_TOP_MAX * (TOP_BYTES + function + module);
}

/* The size with the places that no stack before it has; it marks those, see unmark(). */
static size_t stack_size(const struct recording *recording, const struct recording_stack *stack,
			 uint32_t *marks, uint32_t mark)
{
	size_t size = STACK_BYTES;

	for (size_t i = 0; i < stack->count; i++) {
		uint32_t index = stack->locations[i];

		size += number_size(index);
		if (marks[index])
			continue;
		marks[index] = mark;
		size += location_size(&recording->locations[index]);
	}
	return size;
}

static void unmark(const struct recording_stack *stack, uint32_t *marks, uint32_t mark)
{
	for (size_t i = 0; i < stack->count; i++)
		if (marks[stack->locations[i]] == mark)
			marks[stack->locations[i]] = 0;
}

/* Drops the places without a mark. Marks become the new index, plus one. */
static void keep_marked(struct recording *recording, uint32_t *marks)
{
	uint32_t kept = 0;

	for (size_t i = 0; i < recording->location_count; i++) {
		if (!marks[i]) {
			recording_location_clear(&recording->locations[i]);
			continue;
		}
		recording->locations[kept++] = recording->locations[i];
		marks[i] = kept;
	}
	recording->location_count = kept;
	for (size_t i = 0; i < recording->stack_count; i++)
		for (size_t j = 0; j < recording->stacks[i].count; j++)
			recording->stacks[i].locations[j] =
				marks[recording->stacks[i].locations[j]] - 1;
}

static void fit_stacks(struct recording *recording, size_t most)
{
	_cleanup_free_ uint32_t *marks = calloc(recording->location_count + 1, sizeof(*marks));
	size_t kept = 0;

	for (size_t i = 0; marks && i < recording->stack_count; i++) {
		struct recording_stack *stack = &recording->stacks[i];
		size_t size = stack_size(recording, stack, marks, (uint32_t)i + 1);

		if (size <= most) {
			most -= size;
			recording->stacks[kept++] = *stack;
		} else {
			unmark(stack, marks, (uint32_t)i + 1);
			recording->lost_bytes = sat_add(recording->lost_bytes, stack->bytes);
			free(stack->locations);
		}
	}
	if (!marks)
		return;
	recording->stack_count = kept;
	keep_marked(recording, marks);
}

void recording_fit(struct recording *recording)
{
	size_t used = DOCUMENT_BYTES + fit_usage_samples(recording, RECORDING_BYTES_MAX / 4) +
		      fit_modules(recording);

	used += top_size(recording);
	fit_stacks(recording, sat_sub(RECORDING_BYTES_MAX, used));
}
