/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/plot.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static char *plot_from(const char *origin, const char *rows, bool unicode)
{
	json_t *document = json_pack("{s:{s:{s:s*, s:[s,s,s,s], s:o}}}", "recording", "timeline",
				     "origin", origin, "columns", "ms", "usage_bytes",
				     "reclaimable_bytes", "limit_bytes", "rows",
				     json_loads(rows, 0, NULL));
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_not_null(document, "%s", rows);
	plot_timeline(file, document, unicode);
	fclose(file);
	json_decref(document);
	return text;
}

static char *plot_of(const char *rows, bool unicode)
{
	return plot_from(NULL, rows, unicode);
}

#define MIB8 "8388608"

/* From 1 to 8 MiB in 7 ms; 1 MiB of that can be reclaimed. */
#define RAMP "[[-7,1048576,0," MIB8 "],[0,8388608,1048576," MIB8 "]]"

Test(plot, a_ramp_in_ascii_is_exactly_this)
{
	_cleanup_free_ char *text = plot_of(RAMP, false);

	cr_expect_str_eq(
		text,
		"\nThe cgroup over time: need #, what can be reclaimed :, its limit -\n\n"
		"    8.0 MiB ----------------------------------------------------------::::::\n"
		"                                                             :::::::::######\n"
		"                                                    :::::::#################\n"
		"                                           ::::::###########################\n"
		"                                  ::::######################################\n"
		"                         :::################################################\n"
		"                :###########################################################\n"
		"          0 ################################################################\n"
		"            -7.00 ms                                                    line\n",
		"%s", text);
}

Test(plot, times_may_count_from_the_kill)
{
	_cleanup_free_ char *line = plot_from("line", RAMP, false);
	_cleanup_free_ char *kill = plot_from("kill", RAMP, false);

	cr_expect_not_null(strstr(line, "    line\n"), "%s", line);
	cr_expect_not_null(strstr(kill, "    kill\n"), "%s", kill);
}

Test(plot, blocks_have_eighths)
{
	_cleanup_free_ char *text = plot_of(RAMP, true);

	cr_expect_not_null(strstr(text, "    8.0 MiB ▔▔▔▔"), "%s", text);
	cr_expect_not_null(strstr(text, "▁▂▃▃▄▅▆▆▇█\n"), "%s", text);
	cr_expect_not_null(strstr(text, "░"), "%s", text);
}

/* 1 ms of growth, 9 s of shutdown: the growth has its 60 % of the width all the same. */
Test(plot, a_long_shutdown_leaves_room_for_the_growth)
{
	_cleanup_free_ char *text =
		plot_of("[[-1,1,0," MIB8 "],[0,8000000,0," MIB8 "],[9000,1,0," MIB8 "]]", false);

	cr_expect_not_null(strstr(text,
				  "\n            -1.00 ms"
				  "                              line                +9.0 s\n"),
			   "%s", text);
}

Test(plot, what_is_no_timeline_is_not_drawn)
{
	static const char *const rows[] = {
		"[]",
		"[[0,1,0,1]]",
		"[[0,1,0,1],[0,2,0,1]]",
		"[[\"x\",1],[null],7,{}]",
		"[[-1,0,0,0],[0,0,0,0]]",
		"[[-1e300,1,0,1],[1e300,1,0,1]]",
		"{}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = plot_of(rows[i], false);

		cr_expect_str_eq(text, "", "%s: %s", rows[i], text);
	}
}

/* Nor does a row outside of all bounds write outside of the picture. */
Test(plot, strange_values_are_not_known)
{
	_cleanup_free_ char *text =
		plot_of("[[-1,-5,1e300,null],[0,1e300,-1,8],[1,null,\"x\",1e19],[2,4,0,8]]", false);

	cr_expect_not_null(strstr(text, "8 B"), "%s", text);
}
