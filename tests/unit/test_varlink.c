/* SPDX-License-Identifier: BSD-2-Clause */
/* What systemd-oomd says, and is answered. */
#include "output/varlink.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

Test(varlink, a_call_has_a_method_and_parameters)
{
	const char *text = "{\"method\":\"a.b.C\",\"parameters\":{\"cgroup\":\"/x\"}}", *method;
	const json_t *parameters;
	json_t *call = varlink_call(text, strlen(text), &method, &parameters);

	cr_assert_not_null(call);
	cr_expect_str_eq(method, "a.b.C");
	cr_expect_str_eq(json_string_value(json_object_get(parameters, "cgroup")), "/x");
	json_decref(call);
}

Test(varlink, what_is_no_call_is_none)
{
	static const char *const texts[] = {"", "{}", "[]", "{\"method\":7}", "{\"method\":\"a\"",
					    "x"};
	const json_t *parameters;
	const char *method;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		cr_expect_null(varlink_call(texts[i], strlen(texts[i]), &method, &parameters), "%s",
			       texts[i]);
}

Test(varlink, answers_are_what_the_protocol_says)
{
	_cleanup_free_ char *done = varlink_done();
	_cleanup_free_ char *error = varlink_error("a.B", "method", "q\"\xff");
	_cleanup_free_ char *bare = varlink_error("a.B", NULL, NULL);

	cr_expect_str_eq(done, "{\"parameters\":{}}");
	cr_expect_str_eq(error, "{\"error\":\"a.B\",\"parameters\":{\"method\":\"q\\\"\xef\xbf\xbd"
				"\"}}");
	cr_expect_str_eq(bare, "{\"error\":\"a.B\",\"parameters\":{}}");
}
