// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "symbols/python.h"

#define NONE APO_PYTHON_NONE
#define VERSION(major, minor) ((major) << 8 | (minor))

/*
 * Before 3.13 the interpreter does not say where its members are. Offsets as in the internal headers of 3.8.18,
 * 3.9.18, 3.10.13, 3.11.7 and 3.12.1 on x86-64; the same in every 64-bit build without Py_DEBUG.
 */
static const struct {
	uint32_t version;
	struct apo_python_layout layout;
} known[] = {
#define UNTIL_3_10(frame_at_)                                                                 \
	{                                                                                     \
		.runtime_interpreters = 32, .interpreter_next = 0, .interpreter_threads = 8,  \
		.thread_next = 8, .thread_id = 176, .thread_frame = 24, .cframe_frame = NONE, \
		.frame_code = 32, .frame_previous = 24, .frame_at = (frame_at_),              \
		.frame_owner = NONE, .frame_entry = NONE, .code_instructions = NONE,          \
		.code_first_line = 40, .code_file = 104, .code_name = 112, .code_lines = 120, \
		.text_head = 48, .wide_text_head = 72                                         \
	}
	{VERSION(3, 8), UNTIL_3_10(104)},
	{VERSION(3, 9), UNTIL_3_10(104)},
	{VERSION(3, 10), UNTIL_3_10(96)},
	{VERSION(3, 11),
	 {
		 .runtime_interpreters = 40,
		 .interpreter_next = 0,
		 .interpreter_threads = 16,
		 .thread_next = 8,
		 .thread_id = 152,
		 .thread_frame = 56,
		 .cframe_frame = 8,
		 .frame_code = 32,
		 .frame_previous = 48,
		 .frame_at = 56,
		 .frame_owner = NONE,
		 .frame_entry = 68,
		 .code_instructions = 184,
		 .code_first_line = 72,
		 .code_file = 112,
		 .code_name = 128,
		 .code_lines = 136,
		 .text_head = 48,
		 .wide_text_head = 72,
	 }},
	{VERSION(3, 12),
	 {
		 .runtime_interpreters = 40,
		 .interpreter_next = 0,
		 .interpreter_threads = 72,
		 .thread_next = 8,
		 .thread_id = 136,
		 .thread_frame = 56,
		 .cframe_frame = 0,
		 .frame_code = 0,
		 .frame_previous = 8,
		 .frame_at = 56,
		 .frame_owner = 70,
		 .frame_entry = NONE,
		 .code_instructions = 192,
		 .code_first_line = 68,
		 .code_file = 112,
		 .code_name = 128,
		 .code_lines = 136,
		 .text_head = 40,
		 .wide_text_head = 56,
	 }},
};

/* --- the interpreter's own description, from 3.13 on --------------------------------------- */

#define COOKIE "xdebugpy"
#define WORDS_MAX 64

/* Which of its words, each of 64 bits, an offset is in: struct _Py_DebugOffsets, pycore_debug_offsets.h. */
struct places {
	uint8_t interpreters, interpreter_next, interpreter_threads;
	uint8_t thread_next, thread_id, thread_frame;
	uint8_t frame_previous, frame_code, frame_at, frame_owner;
	uint8_t code_file, code_name, code_lines, code_first_line, code_instructions;
};

static const struct places places_3_13 = {5, 8, 9, 21, 24, 23, 29, 30, 31, 33, 35, 37, 38, 39, 43};
static const struct places places_3_15 = {5, 8, 9, 24, 30, 26, 40, 41, 42, 44, 48, 50, 51, 52, 56};
static const struct places places_3_14 = {5, 8, 9, 24, 27, 26, 32, 33, 34, 36, 40, 42, 43, 44, 48};

static bool read_layout(const uint64_t words[WORDS_MAX], const struct places *places,
			struct apo_python_layout *ret)
{
	const struct {
		uint8_t place;
		__u16 *member;
	} all[] = {
		{places->interpreters, &ret->runtime_interpreters},
		{places->interpreter_next, &ret->interpreter_next},
		{places->interpreter_threads, &ret->interpreter_threads},
		{places->thread_next, &ret->thread_next},
		{places->thread_id, &ret->thread_id},
		{places->thread_frame, &ret->thread_frame},
		{places->frame_previous, &ret->frame_previous},
		{places->frame_code, &ret->frame_code},
		{places->frame_at, &ret->frame_at},
		{places->frame_owner, &ret->frame_owner},
		{places->code_file, &ret->code_file},
		{places->code_name, &ret->code_name},
		{places->code_lines, &ret->code_lines},
		{places->code_first_line, &ret->code_first_line},
		{places->code_instructions, &ret->code_instructions},
	};

	*ret = (struct apo_python_layout){
		.cframe_frame = NONE,
		.frame_entry = NONE,
		.text_head = 40,
		.wide_text_head = 56,
	};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (words[all[i].place] >= NONE)
			return false;
		*all[i].member = (__u16)words[all[i].place];
	}
	return true;
}

static const struct places *places_of(uint32_t version)
{
	switch (version) {
	case VERSION(3, 13):
		return &places_3_13;
	case VERSION(3, 14):
		return &places_3_14;
	case VERSION(3, 15):
		return &places_3_15;
	default:
		return NULL;
	}
}

/* False: it does not describe itself. */
static bool find_described(struct code *code, struct apo_python *ret)
{
	enum { VERSION_WORD = 1, FREE_THREADED_WORD = 2 };
	const struct places *places;
	uint64_t words[WORDS_MAX];

	if (!code_data(code, ret->runtime, words, sizeof(words)) ||
	    memcmp(words, COOKIE, strlen(COOKIE)) != 0)
		return false;
	ret->version = (uint32_t)(words[VERSION_WORD] >> 16);
	places = places_of(ret->version);
	if (!places)
		ret->trouble = APO_PYTHON_NEWER;
	else if (words[FREE_THREADED_WORD])
		ret->trouble = APO_PYTHON_WITHOUT_GIL;
	else if (!read_layout(words, places, &ret->layout))
		ret->trouble = APO_PYTHON_STRANGE;
	return true;
}

/* --- the whole ----------------------------------------------------------------------------- */

/* "libpython3.9.so.1.0", "python3.9", or an extension's "_json.cpython-39-x86_64-linux-gnu.so". 0: there is none. */
static uint32_t version_in(const char *file)
{
	static const char *const before[] = {"cpython-3", "python3."};
	long minor = 0;

	for (size_t i = 0; i < ARRAY_SIZE(before) && !minor; i++) {
		const char *number = strstr(file, before[i]);

		minor = number ? strtol(number + strlen(before[i]), NULL, 10) : 0;
	}

	return minor > 0 && minor < 256 ? VERSION(3, (uint32_t)minor) : 0;
}

/* From 3.11 on it is a constant. */
static uint32_t version_of(struct code *code, const char *file)
{
	uint64_t address, version;

	if (code_symbol(code, "Py_Version", &address) &&
	    code_data(code, address, &version, sizeof(version)) && version >> 16)
		return (uint32_t)(version >> 16);
	return version_in(file);
}

/* By the table. One that is newer would describe itself. */
static void find_known(struct apo_python *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].version == ret->version) {
			ret->layout = known[i].layout;
			return;
		}
	}
	ret->trouble = !ret->version			 ? APO_PYTHON_WITHOUT_NAMES
		       : ret->version < known[0].version ? APO_PYTHON_OLDER
							 : APO_PYTHON_STRANGE;
}

/* What is read of a frame is aligned, and not much. */
static void measure_frame(struct apo_python *ret)
{
	struct apo_python_layout *layout = &ret->layout;
	const __u16 words[] = {layout->frame_code, layout->frame_previous, layout->frame_at};
	const __u16 bytes[] = {layout->frame_owner, layout->frame_entry};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (words[i] % 8 || words[i] > APO_PYTHON_FRAME_BYTES - 8)
			ret->trouble = APO_PYTHON_STRANGE;
		layout->frame_bytes = MAX(layout->frame_bytes, words[i] + 8);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
		if (bytes[i] == NONE)
			continue;
		if (bytes[i] >= APO_PYTHON_FRAME_BYTES)
			ret->trouble = APO_PYTHON_STRANGE;
		layout->frame_bytes = MAX(layout->frame_bytes, bytes[i] + 1);
	}
}

bool python_find(struct code *code, const char *file, struct apo_python *ret)
{
	uint64_t runtime, code_type;

	*ret = (struct apo_python){.version = version_of(code, file)};
	if (!code_symbol(code, "_PyRuntime", &runtime) ||
	    !code_symbol(code, "PyCode_Type", &code_type)) {
		ret->trouble = APO_PYTHON_WITHOUT_NAMES;
		return false;
	}
	ret->runtime = runtime;
	ret->code_type = code_type;
	if (!find_described(code, ret))
		find_known(ret);
	if (!ret->trouble)
		measure_frame(ret);
	return ret->trouble == APO_PYTHON_UNDERSTOOD;
}
