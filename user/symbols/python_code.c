// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "symbols/python.h"

#define VERSION(major, minor) ((major) << 8 | (minor))
#define UNIT_BYTES 2 /* of instructions, from 3.6 on */

/* --- lines --------------------------------------------------------------------------------- */

/* Until 3.9: pairs of how far the next line is away, in bytes of instructions and in lines. */
static unsigned int line_of_pairs(const struct apo_python_code *code, uint64_t at)
{
	int64_t line = code->first_line;
	uint64_t address = 0;

	for (size_t i = 0; i + 1 < code->lines_bytes; i += 2) {
		address += code->lines[i];
		if (address > at)
			break;
		line += (int8_t)code->lines[i + 1];
	}
	return line > 0 ? (unsigned int)line : 0;
}

/* 3.10: pairs of how long a range is, and of its line as counted from that of the one before. -128: it has none. */
static unsigned int line_of_ranges(const struct apo_python_code *code, uint64_t at)
{
	int64_t line = code->first_line;
	uint64_t end = 0;

	for (size_t i = 0; i + 1 < code->lines_bytes; i += 2) {
		int8_t delta = (int8_t)code->lines[i + 1];

		end += code->lines[i];
		if (delta != -128)
			line += delta;
		if (at < end)
			return delta != -128 && line > 0 ? (unsigned int)line : 0;
	}
	return 0;
}

/* Six bits in each byte, the lowest first; bit 6: more follow. */
static uint64_t read_varint(const struct apo_python_code *code, size_t *at)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; *at < code->lines_bytes && shift < 64; shift += 6) {
		uint8_t byte = code->lines[(*at)++];

		value |= (uint64_t)(byte & 0x3f) << shift;
		if (!(byte & 0x40))
			break;
	}
	return value;
}

/* The sign is the lowest bit. */
static int64_t read_signed(const struct apo_python_code *code, size_t *at)
{
	uint64_t value = read_varint(code, at);
	int64_t magnitude = (int64_t)(value >> 1);

	return value & 1 ? -magnitude : magnitude;
}

/* From 3.11 on: entries, of which the first byte alone has its highest bit set. */
static unsigned int line_of_locations(const struct apo_python_code *code, uint64_t at)
{
	enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG = 14, NO_LOCATION = 15 };
	uint64_t line = code->first_line, end = 0; /* a sum of nonsense wraps */

	for (size_t i = 0; i < code->lines_bytes;) {
		uint8_t head = code->lines[i++];
		unsigned int kind = head >> 3 & 0xf;

		end += (uint64_t)((head & 7) + 1) * UNIT_BYTES;
		if (kind == NO_COLUMNS || kind == LONG)
			line += (uint64_t)read_signed(code, &i);
		else if (kind >= ONE_LINE_0 && kind <= ONE_LINE_2)
			line += kind - ONE_LINE_0;
		if (at < end)
			return kind != NO_LOCATION && line <= UINT32_MAX ? (unsigned int)line : 0;
		while (i < code->lines_bytes && !(code->lines[i] & 0x80))
			i++;
	}
	return 0;
}

static unsigned int line_of(const struct apo_python_code *code, uint32_t at)
{
	if (code->version < VERSION(3, 10))
		return line_of_pairs(code, at);
	if (code->version < VERSION(3, 11))
		return line_of_ranges(code, (uint64_t)at * UNIT_BYTES);
	return line_of_locations(code, at);
}

/* --- texts --------------------------------------------------------------------------------- */

static size_t put_utf8(char *ret, uint32_t character)
{
	if (character < 0x80) {
		ret[0] = (char)character;
		return 1;
	}
	if (character < 0x800) {
		ret[0] = (char)(0xc0 | character >> 6);
		ret[1] = (char)(0x80 | (character & 0x3f));
		return 2;
	}
	if (character < 0x10000) {
		ret[0] = (char)(0xe0 | character >> 12);
		ret[1] = (char)(0x80 | (character >> 6 & 0x3f));
		ret[2] = (char)(0x80 | (character & 0x3f));
		return 3;
	}
	ret[0] = (char)(0xf0 | (character >> 18 & 7));
	ret[1] = (char)(0x80 | (character >> 12 & 0x3f));
	ret[2] = (char)(0x80 | (character >> 6 & 0x3f));
	ret[3] = (char)(0x80 | (character & 0x3f));
	return 4;
}

/* Characters of one, two or four bytes. */
static void copy_text(const uint8_t *bytes, size_t size, unsigned int kind,
		      char ret[SYMBOL_NAME_MAX])
{
	size_t used = 0;

	if (kind == 1 || kind == 2 || kind == 4) {
		for (size_t i = 0; i + kind <= size && used < SYMBOL_NAME_MAX - 4; i += kind) {
			uint32_t character = 0;

			memcpy(&character, bytes + i, kind); /* little endian, as all we run on */
			used += put_utf8(ret + used, character);
		}
	}
	ret[used] = '\0';
}

void python_name(const struct apo_python_code *code, uint32_t at, struct symbol *ret)
{
	struct apo_python_code bounded = *code;

	bounded.lines_bytes = MIN(code->lines_bytes, (uint32_t)sizeof(code->lines));
	copy_text(code->name, MIN(code->name_bytes, sizeof(code->name)), code->name_kind,
		  ret->function);
	copy_text(code->file, MIN(code->file_bytes, sizeof(code->file)), code->file_kind,
		  ret->source);
	ret->line = line_of(&bounded, at);
}

/* --- among the frames of the machine ------------------------------------------------------- */

/* What runs Python's instructions, in every version. */
static bool is_interpreter(struct code *code, const struct frame *frame)
{
	static const char name[] = "_PyEval_EvalFrameDefault";
	static struct symbol_list found;

	code_find(code, frame, &found);
	for (size_t i = 0; i < found.count; i++)
		if (strncmp(found.symbols[i].function, name, strlen(name)) == 0)
			return true;
	return false;
}

static void put(struct frame frames[FRAMES_MAX], size_t *count, struct frame frame)
{
	if (*count < FRAMES_MAX)
		frames[(*count)++] = frame;
}

/* One run, up to a frame that C has called. Returns where the next one begins. */
static size_t put_run(const struct apo_stack *stack, size_t from, size_t end,
		      struct frame ret[FRAMES_MAX], size_t *count)
{
	while (from < end) {
		const struct apo_python_frame *python = &stack->python[from++];

		if (python->code)
			put(ret, count,
			    (struct frame){
				    .address = python->code, .at = python->at, .is_python = true});
		if (python->ends)
			break;
	}
	return from;
}

size_t python_merge(struct code *code, const struct apo_stack *stack,
		    struct frame frames[FRAMES_MAX], size_t count)
{
	size_t next = 0, end = MIN(stack->python_count, (uint32_t)APO_PYTHON_FRAMES), merged = 0;
	struct frame all[FRAMES_MAX];

	if (!end)
		return count;
	for (size_t i = 0; i < count; i++) {
		if (is_interpreter(code, &frames[i]))
			next = put_run(stack, next, end, all, &merged);
		else
			put(all, &merged, frames[i]);
	}
	/* Of the machine's stack only the top is kept: the others are further out. */
	while (next < end)
		next = put_run(stack, next, end, all, &merged);
	memcpy(frames, all, merged * sizeof(*all));
	return merged;
}
