/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/page.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static char *page_of(const char *function)
{
	json_t *document = json_pack("{s:i, s:s, s:s, s:{s:[{s:s}]}}", "schema", 1, "id", "00aa",
				     "verdict", "saved", "recording", "top", "function", function);
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_not_null(document, "%s", function);
	cr_assert_eq(page_write(file, document), 0);
	fclose(file);
	json_decref(document);
	return text;
}

/* What is between the tags of the element that holds the report. */
static char *data_of(const char *page)
{
	static const char begin[] = "<script type=\"application/json\" id=\"data\">";
	const char *at = strstr(page, begin), *end = at ? strstr(at, "</script>") : NULL;

	cr_assert(at && end);
	at += strlen(begin);
	return strndup(at, (size_t)(end - at));
}

Test(page, hostile_names_stay_in_their_element_and_come_back_whole)
{
	static const char *const names[] = {
		"</script><script>alert(1)</script>",
		"<!--<script>",
		"]]>&lt;\"quotes\" 'single' \\ `${1}`",
		"a\xe2\x80\xa8"
		"b\xe2\x80\xa9"
		"c\xe2\x80\xaa",
		"@REPORT@",
		"line\nbreak\t\x01",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *page = page_of(names[i]), *data = data_of(page);
		json_t *back = json_loads(data, 0, NULL);
		json_t *report = json_object_get(back, "report");
		json_t *top = json_object_get(json_object_get(report, "recording"), "top");

		cr_expect_null(strpbrk(data, "<>&"), "%s", names[i]);
		cr_expect_null(strstr(data, "\xe2\x80\xa8"));
		cr_expect_null(strstr(data, "\xe2\x80\xa9"));
		cr_expect_str_eq(
			json_string_value(json_object_get(json_array_get(top, 0), "function"))
				?: "(none)",
			names[i]);
		json_decref(back);
	}
}

Test(page, it_is_whole_and_its_policy_lets_one_script_run)
{
	_cleanup_free_ char *page = page_of("f");

	cr_expect(strncmp(page, "<!DOCTYPE html>\n", 16) == 0);
	cr_expect_not_null(strstr(page, "</html>\n"));
	cr_expect_not_null(strstr(page, "default-src 'none'; script-src 'sha256-"));
	cr_expect_null(strstr(page, "@SCRIPT@"));
	cr_expect_null(strstr(page, "@REPORT@"));
	cr_expect_null(strstr(page, "innerHTML"));
}

Test(page, words_are_those_of_the_text)
{
	_cleanup_free_ char *page = page_of("f");

	cr_expect_not_null(strstr(page, "\"advice\":\"Nothing is broken."));
	cr_expect_not_null(strstr(page, "[\"when\",\"? (00aa)\"]"));
}
