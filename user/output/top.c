/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/top.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "output/document.h"
#include "output/format.h"
#include "output/status_cells.h"

#define CURVE 10 /* looks that are shown of each limit */
#define RECENT 4 /* incidents, where there is room for limits beside them */

/* What has been seen of a limit. */
struct seen {
	char *cgroup;
	double fills[CURVE]; /* the last first; 0 to 1 */
	size_t count;
	bool is_there; /* in the last status */
};

struct top {
	json_t *status; /* the last; NULL: none yet */
	struct seen *seen;
	size_t seen_count;
	struct top_line *lines;
	size_t line_count;
};

static const char *const sort_names[TOP_SORTS] = {
	[TOP_BY_FILL] = "fill",	  [TOP_BY_NEED] = "need",     [TOP_BY_RATE] = "rate",
	[TOP_BY_TRIPS] = "trips", [TOP_BY_CGROUP] = "cgroup",
};

const char *top_sort_name(enum top_sort sort)
{
	return sort_names[sort];
}

/* --- what is kept -------------------------------------------------------------------------- */

struct top *top_new(void)
{
	return calloc(1, sizeof(struct top));
}

static void clear_lines(struct top *top)
{
	for (size_t i = 0; i < top->line_count; i++)
		free(top->lines[i].text);
	free(top->lines);
	top->lines = NULL;
	top->line_count = 0;
}

struct top *top_free(struct top *top)
{
	if (!top)
		return NULL;
	clear_lines(top);
	for (size_t i = 0; i < top->seen_count; i++)
		free(top->seen[i].cgroup);
	free(top->seen);
	json_decref(top->status);
	free(top);
	return NULL;
}

static double number(const json_t *document, const char *path)
{
	return json_number_value(document_at(document, path));
}

static int by_name(const void *a, const void *b)
{
	const struct seen *p = a, *q = b;

	return strcmp(p->cgroup, q->cgroup);
}

/* Those of before are in order, `sorted` of them. */
static struct seen *find(struct top *top, size_t sorted, const char *cgroup)
{
	struct seen key = {.cgroup = (char *)cgroup};

	return sorted ? bsearch(&key, top->seen, sorted, sizeof(key), by_name) : NULL;
}

/* Once for each look: a limit that several policies judge is there several times. */
static void note(struct seen *seen, double fill)
{
	if (seen->is_there)
		return;
	memmove(seen->fills + 1, seen->fills, (CURVE - 1) * sizeof(*seen->fills));
	seen->fills[0] = fill;
	seen->count = MIN(seen->count + 1, (size_t)CURVE);
	seen->is_there = true;
}

/* Those that are gone make room, so that it does not grow with what comes and goes. */
static void forget_gone(struct top *top)
{
	size_t kept = 0;

	for (size_t i = 0; i < top->seen_count; i++) {
		if (top->seen[i].is_there)
			top->seen[kept++] = top->seen[i];
		else
			free(top->seen[i].cgroup);
	}
	top->seen_count = kept;
	if (kept)
		qsort(top->seen, kept, sizeof(*top->seen), by_name);
}

static int note_all(struct top *top, const json_t *limits)
{
	size_t sorted = top->seen_count, i;
	struct seen *more =
		reallocarray(top->seen, sorted + json_array_size(limits) + 1, sizeof(*more));
	const json_t *limit;

	if (!more)
		return -ENOMEM;
	top->seen = more;
	for (i = 0; i < sorted; i++)
		more[i].is_there = false;
	json_array_foreach (limits, i, limit) {
		struct seen *seen = find(top, sorted, status_cgroup(limit));

		if (!seen) {
			seen = &more[top->seen_count];
			*seen = (struct seen){.cgroup = strdup(status_cgroup(limit))};
			if (!seen->cgroup)
				return -ENOMEM;
			top->seen_count++;
		}
		note(seen, status_fill(limit));
	}
	forget_gone(top);
	return 0;
}

int top_take(struct top *top, const json_t *status)
{
	json_decref(top->status);
	top->status = json_incref((json_t *)status);
	return note_all(top, document_at(status, "limits"));
}

/* --- lines --------------------------------------------------------------------------------- */

struct screen {
	struct top *top;
	const struct top_view *view;
	const json_t **limits; /* that are shown, in their order */
	size_t count, selected;
	int error;
};

/* Cut where the screen ends, between two characters. */
static void cut(char *text, size_t width)
{
	size_t columns = 0, at = 0;

	while (text[at] && columns < width) {
		at += MAX(text_utf8_sequence(text + at, NULL), (size_t)1);
		columns++;
	}
	text[at] = '\0';
}

/* Takes the text; NULL: there was no memory for it. */
static void add_text(struct screen *screen, enum top_style style, char *text)
{
	struct top *top = screen->top;

	if (!text)
		screen->error = -ENOMEM;
	if (screen->error || top->line_count >= screen->view->height) {
		free(text);
		return;
	}
	cut(text, screen->view->width);
	top->lines[top->line_count++] = (struct top_line){.text = text, .style = style};
}

__attribute__((format(printf, 3, 4))) static void add(struct screen *screen, enum top_style style,
						      const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	add_text(screen, style, text);
}

/* By a format of document_print(). */
static void add_document(struct screen *screen, enum top_style style, const json_t *document,
			 const char *format, const char *const paths[])
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (file) {
		document_print(file, document, format, paths);
		fclose(file);
	}
	add_text(screen, style, text);
}

static size_t lines_left(const struct screen *screen)
{
	return screen->view->height - screen->top->line_count;
}

/* --- limits -------------------------------------------------------------------------------- */

static int compare_numbers(const json_t *p, const json_t *q, const char *path)
{
	double m = number(p, path), n = number(q, path);

	return (m < n) - (m > n);
}

/* Ties are in the order of their names, so that rows do not jump. */
static int compare(const void *a, const void *b, void *userdata)
{
	const json_t *p = *(const json_t *const *)a, *q = *(const json_t *const *)b;
	const enum top_sort *sort = userdata;
	int order = 0;

	switch (*sort) {
	case TOP_BY_FILL:
		order = (status_fill(p) < status_fill(q)) - (status_fill(p) > status_fill(q));
		break;
	case TOP_BY_NEED:
		order = compare_numbers(p, q, "need_bytes");
		break;
	case TOP_BY_RATE:
		order = compare_numbers(p, q, "rate_bytes_per_s");
		break;
	case TOP_BY_TRIPS:
		order = compare_numbers(p, q, "trips");
		break;
	case TOP_BY_CGROUP:
	case TOP_SORTS:
		break;
	}
	return order ?: strcmp(status_cgroup(p), status_cgroup(q));
}

static int choose(struct screen *screen)
{
	const json_t *all = document_at(screen->top->status, "limits"), *limit;
	enum top_sort sort = screen->view->sort;
	size_t i;

	screen->limits = calloc(json_array_size(all) + 1, sizeof(*screen->limits));
	if (!screen->limits)
		return -ENOMEM;
	json_array_foreach (all, i, limit)
		if (strstr(status_cgroup(limit), screen->view->filter))
			screen->limits[screen->count++] = limit;
	qsort_r(screen->limits, screen->count, sizeof(json_t *), compare, &sort);
	screen->selected = screen->count ? MIN(screen->view->selected, screen->count - 1) : 0;
	return 0;
}

/* One character for each look, the last at the right: eighths of the limit. */
static void draw_curve(const struct screen *screen, const json_t *limit, char curve[4 * CURVE + 1])
{
	static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
					     "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const plain[] = {" ", ".", ".", ":", ":", "-", "=", "#", "#"};
	const struct seen *seen = find(screen->top, screen->top->seen_count, status_cgroup(limit));
	char *at = curve;

	for (size_t i = CURVE; i > 0; i--) {
		bool is_known = seen && i <= seen->count;
		double fill = is_known ? MAX(MIN(seen->fills[i - 1], 1.0), 0.0) : 0;
		size_t level = (size_t)(fill * 8 + 0.5);

		at = stpcpy(at, screen->view->unicode ? blocks[level] : plain[level]);
	}
}

/* Of a path too long for its place the end is shown, which tells more. */
static char *fit_name(const char *raw, size_t width)
{
	char *name = text_escape_line(raw);
	size_t length = name ? strlen(name) : 0, from = 0;

	if (length <= width || width < 2)
		return name;
	from = length - width + 2;
	while (from < length && ((unsigned char)name[from] & 0xC0) == 0x80)
		from++;
	memmove(name + 2, name + from, length - from + 1);
	name[0] = name[1] = '.';
	return name;
}

#define NAME_AT 66

static void add_limit(struct screen *screen, size_t index)
{
	const json_t *limit = screen->limits[index];
	size_t width = screen->view->width > NAME_AT + 8 ? screen->view->width - NAME_AT : 8;
	_cleanup_free_ char *name = fit_name(status_cgroup(limit), width);
	char need[20], bytes[20], rate[20], time[16], curve[4 * CURVE + 1];
	bool is_selected = index == screen->selected;

	if (!name) {
		screen->error = -ENOMEM;
		return;
	}
	status_bytes(need, sizeof(need), limit, "need_bytes");
	status_bytes(bytes, sizeof(bytes), limit, "limit_bytes");
	status_bytes(rate, sizeof(rate), limit, "rate_bytes_per_s");
	status_seconds(time, sizeof(time), limit, "seconds_to_limit");
	draw_curve(screen, limit, curve);
	add(screen,
	    is_selected ? TOP_SELECTED
	    : document_is_known(limit, "loan.lent_ms") && number(limit, "lent_bytes") > 0
		    ? TOP_ALARM
		    : TOP_PLAIN,
	    "%10s%10s%5.0f%%%10s/s%9s%6.0f %s  %s", need, bytes, 100 * status_fill(limit), rate,
	    time, number(limit, "trips"), curve, name);
}

/* The selected one is always on the screen. */
static void add_limits(struct screen *screen, size_t room)
{
	size_t from = 0;

	add(screen, TOP_HEAD, "%10s%10s%6s%12s%9s%6s %-*s  %s", "NEED", "LIMIT", "FULL", "RATE",
	    "TO LIMIT", "TRIPS", CURVE, "LATELY", "CGROUP");
	if (screen->selected >= room)
		from = screen->selected - room + 1;
	for (size_t i = 0; i < room; i++) {
		if (from + i < screen->count)
			add_limit(screen, from + i);
		else
			add(screen, TOP_PLAIN, "%s", i || screen->count ? "" : "no limits to show");
	}
}

/* --- above and below ----------------------------------------------------------------------- */

static void add_summary(struct screen *screen)
{
	const json_t *status = screen->top->status, *verdicts = document_at(status, "verdicts");
	char up[16], text[256] = "";
	const char *name;
	size_t length = 0;
	json_t *count;

	status_seconds(up, sizeof(up), status, "self.seconds");
	add(screen, TOP_PLAIN,
	    "apoptosis %.0f up %s; %.1f MiB, %.2f %% of a CPU; %zu limits, %zu less "
	    "protected",
	    number(status, "self.pid"), up, number(status, "self.memory_bytes") / (1 << 20),
	    status_cpu_percent(status), json_array_size(document_at(status, "limits")),
	    json_array_size(document_at(status, "gaps")));
	json_object_foreach ((json_t *)verdicts, name, count) {
		_cleanup_free_ char *safe = text_escape_line(name);

		if (json_integer_value(count) > 0 && length < sizeof(text))
			length += (size_t)snprintf(text + length, sizeof(text) - length,
						   "%s%s %" JSON_INTEGER_FORMAT, length ? ", " : "",
						   safe ?: "?", json_integer_value(count));
	}
	add(screen, TOP_PLAIN, "verdicts: %s", *text ? text : "none");
	if (document_text(status, "self.configuration_refused"))
		add_document(screen, TOP_ALARM, status, "the configuration is as it was before: %t",
			     PATHS("self.configuration_refused"));
}

static void add_recent(struct screen *screen, size_t room)
{
	const json_t *recent = document_at(screen->top->status, "recent");
	size_t count = json_array_size(recent);

	add(screen, TOP_HEAD, "%-20s %-9s %-16s %s", "LAST INCIDENTS", "VERDICT", "PROCESS",
	    "CGROUP");
	if (!count)
		add(screen, TOP_PLAIN, "none since the start");
	for (size_t i = 0; i < MIN(count, room); i++) {
		const json_t *row = json_array_get(recent, count - 1 - i);
		_cleanup_free_ char *process =
			text_escape_line(document_text(row, "process") ?: "?");
		_cleanup_free_ char *cgroup = text_escape_line(document_text(row, "cgroup") ?: "?");
		_cleanup_free_ char *verdict =
			text_escape_line(document_text(row, "verdict") ?: "?");
		_cleanup_free_ char *time = text_escape_line(document_text(row, "time") ?: "?");

		add(screen, TOP_PLAIN, "%-20.19s %-9s %-16s %s", time ?: "?", verdict ?: "?",
		    process ?: "?", cgroup ?: "?");
	}
}

static void add_details(struct screen *screen)
{
	const json_t *limit = screen->count ? screen->limits[screen->selected] : NULL;

	add_document(screen, TOP_HEAD, limit, "%t", PATHS("cgroup"));
	add_document(screen, TOP_PLAIN, limit, "guarded by %t: %t", PATHS("policy_from", "mode"));
	add_document(screen, TOP_PLAIN, limit,
		     "left %s, least ever %s; peak %s; lent now %s; trips %n, OOM kills %n",
		     PATHS("headroom_bytes", "least_headroom_bytes", "peak_need_bytes",
			   "lent_bytes", "trips", "oom_kills"));
	add_document(
		screen, TOP_PLAIN, limit,
		"verdicts: saved %n, ended %n, too late %n, ignored %n, missed %n, needless %n",
		PATHS("verdicts.saved", "verdicts.ended", "verdicts.too late", "verdicts.ignored",
		      "verdicts.missed", "verdicts.needless"));
}

static int draw(struct screen *screen)
{
	size_t below = RECENT + 2; /* with a head, and the line of keys */
	int r = choose(screen);

	if (r)
		return r;
	add_summary(screen);
	if (lines_left(screen) < below + 4)
		below = 1;
	add_limits(screen, lines_left(screen) > below + 1 ? lines_left(screen) - below - 1 : 0);
	if (below > 1 && screen->view->details)
		add_details(screen);
	else if (below > 1)
		add_recent(screen, RECENT);
	while (!screen->error && lines_left(screen) > 1)
		add(screen, TOP_PLAIN, "%s", "");
	add(screen, TOP_HELP, "q quit   s sort: %s   / filter: %s   up, down, enter: details",
	    top_sort_name(screen->view->sort),
	    *screen->view->filter ? screen->view->filter : "none");
	return screen->error;
}

int top_draw(struct top *top, const struct top_view *view, const struct top_line **ret,
	     size_t *ret_count, size_t *ret_rows)
{
	struct screen screen = {.top = top, .view = view};
	int r;

	clear_lines(top);
	top->lines = calloc(view->height, sizeof(*top->lines));
	r = top->lines ? draw(&screen) : -ENOMEM;
	free(screen.limits);
	if (r)
		return r;
	*ret = top->lines;
	*ret_count = top->line_count;
	*ret_rows = screen.count;
	return 0;
}
