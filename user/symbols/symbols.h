/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frames of a stack, and the names of their functions. All input comes from the program that is
 * profiled, and none of it is trusted: this runs in a process of its own, without privileges and
 * with little memory and time (main.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "apoptosis/abi_profile.h"

#define SYMBOL_NAME_MAX 512 /* bytes, with the NUL; longer names are cut */
#define SYMBOL_DEPTH 32	    /* functions inlined into each other at one address */
#define FRAMES_MAX 127	    /* of one stack */

struct symbol {
	char function[SYMBOL_NAME_MAX]; /* empty: not known */
	char source[SYMBOL_NAME_MAX];	/* empty: not known */
	unsigned int line;
};

/* Copies what fits, and reads no more than that: a file can have a name of gigabytes. */
static inline void symbol_copy(char ret[SYMBOL_NAME_MAX], const char *text)
{
	snprintf(ret, SYMBOL_NAME_MAX, "%.*s", SYMBOL_NAME_MAX - 1, text);
}

/* The functions at one address, innermost first. */
struct symbol_list {
	size_t count;
	struct symbol symbols[SYMBOL_DEPTH];
};

struct frame {
	uint64_t address; /* of the instruction; of a code object of CPython */
	bool is_return;	  /* the place is the call just before the address */
	bool is_python;
	uint32_t at; /* in that code object */
};

/* The code of one process: the ELF files mapped in it, at their addresses. */
struct code;

struct code *code_new(void);
/* Takes NULL. Returns NULL. */
struct code *code_free(struct code *code);

/*
 * Adds a file whose part at `offset` is mapped at address `start`. Takes the descriptor, also when
 * it fails. False, with the reason in *ret_error (static text): it is no ELF file, or a broken one.
 */
bool code_add(struct code *code, int fd, uint64_t start, uint64_t offset, const char **ret_error);

/*
 * Names and lines of the file that was added last are in this one, which was kept apart from it: believed where both
 * have the same build id. Takes the descriptor, which may be -1.
 */
void code_add_debug(struct code *code, int fd);

/*
 * The build id, in hexadecimal, of the file that was added for this address; NULL: it has none, or
 * there is no file.
 */
const char *code_build_id(struct code *code, uint64_t address);

/* Where a symbol of that name is, in the first file that has one; false: in none. */
bool code_symbol(struct code *code, const char *name, uint64_t *ret_address);

/* What a file holds for an address: data as it is before the program runs. False: not all of it is in a file. */
bool code_data(struct code *code, uint64_t address, void *ret, size_t size);

/*
 * Unwinds a stack into frames, innermost first: by unwind tables where the code has some, else by
 * the frame pointer. Ends where `is_code` says that an address is not in executable memory.
 */
size_t code_unwind(struct code *code, const struct apo_stack *stack,
		   bool (*is_code)(uint64_t address, const void *userdata), const void *userdata,
		   struct frame frames[FRAMES_MAX]);

/* The functions at a frame; an empty list if no file has a name for it. */
void code_find(struct code *code, const struct frame *frame, struct symbol_list *ret);

/*
 * The function table that Go programs carry, stripped or not. NULL: it has none that is understood
 * (Go 1.18 and newer). Borrows the text of the section, which stays mapped.
 */
struct go_table;
struct go_table *go_table_open(const uint8_t *section, size_t size, uint64_t text_address);
void go_table_close(struct go_table *table);
bool go_table_find(const struct go_table *table, uint64_t address, struct symbol *ret);

/*
 * A perf map: lines of "START SIZE NAME", addresses in hexadecimal, as runtimes that compile at run
 * time write them. Takes the descriptor. A later line replaces an earlier one that it overlaps.
 */
struct perf_map;
struct perf_map *perf_map_open(int fd, const char **ret_error);
void perf_map_close(struct perf_map *map);
bool perf_map_find(const struct perf_map *map, uint64_t address, struct symbol *ret);

/* Makes names readable: C++, without parameters, and Rust. Others are copied, cut to size. */
void demangle(const char *name, char ret[SYMBOL_NAME_MAX]);
