// SPDX-License-Identifier: BSD-2-Clause
#include "profile/raw_places.h"

#include <stdlib.h>

#include "base/util.h"

/* Of the words that are kept: struct pt_regs, struct user_pt_regs. */
#if defined(__aarch64__)
#define PC_WORD 32
#else
#define PC_WORD 16
#endif

static const struct capture_mapping *mapping_at(const struct capture *capture, uint64_t address)
{
	for (size_t i = 0; i < capture->mapping_count; i++)
		if (address >= capture->mappings[i].start && address < capture->mappings[i].end)
			return &capture->mappings[i];
	return NULL;
}

/* The index of a place, added if it is new. */
static uint32_t location_of(struct capture *capture, const struct capture_mapping *mapping,
			    uint64_t address)
{
	struct recording *recording = capture->recording;

	for (size_t i = 0; i < recording->location_count; i++)
		if (recording->locations[i].address == address)
			return (uint32_t)i;
	recording->locations[recording->location_count] = (struct recording_location){
		.address = address,
		.module = mapping->module,
		.offset = capture->files[mapping->module].is_perf_map
				  ? address
				  : address - mapping->start + mapping->offset,
	};
	return (uint32_t)recording->location_count++;
}

void raw_places_take(struct capture *capture)
{
	struct recording *recording = capture->recording;

	if (recording->location_count || !recording->stack_count)
		return;
	free(recording->locations);
	recording->locations = calloc(recording->stack_count, sizeof(*recording->locations));
	for (size_t i = 0; recording->locations && i < recording->stack_count; i++) {
		struct recording_stack *stack = &recording->stacks[i];
		uint64_t address = capture->raws[i].registers[PC_WORD];
		const struct capture_mapping *mapping = mapping_at(capture, address);

		free(stack->locations);
		*stack = (struct recording_stack){.bytes = stack->bytes, .samples = stack->samples};
		stack->locations = mapping ? calloc(1, sizeof(*stack->locations)) : NULL;
		if (stack->locations)
			stack->locations[stack->count++] = location_of(capture, mapping, address);
	}
}
