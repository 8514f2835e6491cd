/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of CPython's code objects. The tables are those that each version has made of one function, and the lines
 * what it says itself of each instruction (co_lines(), dis.findlinestarts()).
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/util.h"
#include "symbols/python.h"
#include "unit/symbols_run.h"

TestSuite(python);

#define FIRST_LINE 5

struct run {
	uint32_t at; /* the first instruction of it */
	unsigned int line;
};

static const struct {
	uint32_t version, lines_bytes;
	const char *lines;
	uint32_t last;	     /* instruction */
	struct run runs[24]; /* the last is all 0 */
} tables[] = {
	{
		.version = 0x308,
		.lines_bytes = 26,
		.lines = "\x00\x01\x04\x01\x0c\x01\x0a\x02\x02\x01\x02\x01\x02\xfe\x04\x7f\x00\x4c"
			 "\x02\x01"
			 "\x16\x01\x0e\x01\x06\x01",
		.last = 82,
		.runs = {{0, 6},
			 {4, 7},
			 {16, 8},
			 {26, 10},
			 {28, 11},
			 {30, 12},
			 {32, 10},
			 {36, 213},
			 {38, 214},
			 {60, 215},
			 {74, 216},
			 {80, 217}},
	},
	{
		.version = 0x309,
		.lines_bytes = 26,
		.lines = "\x00\x01\x04\x01\x0c\x01\x0a\x02\x02\x01\x02\x01\x02\xfe\x04\x7f\x00\x4c"
			 "\x02\x01"
			 "\x16\x01\x0c\x01\x06\x01",
		.last = 80,
		.runs = {{0, 6},
			 {4, 7},
			 {16, 8},
			 {26, 10},
			 {28, 11},
			 {30, 12},
			 {32, 10},
			 {36, 213},
			 {38, 214},
			 {60, 215},
			 {72, 216},
			 {78, 217}},
	},
	{
		.version = 0x30a,
		.lines_bytes = 30,
		.lines = "\x04\x01\x0c\x01\x0a\x01\x02\x02\x02\x01\x02\x01\x04\xfe\x00\x7f\x02\x4c"
			 "\x14\x01"
			 "\x04\x03\x0c\xfe\x02\x01\x04\x01\x02\xfe",
		.last = 40,
		.runs = {{0, 6},
			 {2, 7},
			 {8, 8},
			 {13, 10},
			 {14, 11},
			 {15, 12},
			 {16, 10},
			 {18, 213},
			 {19, 214},
			 {29, 217},
			 {31, 215},
			 {37, 216},
			 {38, 217},
			 {40, 215}},
	},
	{
		.version = 0x30b,
		.lines_bytes = 125,
		.lines = "\x80\x00\xd8\x08\x09\x80\x41\xdd\x0d\x12\x90\x31\x89\x58\x8c\x58\xf0\x00"
			 "\x01\x05"
			 "\x0f\xf0\x00\x01\x05\x0f\x88\x01\xd8\x08\x09\x88\x51\x89\x06\x88\x01\x88"
			 "\x01\xe5"
			 "\x08\x09\xd8\x08\x09\xd8\x08\x09\xf1\x05\x02\x09\x0b\xf4\x00\x02\x09\x0b"
			 "\x80\x41"
			 "\xf0\x56\x06\x03\x05\x0d\xd8\x0c\x0d\x90\x0e\x90\x0e\x98\x41\x90\x0e\x91"
			 "\x0e\x94"
			 "\x0e\xd1\x0c\x1e\x88\x01\x88\x01\xf8\xdd\x0b\x15\xf0\x00\x01\x05\x0d\xf0"
			 "\x00\x01"
			 "\x05\x0d\xf0\x00\x01\x05\x0d\xd8\x08\x0c\x88\x04\xf0\x03\x01\x05\x0d\xf8"
			 "\xf8\xf8"
			 "\xe0\x0b\x0c\x80\x48",
		.last = 152,
		.runs = {{0, 5},
			 {2, 6},
			 {6, 7},
			 {40, 8},
			 {52, 10},
			 {64, 11},
			 {66, 12},
			 {68, 10},
			 {84, 213},
			 {86, 214},
			 {118, 0},
			 {120, 215},
			 {138, 216},
			 {142, 215},
			 {144, 0},
			 {150, 217}},
	},
	{
		.version = 0x30c,
		.lines_bytes = 113,
		.lines = "\x80\x00\xd8\x08\x09\x80\x41\xdc\x0d\x12\x90\x31\x8b\x58\xf2\x00\x01\x05"
			 "\x0f\x88"
			 "\x01\xd8\x08\x09\x88\x51\x89\x06\x89\x01\xf0\x03\x01\x05\x0f\xf4\x06\x00"
			 "\x09\x0a"
			 "\xd8\x08\x09\xd8\x08\x09\xf3\x05\x02\x09\x0b\x80\x41\xf0\x56\x06\x03\x05"
			 "\x0d\xd8"
			 "\x0c\x0d\x98\x41\x96\x0e\x90\x71\x92\x11\x92\x0e\xd1\x0c\x1e\x88\x01\xf0"
			 "\x06\x00"
			 "\x0c\x0d\x80\x48\xf9\xf2\x07\x00\x11\x1f\xf8\xdc\x0b\x15\xf2\x00\x01\x05"
			 "\x0d\xd8"
			 "\x08\x0c\xd8\x0b\x0c\x80\x48\xf0\x05\x01\x05\x0d\xfa",
		.last = 156,
		.runs = {{0, 5},     {2, 6},	 {6, 7},     {34, 8},	 {46, 7},
			 {48, 10},   {58, 11},	 {60, 12},   {62, 10},	 {72, 213},
			 {74, 214},  {112, 217}, {116, 0},   {120, 214}, {126, 0},
			 {128, 215}, {144, 216}, {146, 217}, {150, 215}, {152, 0}},
	},
	{
		.version = 0x30d,
		.lines_bytes = 110,
		.lines = "\x80\x00\xd8\x08\x09\x80\x41\xdc\x0d\x12\x90\x31\x8e\x58\x88\x01\xd8\x08"
			 "\x09\x89"
			 "\x06\x8a\x01\xf1\x03\x00\x0e\x16\xf4\x06\x00\x09\x0a\xd8\x08\x09\xd8\x08"
			 "\x09\xf3"
			 "\x05\x02\x09\x0b\x80\x41\xf0\x56\x06\x03\x05\x0d\xd8\x0c\x0d\x98\x41\x93"
			 "\x0e\x99"
			 "\x41\x90\x71\x92\x11\x99\x41\x91\x0e\xd1\x0c\x1e\x88\x01\xf0\x06\x00\x0c"
			 "\x0d\x80"
			 "\x48\xf9\xf2\x07\x00\x11\x1f\xf8\xdc\x0b\x15\xf3\x00\x01\x05\x0d\xd8\x08"
			 "\x0c\xd8"
			 "\x0b\x0c\x80\x48\xf0\x05\x01\x05\x0d\xfa",
		.last = 160,
		.runs = {{0, 5},     {2, 6},	 {6, 7},     {34, 8},	 {46, 7},
			 {50, 10},   {60, 11},	 {62, 12},   {64, 10},	 {74, 213},
			 {76, 214},  {114, 217}, {118, 0},   {122, 214}, {128, 0},
			 {130, 215}, {148, 216}, {150, 217}, {154, 215}, {156, 0}},
	},
};

static struct apo_python_code *code_with(uint32_t version, const char *lines, uint32_t lines_bytes)
{
	static struct apo_python_code code;

	code = (struct apo_python_code){
		.version = version,
		.first_line = FIRST_LINE,
		.lines_bytes = lines_bytes,
	};
	memcpy(code.lines, lines, lines_bytes);
	return &code;
}

static unsigned int line_at(const struct apo_python_code *code, uint32_t at)
{
	static struct symbol symbol;

	python_name(code, at, &symbol);
	return symbol.line;
}

Test(python, every_instruction_has_the_line_that_its_version_says)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct apo_python_code *code =
			code_with(tables[i].version, tables[i].lines, tables[i].lines_bytes);
		uint32_t step = tables[i].version == 0x30a ? 1 : 2;
		const struct run *run = tables[i].runs;

		for (uint32_t at = 0; at <= tables[i].last; at += step) {
			if (run[1].line + run[1].at && run[1].at <= at)
				run++;
			cr_expect_eq(line_at(code, at), run->line, "%#x at %u: %u, not %u",
				     tables[i].version, at, line_at(code, at), run->line);
		}
	}
}

/* Of a long function the table is cut off: what lies beyond has no line. */
Test(python, beyond_what_was_kept_there_is_no_line)
{
	cr_expect_eq(line_at(code_with(0x30b, tables[3].lines, 20), 130), 0);
	cr_expect_eq(line_at(code_with(0x30a, tables[2].lines, 8), 30), 0);
	cr_expect_eq(line_at(code_with(0x30b, "", 0), 0), 0);
}

static void set_text(struct apo_python_code *code, const void *text, uint32_t bytes, __u8 kind)
{
	memcpy(code->name, text, bytes);
	code->name_bytes = bytes;
	code->name_kind = kind;
}

Test(python, names_of_all_widths_become_utf_8)
{
	struct apo_python_code *code = code_with(0x30b, "", 0);
	static struct symbol symbol;

	set_text(code, "gr\xf6\xdf", 4, 1);
	python_name(code, 0, &symbol);
	cr_expect_str_eq(symbol.function, "gr\u00f6\u00df");
	set_text(code, u"\u540d\u524d", 4, 2);
	python_name(code, 0, &symbol);
	cr_expect_str_eq(symbol.function, "\u540d\u524d");
	set_text(code, U"\U0001d4d0x", 8, 4);
	python_name(code, 0, &symbol);
	cr_expect_str_eq(symbol.function, "\U0001d4d0x");
}

Test(python, nonsense_names_nothing)
{
	static struct apo_python_code code;
	static struct symbol symbol;

	memset(&code, 0xff, sizeof(code));
	for (uint32_t version = 0x308; version <= 0x30e; version++) {
		code.version = version;
		for (uint32_t at = 0; at < 70000; at += 997)
			python_name(&code, at, &symbol);
	}
	cr_expect_str_empty(symbol.function, "a character has 255 bytes");
}

/* An interpreter's function that nobody can name: all frames are there, outside of those of the machine. */
Test(python, frames_are_kept_where_the_interpreter_has_no_name)
{
	static struct apo_stack stack = {
		.python_count = 3,
		.python = {{.code = 0x1000, .at = 4}, {.code = 0, .ends = 1}, {.code = 0x2000}},
	};
	struct frame frames[FRAMES_MAX] = {{.address = 1}, {.address = 2}};
	struct code *code = code_new();

	cr_assert_eq(python_merge(code, &stack, frames, 2), 4);
	cr_expect_eq(frames[1].address, 2);
	cr_expect(frames[2].is_python && frames[2].address == 0x1000 && frames[2].at == 4);
	cr_expect(frames[3].is_python && frames[3].address == 0x2000);
	stack.python_count = UINT32_MAX;
	cr_expect_leq(python_merge(code, &stack, frames, FRAMES_MAX), FRAMES_MAX);
	code_free(code);
}

/* --- where the structures are -------------------------------------------------------------- */

/* What an interpreter says of itself from 3.13 on, with each offset below 64 KiB; the tests patch a copy. */
#define COOKIE_WORD 0x7970677562656478ULL /* "xdebugpy" */
#define MARK 0x5eed0ff5e7ca7a10ULL

__attribute__((used)) uint64_t _PyRuntime[66] = {COOKIE_WORD, MARK, MARK, 8, 8};
__attribute__((used)) uint64_t PyCode_Type = 1;
__attribute__((used)) uint64_t Py_Version = MARK;

/* What is found in a program whose interpreter says this, and whose file has that name. */
static bool find_in(const uint64_t words[3], uint64_t version, const char *file,
		    struct apo_python *ret)
{
	const uint64_t marked[] = {COOKIE_WORD, MARK, MARK}, mark = MARK;
	struct program self = program_read_file("/proc/self/exe");
	struct code *code = code_new();
	const char *error;
	uint8_t *at;
	bool found;

	at = memmem(self.bytes, self.size, marked, sizeof(marked));
	cr_assert_not_null(at);
	memcpy(at, words, sizeof(marked));
	while ((at = memmem(self.bytes, self.size, &mark, sizeof(mark))))
		memcpy(at, &version, sizeof(version));
	cr_assert(code_add(code, memory_file(self.bytes, self.size), self.start, self.offset,
			   &error),
		  "%s", error);
	found = python_find(code, file, ret);
	code_free(code);
	program_free(&self);
	return found;
}

Test(python, an_interpreter_is_understood_or_it_is_said_why_not)
{
	static const struct {
		uint64_t words[3], version;
		const char *file;
		uint32_t trouble, found_version;
	} cases[] = {
		{{COOKIE_WORD, 0x30d05f0, 0}, 0, "python3", APO_PYTHON_UNDERSTOOD, 0x30d},
		{{COOKIE_WORD, 0x30e08f0, 0}, 0, "python3", APO_PYTHON_UNDERSTOOD, 0x30e},
		{{COOKIE_WORD, 0x30f02f0, 0}, 0, "python3", APO_PYTHON_UNDERSTOOD, 0x30f},
		{{COOKIE_WORD, 0x31000a1, 0}, 0, "python3", APO_PYTHON_NEWER, 0x310},
		{{COOKIE_WORD, 0x30e08f0, 1}, 0, "python3", APO_PYTHON_WITHOUT_GIL, 0x30e},
		/* The first of them does not say that it has none. */
		{{0, 0, 0}, 0x30c01f0, "libpython3.12.so.1.0", APO_PYTHON_UNDERSTOOD, 0x30c},
		{{0, 0, 0}, 0x30d05f0, "python3.13", APO_PYTHON_STRANGE, 0x30d},
		{{0, 0, 0}, 0, "python3.8", APO_PYTHON_UNDERSTOOD, 0x308},
		{{0, 0, 0}, 0, "libpython3.7m.so.1.0", APO_PYTHON_OLDER, 0x307},
		{{0, 0, 0}, 0, "python3", APO_PYTHON_WITHOUT_NAMES, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct apo_python found;
		bool is_found = find_in(cases[i].words, cases[i].version, cases[i].file, &found);

		cr_expect_eq(is_found, cases[i].trouble == APO_PYTHON_UNDERSTOOD, "%zu", i);
		cr_expect_eq(found.trouble, cases[i].trouble, "%zu: %u", i, found.trouble);
		cr_expect_eq(found.version, cases[i].found_version, "%zu: %#x", i, found.version);
	}
}
