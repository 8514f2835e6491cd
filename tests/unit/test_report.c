/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/report.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "output/report_facts.h"

static unsigned int columns = 1000; /* so that no part is split */

static char *page_of(const char *json)
{
	json_t *document = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_not_null(document, "%s", json);
	cr_assert_eq(report_text(file, document, &(struct terminal){.columns = columns}), 0);
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
	"\"brake\":\"held\",\"limits\":[{\"cgroup\":\"/a\",\"raised_bytes\":1048576},"           \
	"{\"cgroup\":\"/\",\"raised_bytes\":4096}],"                                             \
	"\"lent_ms\":2500,\"paid_back\":\"2026-01-31T12:00:03Z\"},"                              \
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
		"api (pid 42) in cgroup /a needed 1.0 MiB of its limit of 4.0 MiB and grew by "
		"1.0 MiB/s: the limit was 2.0 s away. api (pid ?) was sent SIGTERM, and its "
		"handler ran 54 us after the line was crossed. The limit was raised by 1.0 MiB for "
		"the shutdown, which used 4.0 KiB of that. It exited with status 0, 12.0 ms after "
		"the signal.\n"
		"\n"
		"Nothing is broken. The shutdown needed lent memory; if it comes again, find out "
		"what allocates, or give the cgroup a higher limit.\n"
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
		"  raised    /a by 1.0 MiB\n"
		"  raised    / by 4.0 KiB\n"
		"  lent      for 2.5 s, paid back at 2026-01-31T12:00:03Z\n"
		"  end       exit 0, 12.0 ms after the signal\n"
		"  kernel    OOM kills 0 before, 0 after; charges at the limit 1, 2\n",
		"%s", text);
}

#define RECORDING                                                                             \
	"\"recording\":{\"since_ms\":899.2,\"grown_bytes\":2097152,"                          \
	"\"recorded_bytes\":1048576,\"lost_bytes\":4096,\"trouble\":\"no \\u001bluck\","      \
	"\"mappings\":{\"heap\":1024,\"stack\":0,\"anon\":2048,\"file\":0,\"shmem\":0},"      \
	"\"top\":[{\"function\":\"cache_add\",\"source\":\"/srv/c.c\",\"line\":7,"            \
	"\"module\":\"/srv/app/api\",\"offset\":\"0x10\",\"bytes\":1022361,\"share\":0.975}," \
	"{\"function\":null,\"source\":null,\"line\":null,\"module\":\"/srv/app/api\","       \
	"\"offset\":\"0x20\",\"bytes\":20971,\"share\":0.02},"                                \
	"{\"function\":\"small\",\"share\":0.004,\"bytes\":4194}],"                           \
	"\"modules\":[{\"path\":\"/srv/app/api\",\"error\":null},"                            \
	"{\"path\":\"[vdso]\",\"error\":\"it has no file\"}],"                                \
	"\"locations\":[{\"module\":0,\"functions\":[]},{\"module\":0,\"functions\":[{}]}]}"

#define WITH_RECORDING \
	"{\"schema\":1,\"id\":\"00aa\",\"verdict\":\"saved\",\"trigger\":\"growth\"," RECORDING "}"

Test(report, a_loan_that_is_not_over_is_said_to_be_so)
{
	expect_part("{\"verdict\":\"saved\",\"trigger\":\"growth\","
		    "\"airbag\":{\"result\":\"raised\",\"lent_ms\":null}}",
		    "  lent      not paid back yet when this was written\n");
}

Test(report, a_page_says_whose_unit_it_is)
{
	expect_part("{\"process\":{\"cgroup\":\"/a.service\",\"unit\":\"a.service\","
		    "\"user_unit\":null}}",
		    "  cgroup    /a.service\n  unit      a.service\n  limit ");
	expect_part("{\"process\":{\"unit\":\"user@1.service\",\"user_unit\":\"b.scope\"}}",
		    "  unit      b.scope of user@1.service\n");
}

Test(report, a_page_says_who_allocated_and_what_is_missing)
{
	expect_part(WITH_RECORDING, "  mapped    heap 1.0 KiB, stack 0 B, anon 2.0 KiB,");
	expect_part(WITH_RECORDING,
		    "  recorded  1.0 MiB of 2.0 MiB grown, from 899 ms before the line on\n");
	expect_part("{\"verdict\":\"missed\",\"recording\":{\"since_ms\":1,"
		    "\"grown_bytes\":2048,\"recorded_bytes\":1024,"
		    "\"timeline\":{\"origin\":\"kill\"}}}",
		    "  recorded  1.0 KiB of 2.0 KiB grown, from 1.00 ms before the kill on\n");
	expect_part(WITH_RECORDING, "\nWho allocated\n\n"
				    "   97.5 %  998.4 KiB  cache_add  /srv/c.c:7\n"
				    "    2.0 %   20.5 KiB  api+0x20\n\n");
	expect_part(WITH_RECORDING,
		    "\nNo names: no \\x1Bluck.\n"
		    "The stacks of 4.0 KiB are missing: overwritten before they were read, "
		    "or too many for a report.\n"
		    "No names for places in /srv/app/api (1 of 2).\n");
}

Test(report, what_a_runtime_allocated_is_put_down_to_it)
{
	expect_part("{\"recording\":{\"top\":[{\"share\":1,\"bytes\":1024,\"function\":null,"
		    "\"source\":null,\"runtime\":\"the JVM\"}]}}",
		    "  100.0 %    1.0 KiB  the JVM itself\n");
}

Test(report, names_longer_than_a_screen_are_cut_at_a_character)
{
	char json[1024] = "{\"recording\":{\"top\":[{\"share\":1,\"bytes\":1,\"function\":\"";
	char expected[300] = "  1 B  ";

	for (int i = 0; i < 95; i++)
		strcat(json, "\xc3\xa4");
	for (int i = 0; i < 90; i++)
		strcat(expected, "\xc3\xa4");
	strcat(json, "\"}]}}");
	strcat(expected, "...  [unknown]\n");
	expect_part(json, expected);
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
		    "What was lent was not enough");
	expect_part("{\"verdict\":\"too late\",\"action\":{\"delivered\":true}}",
		    "The shutdown needs more memory than the reserve");
	expect_part("{\"verdict\":\"too late\"}", "The handler never ran");
	expect_part("{\"verdict\":\"needless\"}", "would have lived");
	expect_part("{\"verdict\":\"ignored\",\"target\":{\"disposition\":\"init\"}}",
		    "does not take the signal");
	expect_part("{\"verdict\":\"ignored\",\"kernel\":{\"hangs_after\":true}}",
		    "The OOM killer is disabled for this cgroup");
	expect_part("{\"verdict\":\"ignored\"}", "was told and went on");
	expect_part("{\"verdict\":\"missed\"}", "No trip preceded");
	expect_part("{\"verdict\":\"dry run\"}", "--dry-run");
	expect_part("{\"verdict\":\"too late\",\"airbag\":{\"result\":\"raised\"},"
		    "\"action\":{\"delivered\":true},\"timing\":{\"signal_to_exit_ms\":300}}",
		    "use a larger --airbag-max");
	expect_part("{\"verdict\":\"too late\",\"airbag\":{\"result\":\"raised\"},"
		    "\"action\":{\"delivered\":true},\"timing\":{\"signal_to_exit_ms\":9000}}",
		    "went on allocating until all that was lent was gone");
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
		{"{\"schema\":1,\"id\":\"a\",\"id\":\"b\",\"verdict\":\"saved\"}", false},
		{"{\"schema\":1,\"id\":\"a\"", false},
		{"[1]", false},
		{"", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *document = report_parse(cases[i].json, strlen(cases[i].json));

		cr_expect_eq(document != NULL, cases[i].expected, "%s", cases[i].json);
		json_decref(document);
	}
}

static void expect_summary(const char *json, const char *expected)
{
	json_t *document = json_loads(json, 0, NULL);
	_cleanup_free_ char *text = report_summary(document);

	cr_expect_str_eq(text, expected, "%s", text);
	json_decref(document);
}

/* Between words, those of a fact below its first; a longer word stays whole. */
Test(report, lines_fit_a_terminal)
{
	static const unsigned int widths[] = {0, 60, 132};
	_cleanup_free_ char *long_word = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		_cleanup_free_ char *text = NULL;

		columns = widths[i];
		text = page_of(SAVED);
		for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
			cr_expect_leq(strcspn(line, "\n"), columns ?: 80, "%s", text);
	}
	columns = 60;
	expect_part(SAVED, "\n  airbag    1.0 MiB, there after 300 us; 4.0 KiB of it used;\n"
			   "            brake held\n");
	long_word = page_of("{\"process\":{\"comm\":\"a\",\"cgroup\":\"/0123456789/0123456789/"
			    "0123456789/0123456789/0123456789/0123456789\"}}");
	cr_expect_not_null(strstr(long_word, "\n/0123456789/0123456789/0123456789/0123456789/"
					     "0123456789/0123456789\nneeded ?"),
			   "%s", long_word);
}

Test(report, a_summary_says_whether_it_is_up_again)
{
	expect_summary("{\"after\":{\"outcome\":\"restarted\",\"unit\":\"a.service\","
		       "\"up_after_ms\":1200}}",
		       "? (pid ?) in cgroup ? needed ? of its limit of ?. a.service was up again "
		       "after 1.2 s.");
}

Test(report, a_summary_is_a_paragraph)
{
	expect_summary(
		SAVED,
		"api (pid 42) in cgroup /a needed 1.0 MiB of its limit of 4.0 MiB and grew by "
		"1.0 MiB/s: the limit was 2.0 s away. api (pid ?) was sent SIGTERM, and its "
		"handler ran 54 us after the line was crossed. The limit was raised by 1.0 MiB for "
		"the shutdown, which used 4.0 KiB of that. It exited with status 0, 12.0 ms after "
		"the signal.");
	expect_summary("{\"verdict\":\"dry run\",\"process\":{\"comm\":\"a\"}," RECORDING "}",
		       "a (pid ?) in cgroup ? needed ? of its limit of ?. Nothing was sent, as "
		       "asked by --dry-run. 97.5 % of what was recorded was allocated by cache_add "
		       "(/srv/c.c:7).");
}

Test(report, what_was_not_recorded_is_told)
{
	json_t *document = json_object(), *missing = report_missing(document);

	cr_expect_str_eq(json_string_value(json_array_get(missing, 0)),
			 "Nothing was recorded, so who allocated is not known.");
	json_decref(missing);
	json_decref(document);
}

Test(report, why_there_are_no_lines_of_a_script_is_told)
{
	struct recording_interpreter interpreter = {.is_known = true, .python_version = 0x30e};
	json_t *document, *missing;

	cr_expect_null(recording_interpreter_trouble(&interpreter));
	interpreter.trouble = UINT32_MAX;
	cr_expect_null(recording_interpreter_trouble(&interpreter));
	interpreter.trouble = APO_PYTHON_WITHOUT_GIL;
	document = json_pack("{s:{s:{s:s, s:s}}}", "recording", "interpreter", "name",
			     "CPython 3.14", "trouble",
			     recording_interpreter_trouble(&interpreter));
	missing = report_missing(document);
	cr_expect_str_eq(json_string_value(json_array_get(missing, 0)),
			 "No lines of the program, CPython 3.14: builds without the GIL "
			 "(free-threaded) are not understood, others of that version are.");
	json_decref(missing);
	json_decref(document);
}

/* As in pprof/modules_and_places_can_be_many. */
Test(report, modules_without_names_can_be_many, .timeout = 60)
{
	json_t *modules = json_array(), *locations = json_array(), *document, *missing;

	for (json_int_t i = 0; i < 200000; i++) {
		json_array_append_new(modules, json_pack("{s:s}", "path", "/a"));
		json_array_append_new(locations, json_pack("{s:I}", "module", i));
	}
	document = json_pack("{s:{s:o, s:o}}", "recording", "modules", modules, "locations",
			     locations);
	missing = report_missing(document);
	cr_expect_str_eq(json_string_value(json_array_get(missing, 0)),
			 "No names for places in /a (1 of 1), /a (1 of 1), /a (1 of 1), "
			 "/a (1 of 1), /a (1 of 1), /a (1 of 1) and 199994 more.");
	json_decref(missing);
	json_decref(document);
}

Test(report, what_an_incident_lacks_is_told)
{
	static const char lost[] =
		"{\"schema\":1,\"id\":\"00aa\",\"verdict\":\"saved\",\"trigger\":null,"
		"\"memory\":{\"need_bytes\":null,\"limit_bytes\":4194304,"
		"\"limit_cgroup\":\"/a\"},\"action\":{\"signal\":\"TERM\"},"
		"\"missing\":[\"the trip\\u001b was lost\",7]}";
	_cleanup_free_ char *text = page_of(lost);

	cr_expect_not_null(strstr(text, "\n  signal    TERM to ?"), "%s", text);
	cr_expect_null(strstr(text, "\n  need "), "%s", text);
	cr_expect_null(strstr(text, "\n  growth "), "%s", text);
	cr_expect_not_null(strstr(text, "\nThe trip\\x1B was lost.\n?.\n"), "%s", text);
	expect_summary(lost, "? (pid ?) in cgroup ? came near its limit of 4.0 MiB.");
	/* Where only the end is missing, the rest is as ever. */
	expect_part("{\"verdict\":\"saved\",\"trigger\":\"growth\",\"memory\":{\"need_bytes\":1},"
		    "\"missing\":[\"the end was not seen\"]}",
		    "\n  need      1 B: usage ? less ? reclaimable\n");
}

/* --- what the memory is -------------------------------------------------------------------- */

#define PART(name, bytes, before) \
	"{\"part\":\"" name "\",\"bytes\":" #bytes ",\"before_bytes\":" #before "}"
#define OF_PARTS(parts, rest)                                                         \
	"{\"schema\":1,\"id\":\"00aa\",\"verdict\":\"saved\",\"memory\":{"            \
	"\"need_bytes\":4194304,\"limit_bytes\":8388608,\"parts_before_ms\":-2500.0," \
	"\"parts\":[" parts "]" rest "}}"
#define LEFT(older, owned)                                                                  \
	",\"files\":[{\"path\":\"/dev/shm/a\\n\",\"bytes\":2097152,\"unlinked\":false,"     \
	"\"older\":" #older "},{\"path\":\"/memfd:b\",\"bytes\":1048576,\"unlinked\":true," \
	"\"older\":true}],\"files_owned\":" #owned

Test(report, the_kinds_of_memory_are_a_table_the_largest_first)
{
	const char *json = OF_PARTS(
		PART("anon", 1048576, 2097152) "," PART("shmem", 3145728, 3145728) "," PART(
			"kernel", 1024, 0) "," PART("unheard of", 9437184, 0),
		LEFT(true, true));

	expect_part(
		json,
		"What the memory is\n\n"
		"    3.0 MiB              files on tmpfs, shared memory\n"
		"    2.0 MiB                /dev/shm/a\\n, older than the process\n"
		"    1.0 MiB                /memfd:b, removed but open, older than the process\n"
		"    1.0 MiB    -1.0 MiB  anonymous: heaps, stacks, mappings without a file\n"
		"\n"
		"All of the limit's cgroup, and what has changed in the last 2.5 s before the "
		"line.\n");
}

Test(report, below_the_kinds_is_what_the_process_had_mapped)
{
	static const char json[] =
		"{\"schema\":1,\"id\":\"00aa\",\"verdict\":\"saved\","
		"\"memory\":{\"limit_bytes\":8388608,\"parts\":[" PART(
			"anon", 4194304,
			0) "]},"
			   "\"process\":{\"comm\":\"a\\u0007\"},\"recording\":{\"mappings\":{"
			   "\"heap\":1048576,\"stack\":0,\"anon\":2097152,\"file\":0,\"shmem\":0,"
			   "\"largest\":["
			   "{\"name\":\"\",\"bytes\":1572864,\"count\":3,\"largest_bytes\":1048576}"
			   ","
			   "{\"name\":\"[heap]\",\"bytes\":1048576,\"count\":1,\"largest_bytes\":"
			   "1048576},"
			   "{\"name\":\"[anon: "
			   "Go:\\n]\",\"bytes\":524288,\"count\":2,\"largest_bytes\":262144},"
			   "{\"name\":\"/"
			   "little\",\"bytes\":4096,\"count\":1,\"largest_bytes\":4096}]}}}";

	expect_part(
		json,
		"    4.0 MiB    +4.0 MiB  anonymous: heaps, stacks, mappings without a file\n"
		"    3.0 MiB              resident in a\\x07 just after, by what is mapped\n"
		"    1.5 MiB                3 mappings without a name, the largest 1.0 MiB\n"
		"    1.0 MiB                [heap]\n"
		"  512.0 KiB                2 mappings of [anon: Go:\\n], the largest 256.0 KiB\n"
		"\n"
		"All of the limit's cgroup.\n");
}

Test(report, that_tmpfs_fills_the_limit_is_in_the_first_paragraph_and_is_what_to_do_about)
{
	expect_summary(
		OF_PARTS(PART("shmem", 3145728, 0) "," PART("anon", 1048576, 0), LEFT(true, true)),
		"? (pid ?) in cgroup ? needed 4.0 MiB of its limit of 8.0 MiB. 3.0 MiB of these "
		"4.0 MiB "
		"are files on tmpfs and shared memory: /dev/shm/a\\n (2.0 MiB), /memfd:b (1.0 "
		"MiB), left there before it began.");
	expect_summary(
		OF_PARTS(PART("shmem", 3145728, 0), LEFT(false, true)),
		"? (pid ?) in cgroup ? needed 4.0 MiB of its limit of 8.0 MiB. 3.0 MiB of these "
		"4.0 MiB "
		"are files on tmpfs and shared memory: /dev/shm/a\\n (2.0 MiB), /memfd:b (1.0 "
		"MiB).");
	expect_part(OF_PARTS(PART("shmem", 3145728, 0), ""), "remove them, mount that tmpfs");
	expect_part(OF_PARTS(PART("shmem", 3145728, 0), ""),
		    "3.0 MiB of these 4.0 MiB are files on tmpfs and shared memory.\n");
}

/* The service has no CAP_SYS_ADMIN, and a tmpfs has files of others. */
Test(report, what_may_be_a_neighbours_is_not_told_as_what_fills_the_limit)
{
	const char *json = OF_PARTS(PART("shmem", 3145728, 0), LEFT(true, false));

	expect_summary(json,
		       "? (pid ?) in cgroup ? needed 4.0 MiB of its limit of 8.0 MiB. 3.0 MiB of "
		       "these 4.0 MiB are files on tmpfs and shared memory.");
	expect_part(json, "/dev/shm/a\\n, older than the process, whoever's it is\n");
}

/* Page cache is not what is needed; v1 has one number for the kernel. */
Test(report, that_the_kernel_fills_the_limit_is_told_too)
{
	expect_part(OF_PARTS(PART("page_tables", 2097152, 0) "," PART("file", 8388608, 0), ""),
		    "2.0 MiB of these 4.0 MiB are page tables of the kernel.");
	expect_part(OF_PARTS(PART("page_tables", 2097152, 0) "," PART("kernel", 1048576, 0), ""),
		    "the kernel's: all else");
	expect_part(OF_PARTS(PART("kernel", 2097152, 0), ""),
		    "the kernel's: page tables, stacks of threads, pipes, objects");
}

Test(report, anonymous_memory_is_what_everybody_expects)
{
	expect_summary(OF_PARTS(PART("anon", 3145728, 0) "," PART("shmem", 1048576, 0), ""),
		       "? (pid ?) in cgroup ? needed 4.0 MiB of its limit of 8.0 MiB.");
	expect_summary(OF_PARTS(PART("anon", 100, 0) "," PART("shmem", 100, 0), ""),
		       "? (pid ?) in cgroup ? needed 4.0 MiB of its limit of 8.0 MiB.");
}

Test(report, of_parts_that_make_no_sense_nothing_is_said)
{
	static const char *const parts[] = {"1", "{}", "{\"part\":1}", "{\"part\":\"anon\"}",
					    "{\"part\":\"anon\",\"bytes\":-5}"};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *json = NULL, *text = NULL;

		cr_assert_geq(asprintf(&json, OF_PARTS("%s", ""), parts[i]), 0);
		text = page_of(json);
		cr_expect_null(strstr(text, "What the memory is"), "%s", text);
	}
}

/* --- runtimes ------------------------------------------------------------------------------ */

#define OF_OWNERS(top, rest)                                                                  \
	"{\"schema\":1,\"id\":\"00aa\",\"verdict\":\"saved\",\"memory\":{\"limit_bytes\":1}," \
	"\"recording\":{\"top\":[" top "]" rest "}}"
#define SERVE                                                                            \
	"{\"function\":\"serve\",\"module\":\"/a\",\"offset\":\"0x1\",\"runtime\":null," \
	"\"bytes\":1048576,\"share\":0.2}"
#define BUFFERS                                                               \
	"{\"function\":null,\"runtime\":\"V8\",\"space\":\"Buffers\\u0007\"," \
	"\"bytes\":4194304,\"share\":0.8}"

Test(report, memory_of_a_runtime_is_told_by_what_it_is_for)
{
	expect_part(OF_OWNERS(BUFFERS, ""), "was allocated by V8: Buffers\\x07.\n");
	expect_part(OF_OWNERS(BUFFERS, ""), "   80.0 %    4.0 MiB  V8: Buffers\\x07\n");
	expect_part(OF_OWNERS("{\"runtime\":\"V8\",\"bytes\":1,\"share\":1.0}", ""),
		    "was allocated by V8 itself.\n");
}

Test(report, who_can_be_changed_is_first_and_what_is_more_is_not_left_out)
{
	expect_part(OF_OWNERS(SERVE "," BUFFERS, ""),
		    "20.0 % of what was recorded was allocated by serve, 80.0 % by V8: "
		    "Buffers\\x07.\n");
}

Test(report, how_functions_get_names_is_below_them)
{
	expect_part(OF_OWNERS(BUFFERS, ",\"hint\":\"To have names,\\nstart anew.\""),
		    "V8: Buffers\\x07\n\nTo have names,\\nstart anew.\n");
}
