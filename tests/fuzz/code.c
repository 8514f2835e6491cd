/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file that a process has mapped: its symbol table, DWARF, Go table, the tables to unwind by, and CPython. The
 * last bytes, which an ELF file leaves alone, are the stack that is unwound in it, and where to look.
 */
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "symbols/python.h"

#define START 0x400000ULL /* where programs are that cannot be moved, as those of the seeds */
#define SPAN 0x100000ULL
#define TAIL 64 /* bytes of stack */

static bool is_code(uint64_t address, const void *userdata)
{
	(void)userdata;
	return address >= START - SPAN && address < START + SPAN;
}

/* Words of the tail are addresses in the file, as return addresses on a stack would be. */
static void make_stack(const uint8_t *tail, struct apo_stack *ret)
{
	*ret = (struct apo_stack){.sp = 0x7ffc00001000, .bytes = APO_STACK_BYTES};
	for (size_t i = 0; i < TAIL / sizeof(uint16_t); i++) {
		uint16_t offset;
		uint64_t word;

		memcpy(&offset, tail + i * sizeof(offset), sizeof(offset));
		word = offset & 1 ? ret->sp + offset % TAIL : START + offset;
		memcpy(ret->copy + i * sizeof(word), &word, sizeof(word));
		ret->registers[i % APO_REGISTERS] = word;
	}
#if defined(__x86_64__)
	ret->registers[19] = ret->sp;
#elif defined(__aarch64__)
	ret->registers[31] = ret->sp;
#endif
}

static void look_up(struct code *code, const struct frame *frame)
{
	static struct symbol_list found;

	code_find(code, frame, &found);
	FUZZ_CHECK(found.count <= SYMBOL_DEPTH);
	for (size_t i = 0; i < found.count; i++) {
		FUZZ_CHECK(memchr(found.symbols[i].function, '\0', SYMBOL_NAME_MAX));
		FUZZ_CHECK(memchr(found.symbols[i].source, '\0', SYMBOL_NAME_MAX));
	}
}

/* Frames of CPython, too, some of them where C was called. */
static size_t merge(struct code *code, struct apo_stack *stack, struct frame frames[FRAMES_MAX],
		    size_t count)
{
	struct apo_python python;

	stack->python_count = 8;
	for (size_t i = 0; i < stack->python_count; i++)
		stack->python[i] = (struct apo_python_frame){
			.code = stack->registers[i] % 3 ? stack->registers[i] : 0,
			.ends = stack->registers[i] & 1,
		};
	if (python_find(code, "python3.9", &python))
		FUZZ_CHECK(python.version >= 0x308 && python.layout.thread_id != APO_PYTHON_NONE);
	return python_merge(code, stack, frames, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct apo_stack stack;
	struct frame frames[FRAMES_MAX];
	struct code *code = code_new();
	const char *error = NULL, *id;
	size_t count;

	FUZZ_CHECK(code);
	if (size >= TAIL && code_add(code, fuzz_memfd(data, size), START, 0, &error)) {
		make_stack(data + size - TAIL, &stack);
		count = code_unwind(code, &stack, is_code, NULL, frames);
		FUZZ_CHECK(count <= FRAMES_MAX);
		for (size_t i = 0; i < count; i++)
			look_up(code, &frames[i]);
		FUZZ_CHECK(merge(code, &stack, frames, count) <= FRAMES_MAX);
		for (size_t i = 0; i < TAIL / sizeof(uint16_t); i++) {
			uint64_t word;

			memcpy(&word, stack.copy + i * sizeof(word), sizeof(word));
			look_up(code, &(struct frame){.address = word, .is_return = i & 1});
		}
		id = code_build_id(code, START);
		FUZZ_CHECK(!id || strspn(id, "0123456789abcdef") == strlen(id));
	}
	code_free(code);
	return 0;
}
