/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/rss.h"

#include <errno.h>
#include <inttypes.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/format.h"
#include "output/json.h"

/* The order of output: the kind that usually is the largest comes first. */
static const enum apo_kind kinds[] = {APO_ANON, APO_FILE, APO_SHMEM, APO_SWAP};

static uint64_t resident_bytes(const struct rss_report *report)
{
	return sat_add(sat_add(report->rss_bytes[APO_FILE], report->rss_bytes[APO_ANON]),
		       report->rss_bytes[APO_SHMEM]);
}

static void print_pages(FILE *file, const char *name, uint64_t bytes, uint64_t page_bytes)
{
	char size[16];

	format_size(size, sizeof(size), bytes);
	fprintf(file, "  %-12s%12s  %12" PRIu64 " pages\n", name, size, bytes / page_bytes);
}

static void print_size(FILE *file, const char *name, int64_t bytes, const char *of)
{
	char size[20];

	format_signed_size(size, sizeof(size), bytes);
	fprintf(file, "  %-12s%12s%s%s\n", name, size, of ? "  of " : "", of ? of : "");
}

static int64_t clamped(uint64_t bytes)
{
	return (int64_t)MIN(bytes, (uint64_t)INT64_MAX);
}

static int print_cgroup(FILE *file, const struct rss_report *report)
{
	_cleanup_free_ char *cgroup = text_escape_line(report->cgroup);
	_cleanup_free_ char *limit_cgroup =
		report->limit_cgroup ? text_escape_line(report->limit_cgroup) : NULL;

	if (!cgroup || (report->limit_cgroup && !limit_cgroup))
		return -ENOMEM;
	fprintf(file, "cgroup %s\n", cgroup);
	print_size(file, "usage", clamped(report->usage_bytes), NULL);
	print_size(file, "reclaimable", clamped(report->reclaimable_bytes), NULL);
	if (report->limit_bytes == APO_UNLIMITED) {
		fprintf(file, "  %-12s%12s\n", "limit", "none");
		return 0;
	}
	print_size(file, "limit", clamped(report->limit_bytes), limit_cgroup);
	print_size(file, "headroom", report->headroom_bytes, NULL);
	return 0;
}

int rss_text(FILE *file, const struct rss_report *report)
{
	_cleanup_free_ char *comm = text_escape_line(report->comm ? report->comm : "?");
	char page[16];
	int r = 0;

	if (!comm)
		return -ENOMEM;
	format_size(page, sizeof(page), report->page_bytes);
	fprintf(file, "%s[%d], pages of %s\n", comm, report->pid, page);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		print_pages(file, kind_name(kinds[i]), report->rss_bytes[kinds[i]],
			    report->page_bytes);
	print_pages(file, "resident", resident_bytes(report), report->page_bytes);
	if (report->cgroup)
		r = print_cgroup(file, report);
	return r < 0 ? r : file_result(file);
}

static json_t *memory_json(const struct rss_report *report)
{
	json_t *object;
	int r = 0;

	if (!report->cgroup)
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "path", json_text(report->cgroup));
	r |= json_object_set_new(object, "usage_bytes", json_u64(report->usage_bytes));
	r |= json_object_set_new(object, "reclaimable_bytes", json_u64(report->reclaimable_bytes));
	r |= json_object_set_new(object, "limit_bytes", json_u64(report->limit_bytes));
	r |= json_object_set_new(object, "limit_cgroup", json_text(report->limit_cgroup));
	r |= json_object_set_new(object, "headroom_bytes",
				 report->limit_bytes == APO_UNLIMITED
					 ? json_null()
					 : json_integer(report->headroom_bytes));
	return json_finish(object, r);
}

json_t *rss_json(const struct rss_report *report)
{
	json_t *object = json_event("rss", report->realtime_ns);
	int r = 0;

	r |= json_object_set_new(object, "pid", json_integer(report->pid));
	r |= json_object_set_new(object, "comm", json_text(report->comm));
	r |= json_object_set_new(object, "page_bytes", json_u64(report->page_bytes));
	r |= json_object_set_new(object, "rss_bytes", json_kinds(report->rss_bytes, 1));
	r |= json_object_set_new(object, "resident_bytes", json_u64(resident_bytes(report)));
	r |= json_object_set_new(object, "cgroup", memory_json(report));
	return json_finish(object, r);
}
