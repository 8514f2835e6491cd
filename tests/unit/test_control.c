/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said on the control socket. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "output/control.h"
#include "unit/json_line.h"

static void expect_refused(const char *line, const char *why)
{
	_cleanup_free_ char *error = NULL;
	enum control_request request;

	cr_expect_eq(control_parse(line, strlen(line), &request, &error), -EINVAL, "%s", line);
	cr_expect(error && strstr(error, why), "%s: %s", line, error);
}

Test(control, each_request_is_understood_as_it_is_written)
{
	for (enum control_request i = 0; i < CONTROL_REQUESTS; i++) {
		_cleanup_free_ char *line = control_request_line(i), *error = NULL;
		enum control_request request = CONTROL_REQUESTS;

		cr_assert(line[strlen(line) - 1] == '\n' && strlen(line) < CONTROL_LINE_MAX);
		cr_expect_eq(control_parse(line, strlen(line) - 1, &request, &error), 0, "%s",
			     error);
		cr_expect_eq(request, i);
	}
}

Test(control, a_request_need_not_name_its_schema)
{
	const char *line = "{\"request\": \"status\", \"more\": [1]}";
	enum control_request request;
	char *error = NULL;

	cr_expect_eq(control_parse(line, strlen(line), &request, &error), 0, "%s", error);
	cr_expect_eq(request, CONTROL_STATUS);
}

Test(control, what_makes_no_sense_is_refused_with_what_to_ask_for)
{
	expect_refused("", "as in {\"request\": \"status\"}");
	expect_refused("status", "as in {\"request\": \"status\"}");
	expect_refused("[\"request\"]", "give one JSON object");
	expect_refused("{\"request\":", "give one JSON object");
	expect_refused("{\"request\":1}", "give one JSON object");
	expect_refused("{\"request\":\"status\",\"request\":\"status\"}", "give one JSON object");
	expect_refused("{\"request\":\"stat\\nus\"}",
		       "request 'stat\\nus': there is none of that name, ask for status");
	expect_refused("{\"request\":\"status\",\"schema\":2}", "this daemon speaks 1");
	expect_refused("{\"request\":\"status\",\"schema\":\"1\"}", "this daemon speaks 1");
}

Test(control, an_error_is_an_event)
{
	_cleanup_free_ char *text = json_line(control_error_json(1769860800000000000ULL, "a\nb"));

	cr_expect_str_eq(text, "{\"event\":\"error\",\"schema\":1,\"time\":"
			       "\"2026-01-31T12:00:00.000000Z\",\"error\":\"a\\nb\"}\n");
}
