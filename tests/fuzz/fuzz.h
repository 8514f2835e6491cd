/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fuzz targets share. A target is one file, tests/fuzz/NAME.c, with LLVMFuzzerTestOneInput(): it
 * gives bytes that anybody could have written to the code that reads them, as its callers do, and
 * checks what that code promises. Seeds are in tests/fuzz/corpus/NAME, words of the format in
 * tests/fuzz/NAME.dict. What fails here for want of memory or a file ends the run too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run with a finding where a promise is not kept. */
#define FUZZ_CHECK(condition)                                      \
	do {                                                       \
		if (!(condition))                                  \
			fuzz_fail(__FILE__, __LINE__, #condition); \
	} while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *condition);

/* What is left of an input that has several parts, with a form feed between two of them. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* The next part, empty after the last. It ends in a NUL that is not counted; the caller frees it. */
char *fuzz_part(struct fuzz_input *input, size_t *ret_size);

/* Bytes up to the first NUL, or all of them. The caller frees it. */
char *fuzz_text(const uint8_t *data, size_t size);

/* A file with these bytes, in memory, at its beginning; the caller closes it. */
int fuzz_memfd(const void *data, size_t size);
FILE *fuzz_stream(const void *data, size_t size);

/*
 * A directory for the files of this process, "proc/1/stat", that code finds by their names; removed at
 * the end. fuzz_file() writes one of them, and makes the directories above it.
 */
int fuzz_dir(void);
const char *fuzz_dir_path(void);
void fuzz_file(const char *path, const void *data, size_t size);
/* The next part of the input as a file; an empty part as none. */
void fuzz_part_file(struct fuzz_input *input, const char *path);

/* Whether it is lines that a terminal shows as such: valid UTF-8, and no other control character. */
bool fuzz_is_printable(const char *text, bool lines);
