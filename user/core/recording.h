/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the profiler kept of one incident: the stacks that allocated, and usage samples from before
 * and after the trip. Plain data, filled by profile/. Strings are raw, as the profiled program
 * chose them: renderers escape them. Missing ones are NULL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi_profile.h"
#include "core/runtime.h"

/* Where a distribution's packages put what they have stripped off a program, by its build id, twice. */
#define RECORDING_DEBUG_FILE "/usr/lib/debug/.build-id/%.2s/%s.debug"

/* The path of a module that has no file: what a runtime has compiled. */
#define RECORDING_JIT "[jit]"

#define RECORDING_NONE UINT32_MAX /* instead of an index */

struct recording_function {
	char *name;
	char *source; /* file of the line */
	unsigned int line;
};

/* A file mapped for execution, or what a runtime compiled ("[jit]"). */
struct recording_module {
	char *path;
	char *build_id; /* hexadecimal */
	char *error;	/* why nothing in it has a name */
};

/* A place in the code. */
struct recording_location {
	uint64_t address; /* in the process */
	uint32_t module;  /* index; RECORDING_NONE */
	uint64_t offset;  /* in the module's file; for what was compiled at run time the address */
	bool is_script;	  /* interpreted code: its functions are told by their source alone */
	/* Inlined into each other, innermost first; none where it has no name. */
	struct recording_function *functions;
	size_t function_count;
};

struct recording_stack {
	uint64_t bytes; /* grown since the sample before, summed */
	uint64_t samples;
	uint32_t *locations; /* innermost first; none before it is unwound */
	size_t count;
};

/* Mappings of one name: "[heap]", what the program calls them, a file; "" where they have none. */
struct recording_mapping {
	char name[128];
	uint64_t bytes, largest_bytes; /* resident: of all, and of the largest */
	uint64_t count;
};

/* Resident memory just after the trip, by what it is mapped from. */
struct recording_mappings {
	bool known;
	uint64_t heap_bytes, stack_bytes, anon_bytes, file_bytes, shmem_bytes;
	struct recording_mapping largest[4]; /* largest first; the rest is empty */
};

/* That runs the program. */
struct recording_interpreter {
	bool is_known;		 /* false: there is none, or nobody has looked */
	uint32_t python_version; /* 0x30b for 3.11; 0: not known */
	uint32_t trouble;	 /* enum apo_python_trouble */
};

/* Why there are no lines of the program, in words; static text. NULL: there is nothing to say. */
const char *recording_interpreter_trouble(const struct recording_interpreter *interpreter);

struct recording {
	uint64_t spike_ns;	 /* CLOCK_MONOTONIC: since when growth was sampled */
	uint64_t grown_bytes;	 /* by the process, since then and until the trip */
	uint64_t recorded_bytes; /* of all stacks */
	uint64_t lost_bytes;	 /* of stacks overwritten unread, or too many for a report */
	struct recording_mappings mappings;
	const char *trouble; /* why there are no names at all; static text */
	struct recording_interpreter interpreter;

	struct recording_module *modules;
	size_t module_count;
	struct recording_location *locations;
	size_t location_count;
	struct recording_stack *stacks; /* heaviest first */
	size_t stack_count;
	struct apo_usage_sample *usage_samples; /* by time; pages */
	size_t usage_sample_count;
	uint64_t page_bytes;
};

struct recording *recording_new(void);
/* Takes NULL. Returns NULL. */
struct recording *recording_free(struct recording *recording);
/* Where others are known by now. */
void recording_forget_modules(struct recording *recording);
/* Places, and where stacks are in them: what is known of them by then. */
void recording_forget_places(struct recording *recording);
/* Frees its functions. */
void recording_location_clear(struct recording_location *location);

/* An index, and that of a function there; RECORDING_NONE for an empty stack, or with a runtime. */
struct recording_owner {
	uint32_t location;
	size_t function;
	enum runtime runtime; /* nothing in the stack is the program's: it was this one */
	const char *space;    /* for what, in words; static text; NULL: it is not known */
};

/*
 * The function that each stack's memory is put down to, in the order of the stacks: the innermost one
 * that is not part of an allocator, a libc or a language's runtime (core/runtime.h), because a
 * programmer can change that one. What a runtime has compiled and has no name is that runtime's: the address says
 * nothing. That of an installed package only where there is none of the program's
 * own, a script's before what is in C. Where there is no such function, it is the innermost place without
 * a name outside of their files; else the runtime, as a whole: its functions say nothing to who has
 * to change the program. -ENOMEM.
 */
int recording_owners(const struct recording *recording, struct recording_owner *ret);

/* The most that a report's recording takes: well below FILE_READ_MAX, and 15 reports are kept. */
#define RECORDING_BYTES_MAX (4UL * 1024 * 1024)
#define RECORDING_TOP_MAX 20	 /* functions in the list of those that allocated most */
#define RECORDING_PATH_MAX 255UL /* bytes of a module's path; of longer ones the end is kept */

/*
 * Drops what would make its report longer than that: usage samples in between, and the lightest of
 * the stacks, which then count as lost. Before they are unwound all stacks are of one size, so
 * those that stay keep their indices.
 */
void recording_fit(struct recording *recording);
