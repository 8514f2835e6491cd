/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/symbols_reply.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "unit/symbols_run.h"

/* Two modules and two stacks, that are not unwound yet. */
static struct recording *asked(void)
{
	struct recording *recording = recording_new();

	recording->modules = calloc(2, sizeof(*recording->modules));
	recording->module_count = 2;
	recording->modules[1].error = strdup("its file could not be opened");
	recording->stacks = calloc(2, sizeof(*recording->stacks));
	recording->stack_count = 2;
	return recording;
}

static bool take(const void *bytes, size_t size, struct recording *recording)
{
	int fd = memory_file(bytes, size);
	bool ok = symbols_reply_read(fd, recording);

	close(fd);
	return ok;
}

/* Whether every index that there is can be followed. */
static void check(const struct recording *recording)
{
	struct recording_owner owners[2];

	for (size_t i = 0; i < recording->stack_count; i++)
		for (size_t j = 0; j < recording->stacks[i].count; j++)
			cr_assert_lt(recording->stacks[i].locations[j], recording->location_count);
	cr_assert_leq(recording->stack_count, ARRAY_SIZE(owners));
	cr_assert_eq(recording_owners(recording, owners), 0);
	for (size_t i = 0; i < recording->location_count; i++)
		cr_assert(recording->locations[i].module == RECORDING_NONE ||
			  recording->locations[i].module < recording->module_count);
}

static const char whole[] =
	"{\"modules\":[{\"build_id\":\"ab12\",\"error\":null},{\"build_id\":null,\"error\":\"x\"}],"
	"\"locations\":[{\"address\":4096,\"module\":0,\"offset\":16,\"functions\":["
	"{\"name\":\"inner\",\"source\":\"a.c\",\"line\":7},"
	"{\"name\":\"outer\",\"source\":null,\"line\":0}]},"
	"{\"address\":-1,\"module\":-1,\"offset\":-1,\"functions\":[]}],"
	"\"stacks\":[[0,1],[]]}";

Test(answer, places_and_names_are_taken)
{
	struct recording *recording = asked();

	cr_assert(take(whole, strlen(whole), recording));
	check(recording);
	cr_expect_str_eq(recording->modules[0].build_id, "ab12");
	cr_expect_null(recording->modules[0].error);
	cr_expect_str_eq(recording->modules[1].error, "its file could not be opened");
	cr_assert_eq(recording->location_count, 2);
	cr_expect_eq(recording->locations[0].address, 4096);
	cr_expect_eq(recording->locations[0].offset, 16);
	cr_assert_eq(recording->locations[0].function_count, 2);
	cr_expect_str_eq(recording->locations[0].functions[0].name, "inner");
	cr_expect_str_eq(recording->locations[0].functions[0].source, "a.c");
	cr_expect_eq(recording->locations[0].functions[0].line, 7);
	cr_expect_null(recording->locations[0].functions[1].source);
	cr_expect_eq(recording->locations[1].address, UINT64_MAX);
	cr_expect_eq(recording->locations[1].module, RECORDING_NONE);
	cr_assert_eq(recording->stacks[0].count, 2);
	cr_expect_eq(recording->stacks[0].locations[1], 1);
	cr_expect_eq(recording->stacks[1].count, 0);
	recording_free(recording);
}

Test(answer, what_does_not_fit_the_question_is_refused)
{
	static const char *const texts[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"modules\":[{},{}],\"locations\":[],\"stacks\":[[]]}",
		"{\"modules\":[{}],\"locations\":[],\"stacks\":[[],[]]}",
		"{\"modules\":[{},{}],\"locations\":[],\"stacks\":[[0],[]]}",
		"{\"modules\":[{},{}],\"locations\":[{}],\"stacks\":[[1],[]]}",
		"{\"modules\":[{},{}],\"locations\":[{}],\"stacks\":[[0],[0,-1]]}",
		"{\"modules\":[{},{}],\"locations\":[{}],\"stacks\":[[4294967296],[]]}",
		"{\"modules\":[{},{}],\"locations\":[],\"locations\":[],\"stacks\":[[],[]]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct recording *recording = asked();

		cr_expect_not(take(texts[i], strlen(texts[i]), recording), "%s", texts[i]);
		check(recording);
		recording_free(recording);
	}
}

Test(answer, values_of_the_wrong_types_are_none)
{
	static const char text[] = "{\"modules\":[7,{\"build_id\":[]}],"
				   "\"locations\":[null,{\"module\":9,\"functions\":{}},"
				   "{\"module\":\"0\",\"functions\":[3,{\"name\":4,\"line\":-1}]}],"
				   "\"stacks\":[\"x\",[2,1.5]]}";
	struct recording *recording = asked();

	cr_assert(take(text, strlen(text), recording));
	check(recording);
	cr_expect_null(recording->modules[1].build_id);
	cr_expect_eq(recording->locations[1].module, RECORDING_NONE);
	cr_expect_null(recording->locations[2].functions[1].name);
	cr_expect_eq(recording->stacks[0].count, 0);
	recording_free(recording);
}

/* As apoptosis-symbols leaves it when it is killed. */
Test(answer, cut_at_any_byte_it_is_refused)
{
	for (size_t size = 0; size < strlen(whole); size++) {
		struct recording *recording = asked();

		cr_expect_not(take(whole, size, recording));
		check(recording);
		recording_free(recording);
	}
}

Test(answer, with_any_byte_changed_every_index_is_good)
{
	static const char values[] = {'0', '9', '-', '"', ',', '[', '}', '\0', '\xff'};

	for (size_t i = 0; i < strlen(whole); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
			struct recording *recording = asked();
			char text[sizeof(whole)];

			memcpy(text, whole, sizeof(whole));
			text[i] = values[j];
			take(text, strlen(whole), recording);
			check(recording);
			recording_free(recording);
		}
	}
}

Test(answer, one_that_is_too_long_is_not_read)
{
	struct recording *recording = asked();
	int fd = memory_file(whole, strlen(whole));

	cr_assert_eq(ftruncate(fd, 1LL << 40), 0);
	cr_expect_not(symbols_reply_read(fd, recording));
	cr_expect_not(symbols_reply_read(-1, recording));
	close(fd);
	recording_free(recording);
}

/* A list of so many empty ones, in place of the locations; each takes 50 times its text in memory. */
static bool take_lists(size_t count)
{
	static const char head[] = "{\"modules\":[{},{}],\"locations\":[",
			  tail[] = "],\"stacks\":[[],[]]}";
	struct recording *recording = asked();
	char *text = malloc(sizeof(head) + 3 * count + sizeof(tail));
	size_t size = sizeof(head) - 1;
	bool ok;

	cr_assert_not_null(text);
	memcpy(text, head, size);
	for (size_t i = 0; i < count; i++, size += 3)
		memcpy(text + size, "{},", 3);
	size -= 1;
	memcpy(text + size, tail, sizeof(tail) - 1);
	ok = take(text, size + sizeof(tail) - 1, recording);
	free(text);
	recording_free(recording);
	return ok;
}

Test(answer, one_that_would_take_much_memory_is_refused)
{
	cr_expect(take_lists(100000));
	cr_expect_not(take_lists(200000));
}

/* What is in names is no list. */
Test(answer, names_may_have_any_number_of_brackets)
{
	struct recording *recording = asked();
	char *text, *name = calloc(1, 1000001);
	json_t *answer = json_loads(whole, 0, NULL);
	json_t *function = json_array_get(
		json_object_get(json_array_get(json_object_get(answer, "locations"), 0),
				"functions"),
		0);

	cr_assert_not_null(name);
	for (size_t i = 0; i < 1000000; i++)
		name[i] = "[,\"\\{"[i % 5];
	json_object_set_new(function, "name", json_string(name));
	text = json_dumps(answer, JSON_COMPACT);
	cr_expect(take(text, strlen(text), recording));
	cr_expect_str_eq(recording->locations[0].functions[0].name, name);
	free(text);
	free(name);
	json_decref(answer);
	recording_free(recording);
}
