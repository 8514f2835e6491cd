/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints metrics as they are written to a file, or with --alone as they are served: of a status that has all of them. */
#include <string.h>

#include "base/util.h"
#include "core/hooks.h"
#include "output/metrics.h"

#define MIB_PAGES 256

static const struct policy lending = {.airbag = AIRBAG_AUTO};
static const struct policy reserving = {.airbag = AIRBAG_OFF, .reserve_permyriad = 1000};

static struct status_limit limits[] = {
	{.path = "/system.slice/web\\x2d1.service",
	 .key = {.cgroup_id = 7},
	 .guard = "web",
	 .policy = &lending,
	 .lent_pages = MIB_PAGES,
	 .account = {.last_ns = NSEC_PER_SEC,
		     .need_pages = 65 * MIB_PAGES,
		     .limit_pages = 64 * MIB_PAGES,
		     .rate_pages_s = MIB_PAGES}},
	{.path = "/a \"quoted\"\nname\xff",
	 .key = {.cgroup_id = 8},
	 .policy = &reserving,
	 .account = {.need_pages = MIB_PAGES, .limit_pages = 64 * MIB_PAGES}},
};

int main(int argc, char **argv)
{
	struct status status = {
		.realtime_ns = 1769860800 * NSEC_PER_SEC,
		.now_ns = NSEC_PER_SEC,
		.page_bytes = 4096,
		.self = {.mode = "daemon", .version = "0.1.0"},
		.limits = limits,
		.limit_count = ARRAY_SIZE(limits),
		.cost = {.programs = {{.hook = hook_find("on_tick"), .runs = 1000, .ns = 250000}},
			 .program_count = 1},
	};
	const struct history_row row = {
		.latency_ns = 40 * NSEC_PER_USEC,
		.shutdown_ns = 40 * NSEC_PER_MSEC,
	};

	measures_open(&status.measures, APO_RULE_RESERVE);
	measures_close(&status.measures, &row);
	return metrics_write(stdout, &status,
			     argc > 1 && !strcmp(argv[1], "--alone") ? METRICS_ALONE
								     : METRICS_AMONG_OTHERS)
		       ? EXIT_FAILURE
		       : 0;
}
