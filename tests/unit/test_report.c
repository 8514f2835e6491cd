/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/report.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static char *page_of(const char *json)
{
	json_t *document = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_not_null(document, "%s", json);
	cr_assert_eq(report_text(file, document, false), 0);
	fclose(file);
	json_decref(document);
	return text;
}

static void expect_part(const char *json, const char *part)
{
	_cleanup_free_ char *text = page_of(json);

	cr_expect_not_null(strstr(text, part), "no \"%s\" in:\n%s", part, text);
}

#define SAVED                                                                                    \
	"{\"schema\":1,\"id\":\"00aa\",\"time\":\"2026-01-31T12:00:00Z\",\"verdict\":\"saved\"," \
	"\"reason\":\"shut down and exited with status 0\",\"trigger\":\"growth\","              \
	"\"process\":{\"pid\":42,\"ns_pid\":7,\"comm\":\"api\",\"cmdline\":\"api -x\","          \
	"\"cgroup\":\"/a\",\"container_id\":\"c0ffee\"},"                                        \
	"\"target\":{\"comm\":\"api\",\"policy\":\"grower\",\"disposition\":\"handled\"},"       \
	"\"memory\":{\"need_bytes\":1048576,\"usage_bytes\":2097152,"                            \
	"\"reclaimable_bytes\":1048576,\"limit_bytes\":4194304,\"limit_cgroup\":\"/\","          \
	"\"reserve_bytes\":524288,\"rate_bytes_per_s\":1048576,\"forecast_ms\":2000.5,"          \
	"\"rss_bytes\":{\"file\":0,\"anon\":1048576,\"swap\":0,\"shmem\":0},"                    \
	"\"peak_need_bytes\":1048576,\"least_headroom_bytes\":-4096},"                           \
	"\"action\":{\"signal\":\"TERM\",\"result\":\"sent\",\"delivered\":true},"               \
	"\"airbag\":{\"result\":\"raised\",\"raised_bytes\":1048576,\"used_bytes\":4096,"        \
	"\"brake\":\"held\"},"                                                                   \
	"\"timing\":{\"crossing_to_handler_us\":53.5,\"crossing_to_airbag_us\":300,"             \
	"\"signal_to_exit_ms\":12,\"margin_ms\":0},"                                             \
	"\"exit\":{\"code\":0,\"signal\":null},"                                                 \
	"\"kernel\":{\"oom_kills_before\":0,\"oom_kills_after\":0,\"at_limit_before\":1,"        \
	"\"at_limit_after\":2}}"

Test(report, a_page_is_exactly_this)
{
	_cleanup_free_ char *text = page_of(SAVED);

	cr_expect_str_eq(
		text,
		"saved: api, shut down and exited with status 0\n"
		"\n"
		"  when      2026-01-31T12:00:00Z (00aa)\n"
		"  process   42 (7 in its container): api -x\n"
		"  cgroup    /a\n"
		"  container c0ffee\n"
		"  limit     4.0 MiB of /, reserve 512.0 KiB\n"
		"  need      1.0 MiB: usage 2.0 MiB less 1.0 MiB reclaimable\n"
		"  signal    TERM to api (grower): sent, handler entered after 54 us\n"
		"  growth    1.0 MiB/s, the limit was 2.0 s away\n"
		"  resident  anon 1.0 MiB, file 0 B, shmem 0 B, swap 0 B\n"
		"  peak      1.0 MiB; least headroom -4.0 KiB, 0 ns at that rate\n"
		"  airbag    1.0 MiB, there after 300 us; 4.0 KiB of it used; brake held\n"
		"  end       exit 0, 12.0 ms after the signal\n"
		"  kernel    OOM kills 0 before, 0 after; charges at the limit 1, 2\n"
		"\n"
		"Nothing is broken. The shutdown needed lent memory; if it comes again, find out "
		"what allocates, or give the cgroup a higher limit.\n",
		"%s", text);
}

Test(report, what_is_missing_or_of_another_kind_is_a_question_mark)
{
	expect_part("{\"verdict\":\"saved\",\"process\":[1],\"memory\":7,\"trigger\":\"growth\"}",
		    "  limit     ? of ?, reserve ?\n");
	expect_part("{\"process\":{\"pid\":\"x\",\"cmdline\":3}}", "  process   ? (? in its");
	expect_part("[]", "?: ?, ?\n");
	expect_part("{\"trigger\":\"growth\",\"timing\":{\"crossing_to_handler_us\":-1e300}}",
		    "handler entered after 0 ns");
}

Test(report, names_cannot_write_on_the_terminal)
{
	expect_part("{\"verdict\":\"sa\\u001b[31mved\",\"process\":{\"comm\":\"a\\nb\\u202e\"}}",
		    "sa\\x1B[31mved: a\\nb\\xE2\\x80\\xAE, ");
}

Test(report, each_verdict_has_its_advice)
{
	expect_part("{\"verdict\":\"saved\"}", "Nothing is broken. If it comes again");
	expect_part("{\"verdict\":\"too late\",\"airbag\":{\"result\":\"raised\"}}",
		    "The airbag was not large enough");
	expect_part("{\"verdict\":\"too late\",\"action\":{\"delivered\":true}}",
		    "The shutdown needs more memory than the reserve");
	expect_part("{\"verdict\":\"too late\"}", "The handler never ran");
	expect_part("{\"verdict\":\"needless\"}", "would have lived");
	expect_part("{\"verdict\":\"ignored\",\"target\":{\"disposition\":\"init\"}}",
		    "does not take the signal");
	expect_part("{\"verdict\":\"ignored\"}", "was told and went on");
	expect_part("{\"verdict\":\"missed\"}", "No trip preceded");
	expect_part("{\"verdict\":\"dry run\"}", "--dry-run");
}

Test(report, only_incidents_of_this_schema_are_reports)
{
	static const struct {
		const char *json;
		bool expected;
	} cases[] = {
		{SAVED, true},
		{"{\"schema\":2,\"id\":\"a\",\"verdict\":\"saved\"}", false},
		{"{\"schema\":1,\"event\":\"status\"}", false},
		{"[1]", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *document = json_loads(cases[i].json, 0, NULL);

		cr_expect_eq(report_is_one(document), cases[i].expected, "%s", cases[i].json);
		json_decref(document);
	}
}
