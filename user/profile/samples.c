// SPDX-License-Identifier: BSD-2-Clause
#include "profile/samples.h"

#include <stdlib.h>

#include "base/util.h"

#define STACKS_MAX 1024ULL /* the heaviest */
#define CODES_MAX 256ULL   /* code objects of CPython, of a capture */
#define CODES_TRIED 1024   /* of which some may be kept no longer */
#define CODES_STEP 16

static bool is_wanted(const struct apo_weight_key *key, const struct profiler_subject *subject)
{
	return key->tgid == subject->tgid && key->spike_ns == subject->spike_ns;
}

/* Which entry of the weights it is, and how heavy. */
struct heavy {
	size_t index;
	uint64_t pages;
};

static int by_pages(const void *a, const void *b)
{
	const struct heavy *one = a, *other = b;

	return one->pages > other->pages ? -1 : one->pages < other->pages;
}

int samples_take_stacks(struct source *source, const struct profiler_subject *subject,
			uint64_t room_bytes, struct capture *capture)
{
	size_t most = MIN(room_bytes / sizeof(*capture->raws), STACKS_MAX);
	struct recording *recording = capture->recording;
	_cleanup_free_ struct apo_weight_key *keys = NULL;
	_cleanup_free_ struct apo_weight *weights = NULL;
	_cleanup_free_ struct heavy *order = NULL;
	size_t count = 0, kept = 0;
	int r = source_weights(source, &keys, &weights, &count);

	if (r)
		return r;
	recording->spike_ns = subject->spike_ns;
	order = calloc(count + 1, sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!is_wanted(&keys[i], subject))
			continue;
		recording->recorded_bytes += sat_mul(weights[i].pages, recording->page_bytes);
		order[kept++] = (struct heavy){.index = i, .pages = weights[i].pages};
	}
	qsort(order, kept, sizeof(*order), by_pages);
	recording->stacks = calloc(MIN(kept, most) + 1, sizeof(*recording->stacks));
	capture->raws = reallocarray(NULL, MIN(kept, most) + 1, sizeof(*capture->raws));
	if (!recording->stacks || !capture->raws)
		return -ENOMEM;
	for (size_t i = 0; i < kept; i++) {
		uint64_t bytes = sat_mul(order[i].pages, recording->page_bytes);

		if (i >= most || source_stack(source, keys[order[i].index].stack,
					      &capture->raws[recording->stack_count]))
			recording->lost_bytes += bytes;
		else
			recording->stacks[recording->stack_count++] = (struct recording_stack){
				.bytes = bytes,
				.samples = weights[order[i].index].samples,
			};
	}
	return 0;
}

static bool has_code(const struct capture *capture, uint64_t address)
{
	for (size_t i = 0; i < capture->code_count; i++)
		if (capture->codes[i].address == address)
			return true;
	return false;
}

static int take_code(struct source *source, struct capture *capture,
		     const struct apo_python_code_key *key)
{
	size_t count = capture->code_count;
	struct apo_python_code *grown;

	if (count % CODES_STEP == 0) {
		grown = reallocarray(capture->codes, count + CODES_STEP, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		capture->codes = grown;
	}
	if (!source_python_code(source, key, &capture->codes[count]))
		capture->code_count++;
	return 0;
}

void samples_take_codes(struct source *source, uint64_t room_bytes, struct capture *capture)
{
	size_t most = MIN(room_bytes / sizeof(*capture->codes), CODES_MAX), tried = 0;

	for (size_t i = 0; i < capture->recording->stack_count; i++) {
		const struct apo_stack *raw = &capture->raws[i];

		for (size_t j = 0; j < raw->python_count && j < APO_PYTHON_FRAMES; j++) {
			const struct apo_python_code_key key = {
				.start_boottime_ns = raw->start_boottime_ns,
				.code = raw->python[j].code,
			};

			if (!key.code || has_code(capture, key.code))
				continue;
			if (capture->code_count == most || tried++ == CODES_TRIED ||
			    take_code(source, capture, &key))
				return;
		}
	}
}

bool samples_have_python(const struct capture *capture)
{
	for (size_t i = 0; i < capture->recording->stack_count; i++)
		if (capture->raws[i].python_count)
			return true;
	return false;
}
