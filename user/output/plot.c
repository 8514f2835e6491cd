/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/plot.h"

#include <string.h>

#include "base/parse.h"
#include "base/util.h"
#include "output/document.h"
#include "output/format.h"

#define ROWS 8
#define COLUMNS 64
#define STEPS 8		 /* in a character's height */
#define BEFORE_LEAST 0.6 /* of the width is for what led to the trip */
#define LABEL_COLUMN 12	 /* where the plot begins */
#define TIME_MAX_MS 1e12 /* more counts as not known */
#define BYTES_MAX 9.2e18 /* likewise */

struct plot {
	double begin_ms, end_ms; /* around 0, the trip */
	double before;		 /* share of the width */
	double top_bytes;
	double need[COLUMNS], usage[COLUMNS], limit[COLUMNS]; /* bytes; negative: not known */
};

/* --- the timeline -------------------------------------------------------------------------- */

static size_t column_of(const json_t *timeline, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach (document_at(timeline, "columns"), i, item)
		if (strcmp(json_string_value(item) ?: "", name) == 0)
			return i;
	return SIZE_MAX;
}

/* Negative if it is not known. */
static double bytes_at(const json_t *row, size_t column)
{
	const json_t *cell = json_array_get(row, column);
	double bytes = json_number_value(cell);

	return json_is_number(cell) && bytes >= 0 && bytes < BYTES_MAX ? bytes : -1;
}

static bool time_at(const json_t *row, size_t column, double *ret)
{
	const json_t *cell = json_array_get(row, column);
	double ms = json_number_value(cell);

	if (!json_is_number(cell) || ms < -TIME_MAX_MS || ms > TIME_MAX_MS)
		return false;
	*ret = ms;
	return true;
}

static size_t place(const struct plot *plot, double ms)
{
	double part = ms < 0		 ? plot->before * (1 - ms / plot->begin_ms)
		      : plot->end_ms > 0 ? plot->before + (1 - plot->before) * ms / plot->end_ms
					 : plot->before;

	return MIN((size_t)(part * COLUMNS), (size_t)COLUMNS - 1);
}

/* Fills columns without a sample from the line between their neighbours. */
static void fill_gaps(double values[COLUMNS])
{
	size_t last = SIZE_MAX;

	for (size_t i = 0; i < COLUMNS; i++) {
		if (values[i] < 0)
			continue;
		for (size_t j = last + 1; last != SIZE_MAX && j < i; j++)
			values[j] = values[last] + (values[i] - values[last]) * (double)(j - last) /
							   (double)(i - last);
		last = i;
	}
}

/* False: there are not two samples at different times. */
static bool measure(struct plot *plot, const json_t *rows, size_t ms)
{
	const json_t *row;
	double time, span;
	size_t i, count = 0;

	json_array_foreach (rows, i, row) {
		if (!time_at(row, ms, &time))
			continue;
		plot->begin_ms = MIN(plot->begin_ms, time);
		plot->end_ms = MAX(plot->end_ms, time);
		count++;
	}
	span = plot->end_ms - plot->begin_ms;
	if (count < 2 || span <= 0)
		return false;
	plot->before = plot->begin_ms < 0 ? MAX(-plot->begin_ms / span, BEFORE_LEAST) : 0;
	return true;
}

static bool collect(struct plot *plot, const json_t *timeline)
{
	const json_t *row, *rows = document_at(timeline, "rows");
	size_t ms = column_of(timeline, "ms"), usage = column_of(timeline, "usage_bytes");
	size_t limit = column_of(timeline, "limit_bytes");
	size_t reclaimable = column_of(timeline, "reclaimable_bytes"), i;

	if (!measure(plot, rows, ms))
		return false;
	for (i = 0; i < COLUMNS; i++)
		plot->need[i] = plot->usage[i] = plot->limit[i] = -1;
	json_array_foreach (rows, i, row) {
		double time, cache;
		size_t x;

		if (!time_at(row, ms, &time))
			continue;
		x = place(plot, time);
		plot->usage[x] = MAX(plot->usage[x], bytes_at(row, usage));
		plot->limit[x] = MAX(plot->limit[x], bytes_at(row, limit));
		cache = MAX(bytes_at(row, reclaimable), 0.0);
		plot->need[x] = MAX(plot->need[x], bytes_at(row, usage) - cache);
		plot->top_bytes = MAX(plot->top_bytes, plot->usage[x]);
		plot->top_bytes = MAX(plot->top_bytes, plot->limit[x]);
	}
	fill_gaps(plot->need);
	fill_gaps(plot->usage);
	fill_gaps(plot->limit);
	return plot->top_bytes > 0;
}

/* --- characters ---------------------------------------------------------------------------- */

struct characters {
	const char *need[STEPS + 1]; /* by how much of the height is full */
	const char *cache, *limit;
};

static const struct characters block_characters = {
	.need = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, .cache = "░", .limit = "▔"};
static const struct characters ascii_characters = {
	.need = {" ", " ", " ", " ", "#", "#", "#", "#", "#"}, .cache = ":", .limit = "-"};

/* How full the character of that row is. row 0 is the lowest. */
static int fill_of(const struct plot *plot, double bytes, int row)
{
	int level = bytes < 0 ? 0 : (int)(bytes / plot->top_bytes * ROWS * STEPS + 0.5);

	return MAX(0, MIN(level - row * STEPS, STEPS));
}

static bool has_limit(const struct plot *plot, size_t x, int row)
{
	int level = (int)(plot->limit[x] / plot->top_bytes * ROWS + 0.5);

	return plot->limit[x] > 0 && MAX(level, 1) - 1 == row;
}

static const char *character(const struct plot *plot, size_t x, int row,
			     const struct characters *set)
{
	int fill = fill_of(plot, plot->need[x], row);

	if (*set->need[fill] != ' ')
		return set->need[fill];
	if (fill_of(plot, plot->usage[x], row) >= STEPS / 2)
		return set->cache;
	return has_limit(plot, x, row) ? set->limit : " ";
}

static void print_row(FILE *file, const struct plot *plot, int row, const struct characters *set)
{
	char size[20] = "";

	if (row == ROWS - 1)
		format_size(size, sizeof(size), (uint64_t)plot->top_bytes);
	fprintf(file, "%*s ", LABEL_COLUMN - 1, row == 0 ? "0" : size);
	for (size_t x = 0; x < COLUMNS; x++)
		fputs(character(plot, x, row, set), file);
	fputc('\n', file);
}

static void format_ms(char *buf, size_t size, double ms)
{
	format_duration(buf, size, (uint64_t)((ms < 0 ? -ms : ms) * NSEC_PER_MSEC));
}

/* "-899 ms ... line ... +7.4 ms", each below its place if there is room. */
static void print_times(FILE *file, const struct plot *plot, const char *origin)
{
	char begin[20] = "", end[20] = "";
	int right, line, used;

	if (plot->begin_ms < 0)
		format_ms(begin, sizeof(begin), plot->begin_ms);
	if (plot->end_ms > 0)
		format_ms(end, sizeof(end), plot->end_ms);
	right = LABEL_COLUMN + COLUMNS - (*end ? (int)strlen(end) + 1 : 0);
	line = MIN(LABEL_COLUMN + (int)place(plot, 0), right - (int)strlen(origin) - !!*end);
	used = fprintf(file, "%*s%s%s", LABEL_COLUMN, "", *begin ? "-" : "", begin);
	used += fprintf(file, "%*s%s", MAX(line - used, *begin ? 1 : 0), "", origin);
	if (*end)
		fprintf(file, "%*s+%s", MAX(right - used, 1), "", end);
	fputc('\n', file);
}

void plot_timeline(FILE *file, const json_t *document, bool unicode)
{
	const struct characters *set = unicode ? &block_characters : &ascii_characters;
	const json_t *timeline = document_at(document, "recording.timeline");
	struct plot plot = {};

	if (!collect(&plot, timeline))
		return;
	fprintf(file, "\nThe cgroup over time: need %s, what can be reclaimed %s, its limit %s\n\n",
		set->need[STEPS], set->cache, set->limit);
	for (int row = ROWS - 1; row >= 0; row--)
		print_row(file, &plot, row, set);
	print_times(file, &plot, document_is_text(timeline, "origin", "kill") ? "kill" : "line");
}
