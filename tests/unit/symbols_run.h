/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * apoptosis-symbols, asked as the daemon asks it; and itself as a program to ask about. Failures
 * of what is not being tested end the test.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apoptosis/abi_profile.h"

/* An ELF program in memory, and where a process would have it. */
struct program {
	uint8_t *bytes;
	size_t size;
	uint64_t start, end, offset; /* its executable segment: addresses, place in the file */
	uint64_t bias;		     /* addresses in the process minus those in the file */
};

/* The one that is tested. */
struct program program_read(void);
/* Any other. */
struct program program_read_file(const char *path);
void program_free(struct program *program);
/* The address in the process; ends the test if there is no such function. */
uint64_t program_function(const struct program *program, const char *name);
/* Where a section is in the file. False: there is none. */
bool program_section(const struct program *program, const char *name, size_t *ret_offset,
		     size_t *ret_size);

/* A thread at `pc`, at whose stack's top (or in whose link register) is `caller`. */
struct apo_stack stack_at(uint64_t pc, uint64_t caller);

/* A file in memory. The descriptor is inherited. */
int memory_file(const void *bytes, size_t size);

struct run_result {
	int status;	 /* as of wait(2) */
	double cpu_s;	 /* used */
	json_t *answer;	 /* NULL: none that is JSON */
	char *complaint; /* what it wrote to standard error */
};

/* `without`: a capability that it is started without; -1: none. */
struct run_result symbols_run_text(const char *request, int without);
struct run_result symbols_run(json_t *request); /* takes it */
void run_result_clear(struct run_result *result);
