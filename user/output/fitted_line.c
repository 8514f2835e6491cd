/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/fitted_line.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define ELLIPSIS "..."
#define PATH_SHORT 40
#define PATH_SHORTEST 16

int fitted_line_open(struct fitted_line *line)
{
	*line = (struct fitted_line){.path = FITTED_LINE_PARTS};
	line->file = open_memstream(&line->text, &line->size);
	return line->file ? 0 : -ENOMEM;
}

void fitted_line_part(struct fitted_line *line, unsigned int rank)
{
	if (line->count == FITTED_LINE_PARTS)
		return;
	fflush(line->file); /* size is the length so far */
	line->parts[line->count].begin = line->size;
	line->parts[line->count++].rank = rank;
}

void fitted_line_path(struct fitted_line *line, const char *path)
{
	line->path = line->count;
	fitted_line_part(line, FITTED_LINE_KEPT);
	fputs(path, line->file);
	fitted_line_part(line, FITTED_LINE_KEPT);
}

static size_t length_of(const struct fitted_line *line, size_t part)
{
	size_t end = part + 1 < line->count ? line->parts[part + 1].begin : line->size;

	return end - line->parts[part].begin;
}

/* Of all parts of at most that rank, the path cut to path_max. */
static size_t total(const struct fitted_line *line, unsigned int rank, size_t path_max)
{
	size_t sum = 0;

	for (size_t i = 0; i < line->count; i++) {
		size_t length = length_of(line, i);

		if (line->parts[i].rank <= rank)
			sum += i == line->path ? MIN(length, path_max) : length;
	}
	return sum;
}

/* The end of a path; from a slash on, if there is one where it is cut or soon after. */
static void write_path(FILE *out, const char *path, size_t length, size_t max)
{
	const char *rest, *slash;

	if (length <= max || max <= strlen(ELLIPSIS)) {
		fprintf(out, "%.*s", (int)length, path);
		return;
	}
	rest = path + length - (max - strlen(ELLIPSIS));
	slash = memchr(rest, '/', (size_t)(path + length - rest) / 2);
	if (slash)
		rest = slash;
	while (((unsigned char)*rest & 0xc0) == 0x80) /* not within a character of UTF-8 */
		rest++;
	fprintf(out, ELLIPSIS "%.*s", (int)(path + length - rest), rest);
}

static unsigned int highest_rank(const struct fitted_line *line)
{
	unsigned int highest = FITTED_LINE_KEPT;

	for (size_t i = 0; i < line->count; i++)
		highest = MAX(highest, line->parts[i].rank);
	return highest;
}

/* What the other parts leave to the path, and `least` all the same. */
static size_t path_room(const struct fitted_line *line, unsigned int rank, size_t width,
			size_t least)
{
	return MAX(least, sat_sub(width, total(line, rank, 0)));
}

int fitted_line_write(struct fitted_line *line, FILE *out, size_t width)
{
	unsigned int rank = highest_rank(line);
	size_t path_max;

	if (fflush(line->file))
		return -ENOMEM;
	while (rank > FITTED_LINE_KEPT && total(line, rank, PATH_SHORT) > width)
		rank--;
	path_max = path_room(line, rank, width, PATH_SHORTEST);
	for (size_t i = 0; i < line->count; i++) {
		const char *text = line->text + line->parts[i].begin;
		size_t length = length_of(line, i);

		if (i == line->path)
			write_path(out, text, length, path_max);
		else if (line->parts[i].rank <= rank)
			fprintf(out, "%.*s", (int)length, text);
	}
	return 0;
}

void fitted_line_close(struct fitted_line *line)
{
	if (line->file)
		fclose(line->file);
	free(line->text);
	*line = (struct fitted_line){};
}
