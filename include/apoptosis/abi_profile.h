/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The interface of the kernel side and user space, as abi.h is: what the profiler records. */
#pragma once

#include "apoptosis/abi.h"

#define APO_REGISTERS 34     /* words of user-mode registers: arm64 has 34, x86-64 21 */
#define APO_STACK_BYTES 8192 /* kept of a user stack, from its top */

/*
 * The profiler: who allocated what in a spike. A spike is the growth of one process since it was
 * last calm; its growth is sampled every APO_SAMPLE_PAGES, and each sample weighs the pages since
 * the one before. So the weights of a spike add up to what the process has grown.
 */
#define APO_SAMPLE_PAGES 64
#define APO_SAMPLE_PAGES_PYTHON 96 /* with frames of CPython: as much cost for each page */

/*
 * CPython keeps its frames apart from the stack of the machine. User space finds its structures in a process
 * (apoptosis-symbols); the kernel side walks them where it samples.
 */
#define APO_PYTHON_FRAMES 64	   /* kept of one stack, the innermost */
#define APO_PYTHON_FRAME_BYTES 128 /* looked at of one frame */
#define APO_PYTHON_NONE 0xffff	   /* in place of an offset: this version has no such member */

/* Offsets of members, of one version of CPython. */
struct apo_python_layout {
	__u16 runtime_interpreters; /* in _PyRuntime */
	__u16 interpreter_next, interpreter_threads;
	__u16 thread_next, thread_id, thread_frame;
	__u16 cframe_frame; /* NONE: thread_frame is that of the frame itself */
	__u16 frame_code, frame_previous, frame_at, frame_owner;
	__u16 frame_entry;	 /* NONE: see apo_python_frame */
	__u16 frame_bytes;	 /* that hold all of these, APO_PYTHON_FRAME_BYTES at most */
	__u16 code_instructions; /* NONE: frame_at is an index */
	__u16 code_first_line, code_file, code_name, code_lines;
	__u16 text_head,
		wide_text_head; /* bytes before the characters of a str, all ASCII or not */
};
_Static_assert(sizeof(struct apo_python_layout) == 40, "apo_python_layout is ABI");

/* Why the frames of a CPython cannot be had. */
enum apo_python_trouble {
	APO_PYTHON_UNDERSTOOD,
	APO_PYTHON_OLDER,	  /* than what is known */
	APO_PYTHON_NEWER,	  /* the same */
	APO_PYTHON_WITHOUT_GIL,	  /* built so: its structures differ */
	APO_PYTHON_STRANGE,	  /* it says of itself what cannot be */
	APO_PYTHON_WITHOUT_NAMES, /* nothing says where its structures are */
	APO_PYTHON_UNREADABLE,	  /* they were not where they should be */
};

struct apo_python {
	__u64 start_boottime_ns; /* of the process */
	__u64 runtime;		 /* address of _PyRuntime */
	__u64 code_type;	 /* of PyCode_Type: what is no code object is left alone */
	__u32 version;		 /* 0x30b for 3.11; 0: not known */
	__u32 trouble; /* enum apo_python_trouble; the kernel side has only what is understood */
	struct apo_python_layout layout;
};
_Static_assert(sizeof(struct apo_python) == 72, "apo_python is ABI");

struct apo_python_frame {
	__u64 code; /* address of the code object; 0: C called the frame before, which ends a run, too */
	__u32 at; /* the instruction, as the version counts them */
	__u32 ends; /* 1: C called this frame: the interpreter's function has run it and those before it */
};
_Static_assert(sizeof(struct apo_python_frame) == 16, "apo_python_frame is ABI");

#define APO_PYTHON_FILE_BYTES 384
#define APO_PYTHON_NAME_BYTES 128
#define APO_PYTHON_LINES_BYTES 4096

struct apo_python_code_key {
	__u64 start_boottime_ns; /* of the process */
	__u64 code;		 /* address of the code object */
};
_Static_assert(sizeof(struct apo_python_code_key) == 16, "apo_python_code_key is ABI");

/* Of a code object what names a line, as it is in memory. */
struct apo_python_code {
	__u64 address;
	__u32 version;
	__u32 first_line;
	__u32 file_bytes, name_bytes, lines_bytes; /* that were kept: of the file its end */
	__u8 file_kind, name_kind;		   /* bytes of a character: 1 (Latin 1), 2, 4 */
	__u8 pad[2];
	__u8 file[APO_PYTHON_FILE_BYTES];
	__u8 name[APO_PYTHON_NAME_BYTES];
	__u8 lines[APO_PYTHON_LINES_BYTES]; /* co_linetable; co_lnotab before 3.10 */
};
_Static_assert(sizeof(struct apo_python_code) == 4640, "apo_python_code is ABI");

/*
 * The registers and the top of the stack of a thread in user mode, and its frames of CPython, key: a hash
 * that differs between paths through the code. User space finds the frames of the machine in it later.
 */
struct apo_stack {
	__u64 registers[APO_REGISTERS]; /* struct pt_regs (x86-64), struct user_pt_regs (arm64) */
	__u64 sp;			/* address of the copy */
	__u64 start_boottime_ns;	/* of the process, where there are frames of CPython */
	__u32 bytes;			/* of the copy that were readable */
	__u32 python_count;
	struct apo_python_frame python[APO_PYTHON_FRAMES]; /* innermost first */
	__u8 copy[APO_STACK_BYTES];
};
_Static_assert(sizeof(struct apo_stack) == 9512, "apo_stack is ABI");

struct apo_weight_key {
	__u64 spike_ns; /* which spike */
	__u64 stack;	/* key of the stack */
	__u32 tgid;
	__u32 pad;
};
_Static_assert(sizeof(struct apo_weight_key) == 24, "apo_weight_key is ABI");

struct apo_weight {
	__u64 pages;
	__u64 samples;
};
_Static_assert(sizeof(struct apo_weight) == 16, "apo_weight is ABI");

/*
 * The state of a limit at one time: taken at a trip, and where usage has moved by a 512th of the
 * limit, then at most once a millisecond.
 */
struct apo_usage_sample {
	__u64 time_ns; /* 0: none yet */
	__u64 limit_cgroup;
	__u64 limit_pages;
	__u64 usage_pages;
	__u64 reclaimable_pages;
	__u64 rate_pages_s;
	__u64 rss_pages[APO_KINDS]; /* of the process, within the per-CPU batch */
	__u32 tgid;
	__u32 pad;
};
_Static_assert(sizeof(struct apo_usage_sample) == 88, "apo_usage_sample is ABI");
