/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Members of a report that was read back. It may be of any program and any version, and nothing in
 * it is trusted: what is absent or of another kind counts as not known, and names are escaped.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* By dotted path, as in "memory.limit_bytes"; NULL if absent. */
const json_t *document_at(const json_t *document, const char *path);

/* The text there; NULL if it is none. */
const char *document_text(const json_t *document, const char *path);

bool document_is_text(const json_t *document, const char *path, const char *text);

/* Whether there is a number. */
bool document_is_known(const json_t *document, const char *path);

/* The path of when the line was crossed: of older reports, the only time there is. */
const char *document_trip_time(const json_t *document);

#define PATHS(...)            \
	(const char *const[]) \
	{                     \
		__VA_ARGS__   \
	}

/*
 * Prints a format in which %t, %n, %s, %u and %m each stand for the member at the next path: text,
 * a number, a size in bytes, a time in us, a time in ms. What is not known is "?".
 */
void document_print(FILE *file, const json_t *document, const char *format,
		    const char *const paths[]);

/* The last part of a path, "libc.so.6". */
const char *document_basename(const char *path);

/*
 * The name of a place in the code that has no function: "libc.so.6+0x96c98", or its address, or
 * "[unknown]". Raw; the caller frees it. NULL: no memory. Each argument may be NULL.
 */
char *document_place(const char *module, const char *offset, const char *address);
