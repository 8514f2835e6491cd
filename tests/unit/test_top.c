/* SPDX-License-Identifier: BSD-2-Clause */
/* The screens of top. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "output/top.h"

#define LIMIT(name, need, rate, trips)                                                         \
	"{\"cgroup\":\"" name "\",\"need_bytes\":" #need                                       \
	",\"limit_bytes\":1048576,\"rate_bytes_per_s\":" #rate                                 \
	",\"seconds_to_limit\":null,\"trips\":" #trips ",\"lent_bytes\":0,\"mode\":\"lends\"," \
	"\"policy_from\":\"--all\",\"loan\":null}"

static const char status[] =
	"{\"self\":{\"pid\":42,\"seconds\":100.0,\"memory_bytes\":10485760,\"cpu_seconds\":1.0},"
	"\"verdicts\":{\"open\":0,\"saved\":2,\"too late\":1},\"gaps\":[{}],"
	"\"recent\":[{\"time\":\"2026-01-31T12:00:00.000000Z\",\"verdict\":\"saved\","
	"\"cgroup\":\"/b\",\"process\":\"old\"},{\"time\":\"2026-01-31T13:00:00.000000Z\","
	"\"verdict\":\"ended\",\"cgroup\":\"/a\",\"process\":\"new\\u001b[31m\"}],"
	"\"limits\":[" LIMIT("/a", 524288, 1024, 0) "," LIMIT("/b", 1048576, 0, 3) "," LIMIT(
		"/kubepods.slice/kubepods-burstable.slice/pod-0123456789/web", 262144, 2048,
		1) "]}";

static struct top *of(const char *text)
{
	struct top *top = top_new();
	json_t *document = json_loads(text, 0, NULL);

	cr_assert(document && top_take(top, document) == 0);
	json_decref(document);
	return top;
}

/* All lines of the screen, each after the first letter of its style. */
static char *drawn(struct top *top, const struct top_view *view, size_t *ret_rows)
{
	const struct top_line *lines;
	size_t count, size;
	char *text = NULL;
	FILE *file = open_memstream(&text, &size);

	cr_assert_eq(top_draw(top, view, &lines, &count, ret_rows), 0);
	cr_assert_leq(count, view->height);
	for (size_t i = 0; i < count; i++) {
		fprintf(file, "%c|%s\n", " HSA?"[lines[i].style], lines[i].text);
		cr_expect(view->unicode || strlen(lines[i].text) <= view->width, "%s",
			  lines[i].text);
	}
	fclose(file);
	return text;
}

Test(top, a_screen_of_80_by_16)
{
	const struct top_view view = {.filter = "", .width = 80, .height = 16, .selected = 1};
	struct top *top = of(status);
	size_t rows;
	_cleanup_free_ char *text = drawn(top, &view, &rows);

	cr_expect_eq(rows, 3);
	cr_expect_str_eq(
		text,
		" |apoptosis 42 up 1m40s; 10.0 MiB, 1.00 % of a CPU; 3 limits, 1 less protected\n"
		" |verdicts: saved 2, too late 1\n"
		"H|      NEED     LIMIT  FULL        RATE TO LIMIT TRIPS LATELY      CGROUP\n"
		" |   1.0 MiB   1.0 MiB  100%       0 B/s        -     3          #  /b\n"
		"S| 512.0 KiB   1.0 MiB   50%   1.0 KiB/s        -     0          :  /a\n"
		" | 256.0 KiB   1.0 MiB   25%   2.0 KiB/s        -     1          .  "
		"..23456789/web\n"
		" |\n"
		" |\n"
		" |\n"
		" |\n"
		"H|LAST INCIDENTS       VERDICT   PROCESS          CGROUP\n"
		" |2026-01-31T13:00:00  ended     new\\x1B[31m      /a\n"
		" |2026-01-31T12:00:00  saved     old              /b\n"
		" |\n"
		" |\n"
		"?|q quit   s sort: fill   / filter: none   up, down, enter: details\n",
		"%s", text);
	top_free(top);
}

static void expect_first(enum top_sort sort, const char *name)
{
	const struct top_view view = {.sort = sort, .filter = "", .width = 120, .height = 16};
	struct top *top = of(status);
	size_t rows;
	_cleanup_free_ char *text = drawn(top, &view, &rows);
	const char *first = strstr(text, "S|"), *end = first ? strchr(first, '\n') : NULL;

	cr_assert(end, "nothing is selected: %s", text);
	cr_expect(strncmp(end - strlen(name), name, strlen(name)) == 0, "by %s: %s",
		  top_sort_name(sort), text);
	top_free(top);
}

Test(top, by_each_column)
{
	expect_first(TOP_BY_FILL, "/b");
	expect_first(TOP_BY_NEED, "/b");
	expect_first(TOP_BY_RATE, "/web");
	expect_first(TOP_BY_TRIPS, "/b");
	expect_first(TOP_BY_CGROUP, "/a");
}

Test(top, the_filter_and_the_details)
{
	const struct top_view view = {
		.filter = "web", .width = 120, .height = 16, .details = true, .selected = 99};
	struct top *top = of(status);
	size_t rows;
	_cleanup_free_ char *text = drawn(top, &view, &rows);

	cr_expect_eq(rows, 1);
	cr_expect(strstr(text, "guarded by --all: lends") && !strstr(text, "LAST INCIDENTS") &&
			  strstr(text, "/ filter: web"),
		  "%s", text);
	top_free(top);
}

Test(top, a_curve_is_of_the_last_ten_looks)
{
	const struct top_view view = {.filter = "/a", .width = 80, .height = 16, .unicode = true};
	struct top *top = top_new();
	_cleanup_free_ char *text = NULL;
	size_t rows;

	for (int i = 0; i < 12; i++) {
		json_t *document = json_pack("{s:[{s:s,s:i,s:i}]}", "limits", "cgroup", "/a",
					     "limit_bytes", 11, "need_bytes", i);

		cr_assert_eq(top_take(top, document), 0);
		json_decref(document);
	}
	text = drawn(top, &view, &rows);
	cr_expect(strstr(text, "\u2581\u2582\u2583\u2584\u2584\u2585\u2586\u2587\u2587\u2588  /a"),
		  "%s", text);
	top_free(top);
}

/* Many come and go; the smallest screen; none at all. */
Test(top, whatever_comes)
{
	struct top_view view = {.filter = "", .width = TOP_WIDTH_MIN, .height = TOP_HEIGHT_MIN};
	struct top *top = of("{}");
	size_t rows;
	_cleanup_free_ char *text = drawn(top, &view, &rows), *later = NULL;

	cr_expect(rows == 0 && strstr(text, "no limits to show"), "%s", text);
	for (int i = 0; i < 50; i++) {
		json_t *limits = json_array(), *document = json_pack("{s:o}", "limits", limits);

		for (int j = 0; j < 100; j++) {
			char name[32];

			snprintf(name, sizeof(name), "/%d", i * 50 + j);
			json_array_append_new(limits,
					      json_pack("{s:s,s:i,s:i}", "cgroup", name,
							"limit_bytes", 100, "need_bytes", j));
		}
		cr_assert_eq(top_take(top, document), 0);
		json_decref(document);
	}
	view.selected = 99;
	later = drawn(top, &view, &rows);
	cr_expect_eq(rows, 100);
	cr_expect(strstr(later, "S|"), "%s", later);
	top_free(top);
}
