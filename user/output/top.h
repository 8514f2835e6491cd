/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `top`, one screen at a time, from status documents: how limits fill up now, and what happened last. What has been
 * seen of each limit is kept from one document to the next, for its curve.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define TOP_WIDTH_MIN 40
#define TOP_HEIGHT_MIN 8

enum top_sort { TOP_BY_FILL = 0, TOP_BY_NEED, TOP_BY_RATE, TOP_BY_TRIPS, TOP_BY_CGROUP, TOP_SORTS };

/* What the person at the screen has chosen. */
struct top_view {
	enum top_sort sort;
	const char *filter; /* limits whose cgroup's path has this in it; "": all */
	size_t selected;    /* the row, from 0; beyond the last it is the last */
	bool details;	    /* of the selected one, in place of what happened last */
	size_t width, height;
	bool unicode; /* the terminal shows it */
};

enum top_style { TOP_PLAIN = 0, TOP_HEAD, TOP_SELECTED, TOP_ALARM, TOP_HELP };

struct top_line {
	char *text; /* of `width` characters at most, safe to show */
	enum top_style style;
};

struct top;

/* NULL: no memory. */
struct top *top_new(void);
/* Takes NULL. Returns NULL. */
struct top *top_free(struct top *top);

/* Takes in a status. 0 or -ENOMEM. */
int top_take(struct top *top, const json_t *status);

/*
 * The screen, `height` lines at most, which are the top's until the next call; *ret_rows: how many limits can be
 * selected. 0 or -ENOMEM.
 */
int top_draw(struct top *top, const struct top_view *view, const struct top_line **ret,
	     size_t *ret_count, size_t *ret_rows);

/* "fill", "need", "rate", "trips", "cgroup". */
const char *top_sort_name(enum top_sort sort);
