/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"
#include "unit/fixture.h"
#include "unit/symbols_run.h"

#define INSIDE 4 /* bytes into a function: surely not its end */

static struct program program;

static void setup(void)
{
	fixture_make();
	program = program_read();
}

static void teardown(void)
{
	program_free(&program);
	fixture_remove();
}

TestSuite(symbols, .init = setup, .fini = teardown);

/* --- asking -------------------------------------------------------------------------------- */

static json_t *mapping(int64_t module, uint64_t start, uint64_t end, uint64_t offset)
{
	return json_pack("[I, I, I, I]", (json_int_t)module, (json_int_t)start, (json_int_t)end,
			 (json_int_t)offset);
}

static void add_module(json_t *request, int fd, const char *kind)
{
	json_array_append_new(json_object_get(request, "modules"),
			      json_pack("{s:i, s:s}", "fd", fd, "kind", kind));
}

static void add_mapping(json_t *request, json_t *one)
{
	json_array_append_new(json_object_get(request, "mappings"), one);
}

static json_t *new_request(int stacks_fd)
{
	return json_pack("{s:i, s:[], s:[]}", "stacks", stacks_fd, "modules", "mappings");
}

/* About the program, as module 0. */
static json_t *program_request(const struct apo_stack *stacks, size_t count, int program_fd)
{
	json_t *request = new_request(memory_file(stacks, count * sizeof(*stacks)));

	add_module(request, program_fd, "elf");
	add_mapping(request, mapping(0, program.start, program.end, program.offset));
	return request;
}

static struct apo_stack one_call(void)
{
	return stack_at(program_function(&program, "perf_map_open"),
			program_function(&program, "go_table_open") + INSIDE);
}

/* --- the answer ---------------------------------------------------------------------------- */

/* The location of a frame; NULL: the stack has not so many. */
static json_t *frame_at(const struct run_result *result, size_t stack, size_t frame)
{
	json_t *places = json_array_get(json_object_get(result->answer, "stacks"), stack);
	json_t *index = json_array_get(places, frame);

	if (!index)
		return NULL;
	return json_array_get(json_object_get(result->answer, "locations"),
			      (size_t)json_integer_value(index));
}

/* Of the function itself, not of what is inlined into it. */
static const char *name_at(const struct run_result *result, size_t stack, size_t frame)
{
	json_t *functions = json_object_get(frame_at(result, stack, frame), "functions");
	json_t *outermost = json_array_get(functions, json_array_size(functions) - 1);

	return json_string_value(json_object_get(outermost, "name")) ?: "";
}

static const char *error_at(const struct run_result *result, size_t module)
{
	json_t *modules = json_object_get(result->answer, "modules");

	return json_string_value(json_object_get(json_array_get(modules, module), "error"));
}

/* Whether the answer is what the daemon takes: everything in its place, every index in range. */
static void check_shape(const struct run_result *result, size_t modules, size_t stacks)
{
	json_t *locations = json_object_get(result->answer, "locations");
	json_t *all = json_object_get(result->answer, "stacks"), *stack, *index;
	size_t i, j;

	cr_assert_eq(json_array_size(json_object_get(result->answer, "modules")), modules);
	cr_assert_eq(json_array_size(all), stacks);
	json_array_foreach (all, i, stack) {
		cr_assert_leq(json_array_size(stack), 127);
		json_array_foreach (stack, j, index)
			cr_assert_lt((size_t)json_integer_value(index), json_array_size(locations));
	}
}

static bool succeeded(const struct run_result *result)
{
	return WIFEXITED(result->status) && WEXITSTATUS(result->status) == 0;
}

static void check_one_call(const struct run_result *result)
{
	cr_assert(succeeded(result), "status %x: %s", result->status, result->complaint);
	cr_expect_str_eq(name_at(result, 0, 0), "perf_map_open");
	cr_expect_str_eq(name_at(result, 0, 1), "go_table_open");
}

/* --- what it is for ------------------------------------------------------------------------ */

Test(symbols, a_stack_is_unwound_and_its_functions_are_named)
{
	struct apo_stack stack = one_call();
	int fd = memory_file(program.bytes, program.size);
	struct run_result result = symbols_run(program_request(&stack, 1, fd));
	json_t *first;

	check_shape(&result, 1, 1);
	check_one_call(&result);
	cr_expect_null(error_at(&result, 0));
	first = frame_at(&result, 0, 0);
	cr_expect_eq((uint64_t)json_integer_value(json_object_get(first, "address")),
		     program_function(&program, "perf_map_open"));
	cr_expect_eq((uint64_t)json_integer_value(json_object_get(first, "offset")),
		     program_function(&program, "perf_map_open") - program.start + program.offset);
	cr_expect_eq(json_integer_value(json_object_get(first, "module")), 0);
	run_result_clear(&result);
}

Test(symbols, a_frame_that_was_called_from_is_the_call_before_its_address)
{
	struct apo_stack stack = one_call();
	int fd = memory_file(program.bytes, program.size);
	struct run_result result = symbols_run(program_request(&stack, 1, fd));

	cr_assert(succeeded(&result));
	cr_expect_eq(
		(uint64_t)json_integer_value(json_object_get(frame_at(&result, 0, 1), "address")),
		program_function(&program, "go_table_open") + INSIDE - 1);
	run_result_clear(&result);
}

Test(symbols, a_path_descriptor_of_a_deleted_file_will_do)
{
	struct apo_stack stack = one_call();
	struct run_result result;
	int fd;

	fixture_bytes("program", program.bytes, program.size);
	fd = openat(fixture_root(), "program", O_PATH);
	unlinkat(fixture_root(), "program", 0);
	result = symbols_run(program_request(&stack, 1, fd));
	check_one_call(&result);
	run_result_clear(&result);
}

Test(symbols, a_perf_map_names_what_was_compiled_at_run_time)
{
	static const char map[] = "1000 100 LazyCompile:~serve /app/server.js:10\n";
	struct apo_stack stack = stack_at(0x1010, 0);
	json_t *request = new_request(memory_file(&stack, sizeof(stack)));
	struct run_result result;

	add_module(request, memory_file(map, strlen(map)), "perf-map");
	add_mapping(request, mapping(0, 0x1000, 0x2000, 0));
	result = symbols_run(request);
	cr_assert(succeeded(&result), "%s", result.complaint);
	cr_expect_str_eq(name_at(&result, 0, 0), "LazyCompile:serve /app/server.js:10");
	run_result_clear(&result);
}

/*
 * Services run as root without the right to become someone else. Under a sanitizer, which needs
 * system calls of its own, it then rather looks at nothing.
 */
Test(symbols, root_that_may_not_change_user_is_confined_all_the_same)
{
	struct apo_stack stack = one_call();
	int fd = memory_file(program.bytes, program.size);
	json_t *request = program_request(&stack, 1, fd);
	char *text = json_dumps(request, JSON_COMPACT);
	struct run_result result;

	if (geteuid() != 0)
		cr_skip("needs root");
	result = symbols_run_text(text, CAP_SETUID);
#if defined(__SANITIZE_ADDRESS__)
	cr_expect(WIFEXITED(result.status) && WEXITSTATUS(result.status) == 1);
	cr_expect_not_null(strstr(result.complaint, "privileges"), "%s", result.complaint);
#else
	check_one_call(&result);
#endif
	run_result_clear(&result);
	json_decref(request);
	free(text);
}

/* --- hostile requests ---------------------------------------------------------------------- */

Test(symbols, what_is_no_request_is_refused)
{
	static const char *const texts[] = {"", "{", "stacks", "\xff\xfe", "{\"stacks\":1,}"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct run_result result = symbols_run_text(texts[i], -1);

		cr_expect(WIFEXITED(result.status) && WEXITSTATUS(result.status) == 1);
		cr_expect_not_null(strstr(result.complaint, "bad request"));
		run_result_clear(&result);
	}
}

Test(symbols, a_request_of_the_wrong_types_has_an_empty_answer_or_none)
{
	static const char *const texts[] = {
		"[]",
		"{}",
		"{\"stacks\":\"x\",\"modules\":{},\"mappings\":7}",
		"{\"stacks\":-1,\"modules\":[],\"mappings\":[]}",
		"{\"stacks\":0,\"modules\":[1,null,[]],\"mappings\":[1,null,{},[],[[]]]}",
		"{\"stacks\":999999,\"modules\":[{\"fd\":[],\"kind\":9}],\"mappings\":[[0]]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct run_result result = symbols_run_text(texts[i], -1);

		cr_expect(WIFEXITED(result.status) && WEXITSTATUS(result.status) <= 1, "%s: %x %s",
			  texts[i], result.status, result.complaint);
		if (succeeded(&result))
			cr_expect_eq(json_array_size(json_object_get(result.answer, "stacks")), 0);
		run_result_clear(&result);
	}
}

Test(symbols, what_is_no_plain_file_is_not_opened, .timeout = 30)
{
	struct apo_stack stack = one_call();
	int fd = memory_file(program.bytes, program.size);
	json_t *request = program_request(&stack, 1, fd);
	struct run_result result;

	fixture_file("secret", "1000 1000 secret\n");
	fixture_directory("directory");
	cr_assert_eq(mkfifoat(fixture_root(), "fifo", 0600), 0);
	cr_assert_eq(symlinkat("secret", fixture_root(), "link"), 0);
	add_module(request, openat(fixture_root(), "fifo", O_PATH), "elf");
	add_module(request, openat(fixture_root(), "fifo", O_PATH), "perf-map");
	add_module(request, openat(fixture_root(), "directory", O_PATH), "elf");
	add_module(request, openat(fixture_root(), "link", O_PATH | O_NOFOLLOW), "perf-map");
	add_module(request, open("/dev/zero", O_PATH), "elf");
	add_module(request, open("/dev/zero", O_PATH), "perf-map");
	add_module(request, 987654, "elf");
	add_module(request, INT32_MAX, "perf-map");
	for (int i = 1; i <= 8; i++)
		add_mapping(request, mapping(i, program.end + (uint64_t)i * 4096,
					     program.end + (uint64_t)(i + 1) * 4096, 0));
	result = symbols_run(request);
	check_shape(&result, 9, 1);
	check_one_call(&result);
	for (size_t i = 1; i <= 8; i++)
		cr_expect_str_eq(error_at(&result, i) ?: "", "it is no file that can be read");
	cr_expect_lt(result.cpu_s, 5);
	run_result_clear(&result);
}

Test(symbols, a_huge_file_takes_neither_time_nor_memory, .timeout = 60)
{
	struct apo_stack stack = one_call();
	int fd = memory_file(program.bytes, program.size), huge = memory_file("\x7f"
									      "ELF",
									      4);
	json_t *request = program_request(&stack, 1, fd);
	struct run_result result;

	cr_assert_eq(ftruncate(huge, 1LL << 42), 0);
	add_module(request, huge, "elf");
	add_module(request, huge, "perf-map");
	for (int i = 1; i <= 2; i++)
		add_mapping(request, mapping(i, program.end + (uint64_t)i * 4096,
					     program.end + (uint64_t)(i + 1) * 4096, 0));
	result = symbols_run(request);
	check_shape(&result, 3, 1);
	check_one_call(&result);
	cr_expect_not_null(error_at(&result, 1));
	cr_expect_lt(result.cpu_s, 10, "%f s", result.cpu_s);
	run_result_clear(&result);
}

Test(symbols, mappings_may_overlap_and_wrap_around)
{
	struct apo_stack stack = one_call();
	int fd = memory_file(program.bytes, program.size);
	json_t *request = program_request(&stack, 1, fd);
	struct run_result result;

	add_module(request, memory_file(program.bytes, program.size), "elf");
	add_module(request, memory_file(program.bytes, program.size), "elf");
	add_mapping(request, mapping(1, program.start + 4096, program.end, program.offset));
	add_mapping(request, mapping(2, program.end + 4096, program.end, program.offset));
	add_mapping(request, mapping(2, UINT64_MAX - 4095, 4096, program.offset));
	add_mapping(request, mapping(2, UINT64_MAX, UINT64_MAX, UINT64_MAX));
	add_mapping(request, mapping(-1, UINT64_MAX, UINT64_MAX, 0));
	add_mapping(request, mapping(1LL << 40, 0, UINT64_MAX, 0));
	result = symbols_run(request);
	cr_expect(succeeded(&result), "%x: %s", result.status, result.complaint);
	check_shape(&result, 3, 1);
	run_result_clear(&result);
}

Test(symbols, a_stack_is_not_read_beyond_its_copy)
{
	struct apo_stack stacks[4];
	int fd = memory_file(program.bytes, program.size);
	struct run_result result;

	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
		stacks[i] = one_call();
	stacks[0].bytes = UINT32_MAX;
	stacks[1].bytes = 0;
	stacks[2].bytes = 7;
	stacks[3].bytes = UINT32_MAX;
	stacks[3].sp = UINT64_MAX - 3;
#if defined(__x86_64__)
	stacks[3].registers[19] = stacks[3].sp;
	/* Its frame is at the end of the copy, and beyond. */
	stacks[0].registers[4] = stacks[0].sp + APO_STACK_BYTES - 4;
#endif
	result = symbols_run(program_request(stacks, ARRAY_SIZE(stacks), fd));
	cr_assert(succeeded(&result), "%x: %s", result.status, result.complaint);
	check_shape(&result, 1, ARRAY_SIZE(stacks));
	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
		cr_expect_str_eq(name_at(&result, i, 0), "perf_map_open");
	cr_expect_str_eq(name_at(&result, 0, 1), "go_table_open");
#if defined(__x86_64__)
	cr_expect_null(frame_at(&result, 1, 1), "what was not copied is not known");
	cr_expect_null(frame_at(&result, 2, 1));
#endif
	run_result_clear(&result);
}

Test(symbols, no_stacks_are_no_frames)
{
	int fd = memory_file(program.bytes, program.size);
	struct run_result result = symbols_run(program_request(NULL, 0, fd));

	cr_assert(succeeded(&result), "%x: %s", result.status, result.complaint);
	check_shape(&result, 1, 0);
	cr_expect_eq(json_array_size(json_object_get(result.answer, "locations")), 0);
	run_result_clear(&result);
}

Test(symbols, a_stack_that_is_cut_off_is_left_out)
{
	struct apo_stack stacks[2] = {one_call(), one_call()};
	int fd = memory_file(program.bytes, program.size);
	int cut = memory_file(stacks, sizeof(stacks) - 1);
	json_t *request = program_request(stacks, 2, fd);
	struct run_result result;

	json_object_set_new(request, "stacks", json_integer(cut));
	result = symbols_run(request);
	check_one_call(&result);
	check_shape(&result, 1, 1);
	run_result_clear(&result);
}

Test(symbols, more_than_it_takes_is_left_out)
{
	const size_t count = 5000;
	struct apo_stack *stacks = calloc(count, sizeof(*stacks));
	int fd = memory_file(program.bytes, program.size);
	struct run_result result;
	json_t *request;

	cr_assert_not_null(stacks);
	for (size_t i = 0; i < count; i++)
		stacks[i] = one_call();
	request = program_request(stacks, count, fd);
	for (int i = 1; i < 400; i++) {
		uint64_t start = program.end + (uint64_t)i * 0x1000000;

		add_module(request, fd, "elf");
		add_mapping(request, mapping(i, start, start + 4096, program.offset));
	}
	result = symbols_run(request);
	check_one_call(&result);
	check_shape(&result, 256, 4096);
	cr_expect_str_eq(name_at(&result, 4095, 1), "go_table_open");
	run_result_clear(&result);
	free(stacks);
}

#if defined(__x86_64__)

#define NOWHERE 0x10000000ULL /* code without a file: unwound by frame pointers */
#define DEPTH 100

/* Frames that no other stack has. */
static struct apo_stack stack_of_its_own(uint64_t number)
{
	uint64_t address = NOWHERE + number * DEPTH * 16;
	struct apo_stack stack = stack_at(address, 0);

	stack.registers[4] = stack.sp;
	for (uint64_t i = 0; i < DEPTH; i++) {
		uint64_t frame[2] = {stack.sp + (i + 1) * sizeof(frame), address + (i + 1) * 16};

		memcpy(stack.copy + i * sizeof(frame), frame, sizeof(frame));
	}
	return stack;
}

Test(symbols, of_too_many_places_those_of_the_heaviest_stacks_stay)
{
	enum { COUNT = 400 };
	struct apo_stack *stacks = calloc(COUNT, sizeof(*stacks));
	int fd = memory_file(program.bytes, program.size);
	struct run_result result;
	json_t *request, *all;

	cr_assert_not_null(stacks);
	for (uint64_t i = 0; i < COUNT; i++)
		stacks[i] = stack_of_its_own(i);
	request = program_request(stacks, COUNT, fd);
	add_module(request, -1, "elf");
	json_array_insert_new(json_object_get(request, "mappings"), 0,
			      mapping(1, NOWHERE, NOWHERE + 0x1000000, 0));
	result = symbols_run(request);
	cr_assert(succeeded(&result), "%x: %s", result.status, result.complaint);
	check_shape(&result, 2, COUNT);
	all = json_object_get(result.answer, "stacks");
	cr_expect_gt(json_array_size(json_array_get(all, 0)), DEPTH / 2);
	cr_expect_gt(json_array_size(json_array_get(all, COUNT / 4 - 1)), DEPTH / 2);
	cr_expect_eq(json_array_size(json_array_get(all, COUNT - 1)), 0);
	cr_expect_leq(json_array_size(json_object_get(result.answer, "locations")), 16384);
	run_result_clear(&result);
	free(stacks);
}

#endif
