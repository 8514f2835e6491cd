/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The frames of CPython, and what names a line in their code objects. All of it is memory of the program, which
 * may hold anything: each loop is bounded, each read may fail, and an object that is not of the type "code"
 * ends the walk.
 */
#pragma once

#include "maps.bpf.h"

#define THREADS_TRIED 96 /* of a process, interpreters and their threads */
/* pthread_self() is what the register holds (x86-64), or somewhat before that (arm64). */
#define THREAD_SPAN 4096
#define OWNED_BY_C \
	3 /* frame_owner: a frame that stands for a call by C, and has no code of the program */
#define TAGS 7ULL /* of a pointer, from 3.14 on */

/* Of PyObject and its kinds, the same in every version. */
#define OBJECT_TYPE 8
#define OBJECT_SIZE 16 /* characters of a str, bytes of a bytes */
#define TEXT_STATE 32
#define TEXT_KIND(state) ((state) >> 2 & 7)
#define TEXT_IS_ASCII(state) ((state) >> 6 & 1)
#define BYTES_START 32

/* Of the program's memory; 0 where there is none. */
static __always_inline __u64 user_word_inline(__u64 address)
{
	__u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)address);
	return word;
}

/* A global function: verified once, not in each round of a loop. */
__noinline __u64 user_word(__u64 address)
{
	return user_word_inline(address);
}

static __always_inline __u64 hash_add(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* --- frames -------------------------------------------------------------------------------- */

/* The innermost frame of a thread; 0: it is not this one, or none of its frames is Python's. A global function: see above. */
__noinline __u64 python_thread_frame(__u64 thread, __u64 self, __u32 key)
{
	const struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	const struct apo_python *python = &scratch->python;
	__u64 frame;

	if (!scratch || self - user_word_inline(thread + python->layout.thread_id) >= THREAD_SPAN)
		return 0;
	frame = user_word_inline(thread + python->layout.thread_frame);
	if (frame && python->layout.cframe_frame != APO_PYTHON_NONE)
		frame = user_word_inline(frame + python->layout.cframe_frame);
	/* From 3.15 on each thread has one for C at the bottom. */
	if (frame && python->layout.frame_owner != APO_PYTHON_NONE &&
	    (__u8)user_word_inline(frame + python->layout.frame_owner) >= OWNED_BY_C &&
	    !user_word_inline(frame + python->layout.frame_previous))
		return 0;
	return frame;
}

/*
 * The innermost frame of the running thread; 0: it runs no Python. The newest interpreters come first: a thread that
 * has made one, or runs one for another, has a state in each, and most have no frames. A global function: see above.
 */
__noinline __u64 python_first_frame(__u32 key)
{
	const struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	const struct apo_python *python = &scratch->python;
	__u64 self = compat_thread_pointer((void *)bpf_get_current_task());
	__u64 interpreter, thread, at, frame = 0;

	if (!scratch)
		return 0;
	interpreter = user_word(python->runtime + python->layout.runtime_interpreters);
	at = interpreter + python->layout.interpreter_threads;
	for (__u32 i = 0; i < THREADS_TRIED && interpreter && !frame; i++) {
		thread = user_word(at);
		if (thread) {
			frame = python_thread_frame(thread, self, key);
			at = thread + python->layout.thread_next;
		} else { /* that was the last of it */
			interpreter = user_word(interpreter + python->layout.interpreter_next);
			at = interpreter + python->layout.interpreter_threads;
		}
	}
	return frame;
}

/* A word of the frame at hand; those before 3.11 are of less, and it ends with its members. */
static __always_inline __u64 frame_word(const struct scratch *scratch, __u16 offset)
{
	return scratch->frame[offset / 8 & (APO_PYTHON_FRAME_BYTES / 8 - 1)];
}

static __always_inline __u8 frame_byte(const struct scratch *scratch, __u16 offset)
{
	return frame_word(scratch, offset) >> (offset & 7) * 8;
}

/* Whether the interpreter's function that runs this frame was called by C for it. */
static __always_inline bool python_is_entry(const struct scratch *scratch)
{
	const struct apo_python_layout *layout = &scratch->python.layout;

	if (layout->code_instructions == APO_PYTHON_NONE)
		return true;
	return layout->frame_entry != APO_PYTHON_NONE && frame_byte(scratch, layout->frame_entry);
}

/*
 * Takes a frame as the n-th of the stack that is being taken. Returns the address of the one that has called it;
 * 0: that was the last, or it is none. A global function: see above.
 */
__noinline __u64 python_frame_take(__u64 frame, __u32 key, __u32 n)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	const struct apo_python_layout *layout;
	struct apo_python_frame *ret;
	__u64 code, at;

	if (!scratch)
		return 0;
	layout = &scratch->python.layout;
	if (layout->frame_bytes > sizeof(scratch->frame) ||
	    bpf_probe_read_user(scratch->frame, layout->frame_bytes, (void *)frame))
		return 0;
	/* A bound that the verifier sees. */
	ret = &scratch->stack.python[n & (APO_PYTHON_FRAMES - 1)];
	ret->code = 0;
	ret->at = 0;
	ret->ends = 1;
	if (layout->frame_owner == APO_PYTHON_NONE ||
	    frame_byte(scratch, layout->frame_owner) < OWNED_BY_C) {
		code = frame_word(scratch, layout->frame_code) & ~TAGS;
		if (user_word_inline(code + OBJECT_TYPE) != scratch->python.code_type)
			return 0;
		at = frame_word(scratch, layout->frame_at);
		if (layout->code_instructions != APO_PYTHON_NONE)
			at -= code + layout->code_instructions;
		ret->code = code;
		ret->at = at;
		ret->ends = python_is_entry(scratch);
	}
	scratch->stack.python_count = n + 1;
	return frame_word(scratch, layout->frame_previous);
}

/*
 * Takes the frames of the running thread into the stack that is being taken. Returns a hash of them; 0: there
 * are none. A global function: see above.
 */
__noinline __u64 python_take(__u32 key, __u32 tgid)
{
	const struct apo_python *python = bpf_map_lookup_elem(&pythons, &tgid);
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	struct apo_stack *stack = &scratch->stack;
	__u64 frame, hash = 0;

	if (!python || !scratch)
		return 0;
	scratch->python = *python;
	stack->start_boottime_ns = python->start_boottime_ns;
	frame = python_first_frame(key);
	for (__u32 i = 0; i < APO_PYTHON_FRAMES && frame; i++) {
		frame = python_frame_take(frame, key, i);
		if (stack->python_count <= i)
			break;
		hash = hash_add(hash, stack->python[i].code + stack->python[i].at);
	}
	return hash;
}

/* --- code objects -------------------------------------------------------------------------- */

/* Takes the characters of a str, of those that do not fit the last. Returns the bytes. */
static __always_inline __u32 python_text_read(const struct apo_python *python, __u64 text,
					      void *ret, __u32 room, __u8 *ret_kind)
{
	__u32 state = (__u32)user_word(text + TEXT_STATE), kind = TEXT_KIND(state);
	__u64 bytes = user_word(text + OBJECT_SIZE) * kind;

	text += TEXT_IS_ASCII(state) ? python->layout.text_head : python->layout.wide_text_head;
	if (bytes > room) {
		text += bytes - room;
		bytes = room;
	}
	*ret_kind = kind;
	return bpf_probe_read_user(ret, bytes, (void *)text) ? 0 : bytes;
}

static const struct apo_python_code no_python_code;

/* Makes room for it, in place of the oldest. NULL: it is there already, or there is no room. */
static __always_inline struct apo_python_code *
python_code_add(const struct apo_python_code_key *key)
{
	struct apo_python_code_key oldest;
	int r = bpf_map_update_elem(&python_codes, key, &no_python_code, BPF_NOEXIST);

	if (r == -E2BIG && !bpf_map_pop_elem(&python_code_queue, &oldest)) {
		bpf_map_delete_elem(&python_codes, &oldest);
		r = bpf_map_update_elem(&python_codes, key, &no_python_code, BPF_NOEXIST);
	}
	if (r)
		return NULL;
	bpf_map_push_elem(&python_code_queue, key, 0);
	return bpf_map_lookup_elem(&python_codes, key);
}

/* Keeps of a code object what names its lines. A global function: verified once. */
__noinline int python_code_take(__u64 address, __u32 tgid)
{
	const struct apo_python *python = bpf_map_lookup_elem(&pythons, &tgid);
	struct apo_python_code_key key = {.code = address};
	struct apo_python_code *code;
	__u64 lines, bytes;

	if (!python)
		return 0;
	key.start_boottime_ns = python->start_boottime_ns;
	code = python_code_add(&key);
	if (!code)
		return 0;
	code->address = address;
	code->version = python->version;
	code->first_line = (__u32)user_word(address + python->layout.code_first_line);
	code->file_bytes = python_text_read(python, user_word(address + python->layout.code_file),
					    code->file, sizeof(code->file), &code->file_kind);
	code->name_bytes = python_text_read(python, user_word(address + python->layout.code_name),
					    code->name, sizeof(code->name), &code->name_kind);
	lines = user_word(address + python->layout.code_lines);
	bytes = user_word(lines + OBJECT_SIZE);
	if (bytes > sizeof(code->lines))
		bytes = sizeof(code->lines);
	if (!bpf_probe_read_user(code->lines, bytes, (void *)(lines + BYTES_START)))
		code->lines_bytes = bytes;
	return 0;
}

/* Of each frame of a stack that is new. A global function: verified once. */
__noinline int python_codes_take(__u32 key, __u32 tgid)
{
	const struct apo_stack *stack = bpf_map_lookup_elem(&scratches, &key);

	for (__u32 i = 0; stack && i < APO_PYTHON_FRAMES && i < stack->python_count; i++)
		if (stack->python[i].code)
			python_code_take(stack->python[i].code, tgid);
	return 0;
}
