/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * apoptosis-symbols and files that are no longer what they were: cut short, bytes changed, in a
 * different way each time and the same in each run. The library that reads them may fail, and then
 * the process does, which is why it is one; what must hold is that it ends, within its limits, and
 * that an answer is one.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "unit/symbols_run.h"

#define MUTATIONS 150  /* of each kind */
#define BYTES_MAX 16   /* changed in one */
#define CPU_MAX_S 21.0 /* its own limit is 20 */

static struct program program;

static void setup(void)
{
	program = program_read();
}

static void teardown(void)
{
	program_free(&program);
}

TestSuite(symbols_broken, .init = setup, .fini = teardown);

/* The same numbers on every machine. */
static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t random_below(uint64_t *state, size_t n)
{
	return (size_t)(random_next(state) % n);
}

/* --- one question -------------------------------------------------------------------------- */

/* In different functions, so that much of the file is looked at. */
static json_t *request_about(const void *bytes, size_t size)
{
	static const char *const functions[] = {
		"main",		 "code_new",	  "code_add",	   "code_unwind",
		"code_find",	 "code_build_id", "go_table_open", "go_table_find",
		"perf_map_open", "perf_map_find", "demangle",	   "text_utf8",
	};
	struct apo_stack stacks[ARRAY_SIZE(functions)];

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		stacks[i] = stack_at(
			program_function(&program, functions[i]) + (i & 1 ? 0 : 16),
			program_function(&program, functions[ARRAY_SIZE(functions) - 1 - i]) + 4);
	return json_pack("{s:i, s:[{s:i, s:s}], s:[[i, I, I, I]]}", "stacks",
			 memory_file(stacks, sizeof(stacks)), "modules", "fd",
			 memory_file(bytes, size), "kind", "elf", "mappings", 0,
			 (json_int_t)program.start, (json_int_t)program.end,
			 (json_int_t)program.offset);
}

static void close_files(const json_t *request)
{
	json_t *module = json_array_get(json_object_get(request, "modules"), 0);

	close((int)json_integer_value(json_object_get(request, "stacks")));
	close((int)json_integer_value(json_object_get(module, "fd")));
}

struct tally {
	unsigned int answered, named, refused, crashed;
};

static bool is_crash(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGXCPU &&
	       WTERMSIG(status) != SIGXFSZ;
}

/* A name that the whole program has too: something was still found. */
static bool has_name(const json_t *answer)
{
	json_t *location, *functions;
	size_t i;

	json_array_foreach (json_object_get(answer, "locations"), i, location) {
		functions = json_object_get(location, "functions");
		if (json_is_string(json_object_get(json_array_get(functions, 0), "name")))
			return true;
	}
	return false;
}

static void ask(const void *bytes, size_t size, const char *what, int number, struct tally *tally)
{
	json_t *request = request_about(bytes, size);
	struct run_result result = symbols_run(json_incref(request));
	const json_t *stacks = json_object_get(result.answer, "stacks");

	close_files(request);
	json_decref(request);
	cr_expect_leq(result.cpu_s, CPU_MAX_S, "%s %d: %f s", what, number, result.cpu_s);
	/* What a sanitizer has found ends with 1 too. */
	cr_expect_null(strstr(result.complaint, "ERROR: AddressSanitizer"), "%s %d: %s", what,
		       number, result.complaint);
	cr_expect_null(strstr(result.complaint, "runtime error"), "%s %d: %s", what, number,
		       result.complaint);
	if (WIFEXITED(result.status) && WEXITSTATUS(result.status) == 0) {
		cr_expect_eq(json_array_size(stacks), 12, "%s %d", what, number);
		tally->answered++;
		tally->named += has_name(result.answer);
	} else if (WIFEXITED(result.status)) {
		cr_expect_eq(WEXITSTATUS(result.status), 1, "%s %d: %s", what, number,
			     result.complaint);
		tally->refused++;
	} else {
		tally->crashed += is_crash(result.status);
		cr_log_warn("%s %d: ended by signal %d", what, number, WTERMSIG(result.status));
	}
	run_result_clear(&result);
}

/* Most are answered, for libdw is used to much. A few crashes are its, and harm nobody. */
static void check(const struct tally *tally, unsigned int asked)
{
	cr_log_info("%u asked: %u answered, %u of them with names, %u refused, %u crashed", asked,
		    tally->answered, tally->named, tally->refused, tally->crashed);
	cr_expect_gt(tally->answered, asked / 2);
	cr_expect_leq(tally->crashed, asked / 50, "%u of %u", tally->crashed, asked);
}

/* --- what is broken ------------------------------------------------------------------------ */

static void change(uint8_t *bytes, size_t size, uint64_t *random)
{
	for (size_t n = 1 + random_below(random, BYTES_MAX); n && size; n--) {
		uint64_t what = random_next(random);

		/* Extremes are what arithmetic fails at. */
		bytes[random_below(random, size)] = (uint8_t)(what & 1	 ? what >> 8
							      : what & 2 ? 0xff
									 : 0);
	}
}

static void change_parts(const char *what, uint64_t seed, const size_t (*parts)[2], size_t count)
{
	uint8_t *copy = malloc(program.size);
	struct tally tally = {};

	cr_assert_not_null(copy);
	for (int i = 0; i < MUTATIONS; i++) {
		const size_t *part = parts[(size_t)i % count];

		memcpy(copy, program.bytes, program.size);
		change(copy + part[0], part[1], &seed);
		ask(copy, program.size, what, i, &tally);
	}
	check(&tally, MUTATIONS);
	free(copy);
}

Test(symbols_broken, a_file_that_is_cut_short)
{
	uint64_t random = 0x1234567;
	struct tally tally = {};

	ask(program.bytes, program.size, "whole", 0, &tally);
	cr_assert_eq(tally.named, 1);
	for (int i = 1; i < MUTATIONS; i++)
		ask(program.bytes, i < 80 ? (size_t)i : random_below(&random, program.size), "cut",
		    i, &tally);
	cr_expect_eq(tally.crashed, 0);
	cr_expect_gt(tally.answered, MUTATIONS / 2);
}

Test(symbols_broken, headers_that_were_changed)
{
	uint64_t sections;
	size_t parts[3][2] = {{0, 64}, {64, 56 * 12}, {0, 0}};

	memcpy(&sections, program.bytes + 40, sizeof(sections)); /* e_shoff */
	cr_assert_lt(sections, program.size);
	parts[2][0] = (size_t)sections;
	parts[2][1] = program.size - (size_t)sections;
	change_parts("headers", 0x2345678, (const size_t(*)[2])parts, ARRAY_SIZE(parts));
}

static void change_sections(const char *what, uint64_t seed, const char *const names[],
			    size_t count)
{
	size_t parts[8][2], found = 0;

	for (size_t i = 0; i < count; i++)
		found += program_section(&program, names[i], &parts[found][0], &parts[found][1]);
	cr_assert_gt(found, 0);
	change_parts(what, seed, (const size_t(*)[2])parts, found);
}

Test(symbols_broken, unwind_tables_that_were_changed)
{
	static const char *const names[] = {".eh_frame", ".eh_frame_hdr", ".eh_frame"};

	change_sections("unwinding", 0x3456789, names, ARRAY_SIZE(names));
}

Test(symbols_broken, symbols_that_were_changed)
{
	static const char *const names[] = {".symtab", ".strtab", ".dynsym", ".dynstr",
					    ".note.gnu.build-id"};

	change_sections("symbols", 0x456789a, names, ARRAY_SIZE(names));
}

Test(symbols_broken, debug_information_that_was_changed)
{
	static const char *const names[] = {".debug_info",     ".debug_abbrev",	  ".debug_line",
					    ".debug_rnglists", ".debug_line_str", ".debug_str",
					    ".debug_aranges"};

	if (!program_section(&program, ".debug_info", &(size_t){0}, &(size_t){0}))
		cr_skip("built without debug information");
	change_sections("debug information", 0x56789ab, names, ARRAY_SIZE(names));
}

Test(symbols_broken, a_file_of_nothing_but_noise_behind_its_header)
{
	uint64_t random = 0x6789abc;
	uint8_t *copy = malloc(program.size);
	struct tally tally = {};

	cr_assert_not_null(copy);
	for (int i = 0; i < MUTATIONS; i++) {
		size_t from = 64 + random_below(&random, program.size - 64);

		memcpy(copy, program.bytes, program.size);
		for (size_t j = from; j < MIN(from + 4096, program.size); j++)
			copy[j] = (uint8_t)random_next(&random);
		ask(copy, program.size, "noise", i, &tally);
	}
	check(&tally, MUTATIONS);
	free(copy);
}

#define NESTED 60

/*
 * One unit in place of all: namespaces in each other, the sibling of each of them its own first child. So
 * there are 2^60 ways through them.
 */
static size_t make_maze(uint8_t bytes[512], uint32_t section_bytes)
{
	static const uint8_t unit[] = {4, 0, 0, 0,
				       0, 0, 8, 1}; /* version, abbreviations, pointers */
	const uint64_t from = 0, to = UINT32_MAX;
	size_t size = sizeof(section_bytes);

	section_bytes -= sizeof(section_bytes);
	memcpy(bytes, &section_bytes, sizeof(section_bytes));
	memcpy(bytes + size, unit, sizeof(unit));
	size += sizeof(unit);
	memcpy(bytes + size, &from, sizeof(from));
	memcpy(bytes + size + sizeof(from), &to, sizeof(to));
	size += sizeof(from) + sizeof(to);
	for (int i = 0; i < NESTED; i++) {
		uint32_t sibling = (uint32_t)size + 1 + sizeof(sibling);

		bytes[size++] = 2;
		memcpy(bytes + size, &sibling, sizeof(sibling));
		size += sizeof(sibling);
	}
	memset(bytes + size, 0, NESTED + 1);
	return size + NESTED + 1;
}

Test(symbols_broken, siblings_that_are_their_own_children)
{
	/* A unit with addresses, and a namespace with a sibling, both with children. */
	static const uint8_t abbreviations[] = {1, 0x11, 1, 0x11, 1,	0x12, 7, 0, 0,
						2, 0x39, 1, 1,	  0x13, 0,    0, 0};
	size_t info, info_bytes, abbrev, abbrev_bytes, size;
	uint8_t *copy = malloc(program.size), maze[512];
	struct tally tally = {};

	if (!program_section(&program, ".debug_info", &info, &info_bytes) ||
	    !program_section(&program, ".debug_abbrev", &abbrev, &abbrev_bytes))
		cr_skip("built without debug information");
	cr_assert_not_null(copy);
	size = make_maze(maze, (uint32_t)info_bytes);
	cr_assert(size <= info_bytes && sizeof(abbreviations) <= abbrev_bytes);
	memcpy(copy, program.bytes, program.size);
	memcpy(copy + info, maze, size);
	memcpy(copy + abbrev, abbreviations, sizeof(abbreviations));
	ask(copy, program.size, "maze", 0, &tally);
	cr_expect_eq(tally.answered, 1);
	cr_expect_eq(tally.named, 1, "the symbol table has names");
	free(copy);
}
