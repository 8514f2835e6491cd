/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/status.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/format.h"

#define PROCESSES_SHOWN 20

static void print_pages(FILE *file, uint64_t pages, uint64_t page_bytes)
{
	char size[16];

	if (pages == APO_UNLIMITED)
		snprintf(size, sizeof(size), "none");
	else
		format_size(size, sizeof(size), sat_mul(pages, page_bytes));
	fprintf(file, "%11s", size);
}

static void print_rate(FILE *file, uint64_t pages_s, uint64_t page_bytes)
{
	char size[16], rate[20];

	format_size(size, sizeof(size), sat_mul(pages_s, page_bytes));
	snprintf(rate, sizeof(rate), "%s/s", size);
	fprintf(file, "%13s", rate);
}

static void print_signed_pages(FILE *file, int64_t pages, uint64_t page_bytes)
{
	char size[20];
	int64_t bytes;

	if (__builtin_mul_overflow(pages, (int64_t)page_bytes, &bytes))
		snprintf(size, sizeof(size), "none");
	else
		format_signed_size(size, sizeof(size), bytes);
	fprintf(file, "%11s", size);
}

int ready_text(FILE *file, const struct ready *ready)
{
	_cleanup_free_ char *cgroup = text_escape_line(ready->cgroup ? ready->cgroup : "?");
	char limit[16], reserve[16], clock[FORMAT_TIME_SIZE];

	if (!cgroup)
		return -ENOMEM;
	format_clock(clock, sizeof(clock), ready->realtime_ns);
	fprintf(file, "%s ready    ", clock);
	if (!ready->has_guard) {
		fputs("guarding every limited cgroup", file);
	} else {
		format_size(limit, sizeof(limit), ready->limit_bytes);
		format_size(reserve, sizeof(reserve), ready->reserve_bytes);
		if (ready->lends)
			fprintf(file, "guarding %s: limit %s, raised when it is nearly reached",
				cgroup, limit);
		else
			fprintf(file, "guarding %s: limit %s, reserve %s", cgroup, limit, reserve);
	}
	fputs("; triggers:", file);
	for (size_t i = 0; i < ready->triggers.count; i++)
		fprintf(file, " %s", ready->triggers.names[i]);
	fprintf(file,
		"; memory %slocked, responder %sin real time, room for %" PRIu64
		" descriptors and %" PRIu32 " limits\n",
		ready->self.is_locked ? "" : "not ", ready->self.is_realtime ? "" : "not ",
		ready->self.descriptors_max, ready->self.limits_max);
	return file_result(file);
}

static int print_limit(FILE *file, const struct status_limit *limit, uint64_t page_bytes)
{
	_cleanup_free_ char *path = text_escape_line(limit->path ? limit->path : "(removed)");
	const struct apo_limit *account = &limit->account;

	if (!path)
		return -ENOMEM;
	print_pages(file, account->need_pages, page_bytes);
	print_pages(file, account->peak_need_pages, page_bytes);
	print_pages(file, account->limit_pages, page_bytes);
	print_signed_pages(file, account->least_headroom_pages, page_bytes);
	print_rate(file, account->rate_pages_s, page_bytes);
	fprintf(file, "%6" PRIu64 "%6" PRIu64 "%10" PRIu64 "  %s\n", (uint64_t)account->trips,
		(uint64_t)account->warns, (uint64_t)account->oom_kills, path);
	return 0;
}

static int print_limits(FILE *file, const struct status *status, bool colour)
{
	char head[128];

	snprintf(head, sizeof(head), "%11s%11s%11s%11s%13s%6s%6s%10s  %s", "NEED", "PEAK", "LIMIT",
		 "LEAST ROOM", "RATE", "TRIPS", "WARNS", "OOM KILLS", "CGROUP");
	print_coloured(file, colour, COLOUR_BOLD, head);
	fputc('\n', file);
	for (size_t i = 0; i < status->limit_count; i++) {
		int r = print_limit(file, &status->limits[i], status->page_bytes);

		if (r < 0)
			return r;
	}
	return 0;
}

static int print_loan(FILE *file, const struct status_limit *limit)
{
	_cleanup_free_ char *path = text_escape_line(limit->path ? limit->path : "(removed)");
	const struct loan_facts *loan = &limit->loan;
	char size[16], lasted[16], clock[FORMAT_TIME_SIZE];

	if (!path)
		return -ENOMEM;
	format_size(size, sizeof(size), loan->lent_bytes);
	format_duration(lasted, sizeof(lasted), loan->lasted_ns);
	format_clock(clock, sizeof(clock), loan->over_realtime_ns);
	fprintf(file, "lent to %s: %s%s, for %s", path, size,
		loan->is_for_trip ? " for a trip" : "", lasted);
	if (loan->over_realtime_ns)
		fprintf(file, ", paid back at %s\n", clock);
	else
		fputs(" so far\n", file);
	return 0;
}

static int print_loans(FILE *file, const struct status *status)
{
	for (size_t i = 0; i < status->limit_count; i++) {
		int r = status->limits[i].loan.lent_bytes ? print_loan(file, &status->limits[i])
							  : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static uint64_t resident_pages(const struct apo_process *account)
{
	return sat_add(sat_add(account->rss_pages[APO_FILE], account->rss_pages[APO_ANON]),
		       account->rss_pages[APO_SHMEM]);
}

static int by_size(const void *a, const void *b)
{
	const struct status_process *const *p = a, *const *q = b;
	uint64_t m = resident_pages(&(*p)->account), n = resident_pages(&(*q)->account);

	if (m != n)
		return m < n ? 1 : -1;
	return ((*p)->pid > (*q)->pid) - ((*p)->pid < (*q)->pid);
}

static int print_process(FILE *file, const struct status_process *process, uint64_t page_bytes)
{
	const struct apo_process *account = &process->account;
	_cleanup_free_ char *name = NULL;
	char comm[APO_COMM_LEN + 1] = {0};

	memcpy(comm, account->comm, APO_COMM_LEN);
	name = text_escape_line(comm);
	if (!name)
		return -ENOMEM;
	print_pages(file, resident_pages(account), page_bytes);
	print_pages(file, account->peak_pages, page_bytes);
	print_pages(file, account->rss_pages[APO_ANON], page_bytes);
	print_pages(file, account->rss_pages[APO_SHMEM], page_bytes);
	print_rate(file, account->rate_pages_s, page_bytes);
	fprintf(file, "  %s[%d]\n", name, process->pid);
	return 0;
}

static int print_processes(FILE *file, const struct status *status, bool colour)
{
	_cleanup_free_ const struct status_process **sorted = NULL;
	size_t shown = MIN(status->process_count, (size_t)PROCESSES_SHOWN);
	char head[128];

	if (status->process_count == 0)
		return 0;
	sorted = calloc(status->process_count, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < status->process_count; i++)
		sorted[i] = &status->processes[i];
	qsort(sorted, status->process_count, sizeof(*sorted), by_size);

	snprintf(head, sizeof(head), "%11s%11s%11s%11s%13s  %s", "RSS", "PEAK", "ANON", "SHMEM",
		 "RATE", "PROCESS");
	print_coloured(file, colour, COLOUR_BOLD, head);
	fputc('\n', file);
	for (size_t i = 0; i < shown; i++) {
		int r = print_process(file, sorted[i], status->page_bytes);

		if (r < 0)
			return r;
	}
	if (shown < status->process_count)
		fprintf(file, "%11s and %zu smaller\n", "", status->process_count - shown);
	return 0;
}

/* What is guarded less than it seems comes last but for the sums: there it is seen. */
static int print_gaps(FILE *file, const struct status *status, bool colour)
{
	for (size_t i = 0; i < status->gap_count; i++) {
		const struct gap *gap = &status->gaps[i];
		_cleanup_free_ char *path =
			text_escape_line(gap->cgroup ? gap->cgroup : "(removed)");

		if (!path)
			return -ENOMEM;
		print_coloured(file, colour, COLOUR_YELLOW,
			       gap_is_partial(gap->kind) ? "less protected: " : "not protected: ");
		fprintf(file, "%s %s; to do: %s\n", path, gap_words(gap->kind),
			gap_remedy(gap->kind));
	}
	return 0;
}

/* What the kernel side costs: which programs run at present, and how long, where the kernel counts that. */
static void print_cost(FILE *file, const struct status *status)
{
	for (size_t i = 0; i < status->cost.program_count; i++) {
		const struct status_program *program = &status->cost.programs[i];

		if (!program->is_attached)
			fprintf(file, "%s is not attached at present: no limit is armed\n",
				program->hook->program);
		if (program->runs)
			fprintf(file, "%-18s %12" PRIu64 " runs of %.0f ns\n",
				program->hook->program, program->runs,
				(double)program->ns / (double)program->runs);
	}
}

static void print_counters(FILE *file, const struct status *status)
{
	const uint64_t *c = status->counters;
	bool any = false;

	fprintf(file,
		"checks %" PRIu64 " (%.1f/s), trips %" PRIu64 ", warnings %" PRIu64
		", signals %" PRIu64 " by the kernel side and %" PRIu64
		" delegated, OOM kills %" PRIu64 "\n",
		c[APO_STAT_CHECKS], status->cost.checks_per_s, c[APO_STAT_TRIPS], c[APO_STAT_WARNS],
		c[APO_STAT_SENT], c[APO_STAT_DELEGATED], c[APO_STAT_OOM_KILLS]);
	if (c[APO_STAT_LOST_RECORDS])
		fprintf(file, "lost records: %" PRIu64 " (the signals went out all the same)\n",
			c[APO_STAT_LOST_RECORDS]);
	if (c[APO_STAT_MAP_FULL])
		fprintf(file, "full maps: %" PRIu64 " accounts had no room\n",
			c[APO_STAT_MAP_FULL]);
	if (c[APO_STAT_SUBTREE_CUT])
		fprintf(file,
			"large subtrees: %" PRIu64 " times page cache was taken from statistics\n",
			c[APO_STAT_SUBTREE_CUT]);
	fputs("verdicts:", file);
	for (int i = 0; i < STATUS_VERDICTS; i++) {
		if (!status->verdicts[i])
			continue;
		fprintf(file, "%s %s %" PRIu64, any ? "," : "", verdict_name((enum verdict)i),
			status->verdicts[i]);
		any = true;
	}
	fputs(any ? "\n" : " none\n", file);
}

int status_text(FILE *file, const struct status *status, bool colour)
{
	int r = print_limits(file, status, colour);

	if (r >= 0)
		r = print_loans(file, status);
	if (r >= 0)
		r = print_processes(file, status, colour);
	if (r >= 0)
		r = print_gaps(file, status, colour);
	if (r < 0)
		return r;
	print_cost(file, status);
	print_counters(file, status);
	return file_result(file);
}
