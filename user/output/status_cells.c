/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/status_cells.h"

#include <stdio.h>

#include "base/parse.h"
#include "base/util.h"
#include "output/document.h"
#include "output/format.h"

#define MOST_NS 1e18 /* some thirty years */

static double number(const json_t *document, const char *path)
{
	return json_number_value(document_at(document, path));
}

double status_fill(const json_t *limit)
{
	double bytes = number(limit, "limit_bytes");

	return bytes > 0 ? number(limit, "need_bytes") / bytes : 0;
}

const char *status_cgroup(const json_t *limit)
{
	return document_text(limit, "cgroup") ?: "(removed)";
}

double status_cpu_percent(const json_t *status)
{
	double seconds = number(status, "self.seconds");

	return seconds > 0 ? 100 * number(status, "self.cpu_seconds") / seconds : 0;
}

void status_bytes(char *buf, size_t size, const json_t *document, const char *path)
{
	const json_t *value = document_at(document, path);

	if (json_is_integer(value))
		format_signed_size(buf, size, json_integer_value(value));
	else
		snprintf(buf, size, "none");
}

void status_seconds(char *buf, size_t size, const json_t *document, const char *path)
{
	double ns = number(document, path) * (double)NSEC_PER_SEC;

	if (document_is_known(document, path))
		format_duration(buf, size, (uint64_t)MAX(MIN(ns, MOST_NS), 0.0));
	else
		snprintf(buf, size, "-");
}
