/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "base/util.h"
#include "output/json.h"
#include "output/rss.h"

#define MIB (1024ULL * 1024)
#define PAGE 65536ULL /* sizes must not be counted in pages of 4096 */

static struct rss_report sample(void)
{
	return (struct rss_report){
		.realtime_ns = 1769860800ULL * NSEC_PER_SEC,
		.pid = 12,
		.comm = "a\nb",
		.rss_bytes = {[APO_FILE] = PAGE,
			      [APO_ANON] = 160 * PAGE,
			      [APO_SWAP] = 2 * PAGE,
			      [APO_SHMEM] = 4 * PAGE},
		.page_bytes = PAGE,
		.cgroup = "/x\ty",
		.usage_bytes = 20 * MIB,
		.reclaimable_bytes = 2 * MIB,
		.limit_bytes = 16 * MIB,
		.limit_cgroup = "/x",
		.headroom_bytes = -(int64_t)(2 * MIB),
	};
}

static char *text_of(const struct rss_report *report)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_eq(rss_text(file, report), 0);
	fclose(file);
	return text;
}

Test(rss, text_counts_in_pages_of_the_machine)
{
	struct rss_report report = sample();
	_cleanup_free_ char *text = text_of(&report);

	cr_expect_str_eq(text,
			 "a\\nb[12], pages of 64.0 KiB\n"
			 "  anon            10.0 MiB           160 pages\n"
			 "  file            64.0 KiB             1 pages\n"
			 "  shmem          256.0 KiB             4 pages\n"
			 "  swap           128.0 KiB             2 pages\n"
			 "  resident        10.3 MiB           165 pages\n"
			 "cgroup /x\\ty\n"
			 "  usage           20.0 MiB\n"
			 "  reclaimable      2.0 MiB\n"
			 "  limit           16.0 MiB  of /x\n"
			 "  headroom        -2.0 MiB\n",
			 "%s", text);
}

Test(rss, text_without_limit_or_cgroup)
{
	struct rss_report report = sample();
	_cleanup_free_ char *unlimited = NULL, *none = NULL;

	report.limit_bytes = APO_UNLIMITED;
	report.limit_cgroup = NULL;
	unlimited = text_of(&report);
	cr_expect_str_eq(strstr(unlimited, "  limit"), "  limit               none\n", "%s",
			 unlimited);
	report.cgroup = NULL;
	none = text_of(&report);
	cr_expect_null(strstr(none, "cgroup"));
}

Test(rss, json_is_exactly_this)
{
	struct rss_report report = sample();
	json_t *document = rss_json(&report);
	_cleanup_free_ char *text = json_dumps(document, JSON_COMPACT);

	cr_expect_str_eq(text,
			 "{\"event\":\"rss\",\"schema\":1,\"time\":\"2026-01-31T12:00:00.000000Z\","
			 "\"pid\":12,\"comm\":\"a\\nb\",\"page_bytes\":65536,"
			 "\"rss_bytes\":{\"file\":65536,\"anon\":10485760,\"swap\":131072,"
			 "\"shmem\":262144},\"resident_bytes\":10813440,"
			 "\"cgroup\":{\"path\":\"/x\\ty\",\"usage_bytes\":20971520,"
			 "\"reclaimable_bytes\":2097152,\"limit_bytes\":16777216,"
			 "\"limit_cgroup\":\"/x\",\"headroom_bytes\":-2097152}}",
			 "%s", text);
	json_decref(document);
}

Test(rss, json_without_limit_or_cgroup)
{
	struct rss_report report = sample();
	json_t *document;

	report.limit_bytes = APO_UNLIMITED;
	document = rss_json(&report);
	cr_expect(json_is_null(
		json_object_get(json_object_get(document, "cgroup"), "headroom_bytes")));
	json_decref(document);
	report.cgroup = NULL;
	document = rss_json(&report);
	cr_expect(json_is_null(json_object_get(document, "cgroup")));
	json_decref(document);
}
