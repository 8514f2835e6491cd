/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line of parts that is to fit a width: what is least important goes first. A path may lose its beginning. Lengths
 * are bytes.
 *
 * fitted_line_open(), a part after the other, fitted_line_close() on every way out.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define FITTED_LINE_PARTS 12
#define FITTED_LINE_KEPT 0 /* rank of a part that stays */

struct fitted_line {
	FILE *file; /* where the text of the present part is printed */
	char *text;
	size_t size, count;
	struct {
		size_t begin;
		unsigned int rank; /* those of a higher one go first */
	} parts[FITTED_LINE_PARTS];
	size_t path; /* the part that is a path; FITTED_LINE_PARTS: none is */
};

/* 0 or -ENOMEM. */
int fitted_line_open(struct fitted_line *line);
/* What is printed to line->file from now on is a part of that rank; beyond FITTED_LINE_PARTS of the last one. */
void fitted_line_part(struct fitted_line *line, unsigned int rank);
/* A part that is this path and stays, without its beginning if need be. One of a line. */
void fitted_line_path(struct fitted_line *line, const char *path);
/*
 * Writes what fits into width bytes, without newline. The path is cut to 40 bytes before any part goes, and to 16
 * when all that may go have gone. What is left then is written, whether it fits or not. 0 or -ENOMEM.
 */
int fitted_line_write(struct fitted_line *line, FILE *out, size_t width);
/* Frees what it holds. */
void fitted_line_close(struct fitted_line *line);
