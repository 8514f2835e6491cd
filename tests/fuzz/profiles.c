/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of profiles, which the operator writes, and a process that chooses its name and its command line: the file,
 * then name, command line and name of the parent.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/profiles.h"
#include "fuzz/fuzz.h"

static void complain(const char *line, void *userdata)
{
	(void)userdata;
	FUZZ_CHECK(line && !strpbrk(line, "\n\033"));
}

static void check(const struct profile *profile)
{
	FUZZ_CHECK(profile->command_count && profile->command_count <= PROFILE_COMMANDS_MAX);
	FUZZ_CHECK(*profile->name && strlen(profile->name) < PROFILE_NAME_LEN);
	FUZZ_CHECK(profile->stop_signal >= 0 && profile->stop_signal <= 64);
	FUZZ_CHECK(profile->warn_signal >= 0 && profile->warn_signal <= 64);
	for (size_t i = 0; i < profile->command_count; i++)
		FUZZ_CHECK(*profile->commands[i].name &&
			   !memchr(profile->commands[i].name, '*', APO_COMM_LEN) &&
			   memchr(profile->commands[i].name, '\0', APO_COMM_LEN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	_cleanup_free_ char *text = fuzz_part(&input, NULL), *comm = fuzz_part(&input, NULL),
			    *arguments = fuzz_part(&input, NULL), *parent = fuzz_part(&input, NULL);
	const struct profile_subject subject = {comm, arguments, parent};
	struct profiles *profiles = profiles_new();
	_cleanup_free_ struct profile_mark *marks = NULL;
	size_t count, next = 0, n;

	FUZZ_CHECK(profiles && profiles_add(profiles, "f", text, complain, NULL) == 0);
	for (size_t i = 0; i < profiles_count(profiles); i++)
		check(profiles_get(profiles, i));
	for (count = 0; profiles_find(profiles, &subject, next, &next); count++)
		FUZZ_CHECK(count < profiles_count(profiles));
	FUZZ_CHECK(!count || profiles_know(profiles, comm));
	FUZZ_CHECK(profiles_marks(profiles, &marks, &n) == 0);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(marks[i].uses);
	profiles_free(profiles);
	return 0;
}
