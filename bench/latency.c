/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How late the handler is. A process grows over the line in a cgroup of its own; a witness, another
 * BPF program, applies the rule at every event and notes the first at which it held. From there to
 * the handler: time, and pages. The process itself says how many pages it had begun, and
 * at a slow rate it looks at its cgroup's usage file after each page as well.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apoptosis/abi.h"
#include "base/util.h"
#include "bench.h"
#include "grower.h"
#include "numbers.h"
#include "tool.h"
#include "truth.skel.h"

#define LIMIT_BYTES (256 * MIB)
#define RESERVE_BYTES (24 * MIB)
#define RESERVE_TEXT "24M"
#define RAMP_BYTES (16 * MIB) /* before the line, at the row's rate; what is before is flat out */
#define PARENT_BYTES (4096 * MIB) /* never near; a guard wants some limit */
#define STOCK_PAGES 64		  /* MEMCG_CHARGE_BATCH: usage moves in steps of it, on each CPU */
#define WATCHED_PAGES 256	  /* before the line, looked at one by one */
#define EVENT_MS 5000

static const struct row {
	const char *name, *label;
	struct grower_plan plan;
} rows[] = {
	{"anon_watched",
	 "anon 20 MiB/s, watching itself",
	 {.threads = 1, .mib_per_s = 20, .watch_pages = WATCHED_PAGES}},
	{"anon_50", "anon 50 MiB/s", {.threads = 1, .mib_per_s = 50}},
	{"anon_200", "anon 200 MiB/s", {.threads = 1, .mib_per_s = 200}},
	{"anon_1000", "anon 1000 MiB/s", {.threads = 1, .mib_per_s = 1000}},
	{"anon_flat", "anon flat out", {.threads = 1}},
	{"anon_4_1000", "anon 1000 MiB/s, 4 threads", {.threads = 4, .mib_per_s = 1000}},
	{"anon_4_flat", "anon flat out, 4 threads", {.threads = 4}},
	{"shmem_flat", "shmem flat out", {.kind = GROW_SHMEM, .threads = 1}},
	{"thp_1000", "THP 1000 MiB/s", {.kind = GROW_THP, .threads = 1, .mib_per_s = 1000}},
	{"thp_flat", "THP flat out", {.kind = GROW_THP, .threads = 1}},
	{"anon_hop", "anon flat out, back on first CPU", {.threads = 1, .hop_pages = 16}},
	{"thp_hop",
	 "THP flat out, back on first CPU",
	 {.kind = GROW_THP, .threads = 1, .hop_pages = 2 * 512}},
};

struct outcome {
	struct samples us, decision_pages, handler_pages, file_pages, rate;
	unsigned int unseen, missed; /* by the witness; by the guard */
};

struct latency {
	struct bench *bench;
	struct outcome all;
	struct samples one_thread, threads; /* pages late at the handler */
	struct group *parent;
	struct tool *tool;
	struct truth_bpf *truth;
	int link_fd;
};

static void truth_start(struct latency *latency)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	const struct machine *machine = &latency->bench->machine;
	struct truth_bpf *truth = truth_bpf__open();
	int r;

	if (!truth)
		fail("cannot open the witness: %s", strerror(errno));
	truth->rodata->nr_cpus = machine->cpu_ids;
	truth->rodata->nr_nodes = machine->node_ids;
	truth->rodata->memcg_v1 = cgroup_tree_version(latency->bench->tree) == 1;
	truth->data_settings->settings.swap_pages =
		machine->swap_free_bytes / latency->bench->page_size;
	r = bpf_map__set_max_entries(truth->maps.cpu_offsets, machine->cpu_ids);
	if (!r)
		r = truth_bpf__load(truth);
	if (!r)
		r = bpf_prog_test_run_opts(bpf_program__fd(truth->progs.prepare), &opts);
	if (r)
		fail("cannot load the witness: %s", strerror(-r));
	latency->link_fd = bpf_raw_tracepoint_open(NULL, bpf_program__fd(truth->progs.witness));
	if (latency->link_fd < 0)
		fail("cannot attach the witness: %s", strerror(errno));
	latency->truth = truth;
}

static void truth_arm(struct latency *latency, const struct grower *grower)
{
	struct truth_bpf__bss *bss = latency->truth->bss;

	bss->wanted_tgid = 0;
	bss->crossed_ns = 0;
	bss->crossed_claimed = 0;
	bss->line_pages = RESERVE_BYTES / latency->bench->page_size;
	bss->claimed_address = (uintptr_t)&grower_result(grower)->claimed;
	__sync_synchronize();
	bss->wanted_tgid = (uint32_t)grower_pid(grower);
}

/* Memory of the trip, in pages; -1: no trip. */
static double trip_rss_pages(struct latency *latency, pid_t pid)
{
	static const char *const kinds[] = {"file", "anon", "shmem"};
	const json_t *trip = tool_event(latency->tool, "trip", pid, EVENT_MS);
	double bytes = 0;

	if (!trip)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char path[64];

		snprintf(path, sizeof(path), "memory.rss_bytes.%s", kinds[i]);
		bytes += json_number_at(trip, path);
	}
	return bytes / (double)latency->bench->page_size;
}

static void note(struct latency *latency, const struct row *row, struct grower *grower,
		 struct outcome *outcome)
{
	const struct truth_bpf__bss *truth = latency->truth->bss;
	const struct grower_result *result = grower_result(grower);
	double tripped = trip_rss_pages(latency, grower_pid(grower));
	double seconds = (double)(result->rate_until_ns - result->rate_from_ns) / 1e9;
	double ramp = (double)result->touched - (double)grower_plan_of(grower)->from_pages;
	double us, decision, handler;

	if (tripped < 0 || !result->handler_ns) {
		outcome->missed++;
		latency->all.missed++;
		return;
	}
	if (ramp > 0 && seconds > 0)
		samples_add(&outcome->rate,
			    ramp * (double)latency->bench->page_size / (double)MIB / seconds);
	if (row->plan.watch_pages)
		samples_add(&outcome->file_pages,
			    result->file_crossed
				    ? (double)result->claimed_then - (double)result->file_crossed
				    : -1);
	if (!truth->crossed_ns) {
		outcome->unseen++;
		return;
	}
	us = (double)(int64_t)(result->handler_ns - truth->crossed_ns) / 1e3;
	decision = MAX(tripped - (double)truth->crossed_rss_pages, 0.0);
	samples_add(&outcome->us, us);
	samples_add(&latency->all.us, us);
	samples_add(&outcome->decision_pages, decision);
	samples_add(&latency->all.decision_pages, decision);
	handler = MAX((double)result->claimed_then - (double)truth->crossed_claimed, 0.0);
	samples_add(&outcome->handler_pages, handler);
	samples_add(row->plan.threads > 1 ? &latency->threads : &latency->one_thread, handler);
}

static void grow_once(struct latency *latency, const struct row *row, struct outcome *outcome)
{
	const struct bench *bench = latency->bench;
	struct group *group = group_new(bench, latency->parent, row->name, LIMIT_BYTES);
	struct grower_plan plan = row->plan;
	uint64_t line = (LIMIT_BYTES - RESERVE_BYTES) / bench->page_size;
	struct grower *grower;

	plan.from_pages = line - RAMP_BYTES / bench->page_size;
	plan.until_pages = LIMIT_BYTES / bench->page_size - 512;
	plan.watch_line_bytes = LIMIT_BYTES - RESERVE_BYTES;
	if (plan.hop_pages) /* the row says how far before the line */
		plan.hop_pages = line - plan.hop_pages - 256;
	if (plan.watch_pages) {
		/* Page tables and the like count too; they are well below a MiB. */
		plan.watch_pages = line - plan.watch_pages - 256;
		plan.from_pages = plan.watch_pages - 256;
	}
	grower = grower_new(bench, group, &plan);
	truth_arm(latency, grower);
	grower_go(grower);
	if (!grower_wait(grower, 60000))
		fail("a growing process does not end");
	note(latency, row, grower, outcome);
	grower_free(grower);
	tool_forget(latency->tool);
	group_free(bench, group);
}

static void report_row(struct latency *latency, const struct row *row, struct outcome *outcome)
{
	char ignored[64] = "";

	if (outcome->missed || outcome->unseen)
		snprintf(ignored, sizeof(ignored), "  (%u not caught, %u not seen by the witness)",
			 outcome->missed, outcome->unseen);
	printf("  %-32s %5zu %6.0f   %7.1f %7.1f %8.1f   %5.0f %6.0f   %5.0f %6.0f%s\n", row->label,
	       outcome->us.n, samples_median(&outcome->rate), samples_median(&outcome->us),
	       samples_quantile(&outcome->us, 0.99), samples_max(&outcome->us),
	       samples_median(&outcome->decision_pages), samples_max(&outcome->decision_pages),
	       samples_median(&outcome->handler_pages), samples_max(&outcome->handler_pages),
	       ignored);
	json_object_set_new(
		json_object_get(latency->bench->json, "latency"), row->name,
		json_pack("{s:i s:f s:f s:f s:f s:f s:f s:f s:f s:i s:i}", "n", (int)outcome->us.n,
			  "rate_mib_per_s", samples_median(&outcome->rate), "median_us",
			  samples_median(&outcome->us), "p99_us",
			  samples_quantile(&outcome->us, 0.99), "max_us", samples_max(&outcome->us),
			  "decision_pages_median", samples_median(&outcome->decision_pages),
			  "decision_pages_max", samples_max(&outcome->decision_pages),
			  "handler_pages_median", samples_median(&outcome->handler_pages),
			  "handler_pages_max", samples_max(&outcome->handler_pages), "missed",
			  (int)outcome->missed, "unseen", (int)outcome->unseen));
}

/* How many of the samples are at most this much. */
static size_t within(struct samples *samples, double most)
{
	size_t n = 0;

	for (size_t i = 0; i < samples->n; i++)
		n += samples->values[i] <= most;
	return n;
}

static void print_target(struct samples *pages, unsigned int missed, const char *what, double most)
{
	size_t ok = within(pages, most);

	if (pages->n)
		printf("  Target: at most %.0f pages late, %s: %zu of %zu, max %.0f: %s.\n", most,
		       what, ok, pages->n, samples_max(pages),
		       ok == pages->n && !missed ? "met" : "MISSED");
}

static void report_targets(struct latency *latency)
{
	const struct machine *machine = &latency->bench->machine;
	struct outcome *all = &latency->all;
	unsigned int error = machine->cpus_online * (MAX(32U, 2 * machine->cpus_online) - 1);

	printf("\n  All %zu: median %.1f us, p99 %.1f us, max %.1f us; %u not caught.\n", all->us.n,
	       samples_median(&all->us), samples_quantile(&all->us, 0.99), samples_max(&all->us),
	       all->missed);
	printf("  Pages late: begun after the page at whose event less than the reserve was left\n"
	       "  for the first time, until the decision to signal, and until the handler. The\n"
	       "  kernel's counter of usage moves in steps of up to %d pages on each CPU and runs\n"
	       "  ahead: a trip may be early by so much, never late. With more threads than CPUs\n"
	       "  the signalled one may lose its CPU before its handler, while others go on.\n",
	       STOCK_PAGES);
	print_target(&all->decision_pages, all->missed, "decision, exact mode", 1);
	print_target(&latency->one_thread, all->missed, "handler, one thread, exact mode", 1);
	print_target(&latency->one_thread, all->missed, "handler, one thread, batch mode", error);
	print_target(&latency->threads, all->missed, "handler, 4 threads", error);
	json_object_set_new(
		json_object_get(latency->bench->json, "latency"), "all",
		json_pack("{s:i s:f s:f s:f s:f s:f s:f s:i s:i}", "n", (int)all->us.n, "median_us",
			  samples_median(&all->us), "p99_us", samples_quantile(&all->us, 0.99),
			  "max_us", samples_max(&all->us), "decision_pages_max",
			  samples_max(&all->decision_pages), "handler_pages_max_one_thread",
			  samples_max(&latency->one_thread), "handler_pages_max_threads",
			  samples_max(&latency->threads), "missed", (int)all->missed, "batch_pages",
			  (int)error));
}

static void done(struct outcome *outcome)
{
	samples_done(&outcome->us);
	samples_done(&outcome->decision_pages);
	samples_done(&outcome->handler_pages);
	samples_done(&outcome->file_pages);
	samples_done(&outcome->rate);
}

void latency_run(struct bench *bench)
{
	static const char *const options[] = {"--reserve", RESERVE_TEXT, "--airbag", "off", NULL};
	struct latency latency = {.bench = bench};
	unsigned int n = repeats(bench, 40, 5);

	truth_start(&latency);
	latency.parent = group_new(bench, NULL, "latency", PARENT_BYTES);
	latency.tool = tool_start(bench, latency.parent, options);
	json_object_set_new(bench->json, "latency", json_object());
	printf("\nLatency: from the event that crossed the line to the handler (limit 256 MiB, "
	       "reserve 24 MiB)\n\n");
	printf("  %-32s %5s %6s   %23s   %12s   %12s\n", "", "", "", "microseconds", "pages late,",
	       "pages late,");
	printf("  %-32s %5s %6s   %7s %7s %8s   %12s   %12s\n", "", "n", "MiB/s", "median", "p99",
	       "max", "decision", "handler");
	printf("  %-32s %5s %6s   %7s %7s %8s   %5s %6s   %5s %6s\n", "", "", "", "", "", "",
	       "med.", "max", "med.", "max");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct outcome outcome = {.missed = 0};

		if (!is_wanted(bench, rows[i].name))
			continue;
		for (unsigned int repeat = 0; repeat < n; repeat++)
			grow_once(&latency, &rows[i], &outcome);
		report_row(&latency, &rows[i], &outcome);
		if (outcome.file_pages.n)
			printf("    by its own look at the usage file after each page: median "
			       "%.0f, max %.0f pages late\n",
			       samples_median(&outcome.file_pages),
			       samples_max(&outcome.file_pages));
		fflush(stdout);
		done(&outcome);
	}
	report_targets(&latency);
	tool_stop(latency.tool);
	done(&latency.all);
	samples_done(&latency.one_thread);
	samples_done(&latency.threads);
	close_fd(latency.link_fd);
	truth_bpf__destroy(latency.truth);
	group_free(bench, latency.parent);
}
