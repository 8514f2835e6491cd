/* SPDX-License-Identifier: BSD-2-Clause */
/* What apoptosis-symbols found, and what becomes of it in a report. */
#include "profile/symbols_reply.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "output/recording_json.h"

#define MODULES 2
#define STACKS 3

static struct recording *asked(void)
{
	struct recording *recording = recording_new();

	FUZZ_CHECK(recording);
	recording->modules = calloc(MODULES, sizeof(*recording->modules));
	recording->module_count = MODULES;
	recording->stacks = calloc(STACKS, sizeof(*recording->stacks));
	recording->stack_count = STACKS;
	FUZZ_CHECK(recording->modules && recording->stacks);
	recording->modules[0].path = strdup("/usr/lib/libc.so.6");
	recording->modules[1].path = strdup("/opt/app");
	for (size_t i = 0; i < STACKS; i++)
		recording->stacks[i].bytes = 4096;
	return recording;
}

/* Every index that there is can be followed. */
static void check_indices(const struct recording *recording)
{
	for (size_t i = 0; i < recording->stack_count; i++)
		for (size_t j = 0; j < recording->stacks[i].count; j++)
			FUZZ_CHECK(recording->stacks[i].locations[j] < recording->location_count);
	for (size_t i = 0; i < recording->location_count; i++)
		FUZZ_CHECK(recording->locations[i].module == RECORDING_NONE ||
			   recording->locations[i].module < recording->module_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recording *recording = asked();
	const struct incident incident = {.crossed_ns = 1, .recording = recording};
	_cleanup_close_ int fd = fuzz_memfd(data, size);
	json_t *document;

	(void)symbols_reply_read(fd, recording);
	check_indices(recording);
	recording_fit(recording);
	check_indices(recording);
	document = recording_json(&incident);
	FUZZ_CHECK(document);
	json_decref(document);
	recording_free(recording);
	return 0;
}
