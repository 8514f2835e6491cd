/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/metrics.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/util.h"
#include "output/format.h"
#include "output/metrics_guards.h"

struct writer {
	FILE *file;
	const struct status *status;
	const struct metrics_guards *guards;
	const char *prefix; /* of the metrics of our process */
};

/* --- lines --------------------------------------------------------------------------------- */

static void head(const struct writer *writer, const char *name, const char *type, const char *help)
{
	fprintf(writer->file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void seconds(FILE *file, uint64_t ns)
{
	fprintf(file, "%" PRIu64 ".%09" PRIu64, (uint64_t)(ns / NSEC_PER_SEC),
		(uint64_t)(ns % NSEC_PER_SEC));
}

/* label: its name, or NULL: there is none. */
static void line(const struct writer *writer, const char *name, const char *label,
		 const char *value_of_label, uint64_t value)
{
	fputs(name, writer->file);
	if (label) {
		fprintf(writer->file, "{%s=\"", label);
		metrics_print_label(writer->file, value_of_label);
		fputs("\"}", writer->file);
	}
	fprintf(writer->file, " %" PRIu64 "\n", value);
}

static void number(const struct writer *writer, const char *name, const char *type,
		   const char *help, uint64_t value)
{
	head(writer, name, type, help);
	line(writer, name, NULL, NULL, value);
}

static void number_of_seconds(const struct writer *writer, const char *name, const char *type,
			      const char *help, uint64_t ns)
{
	head(writer, name, type, help);
	fprintf(writer->file, "%s ", name);
	seconds(writer->file, ns);
	fputc('\n', writer->file);
}

static uint64_t bytes(const struct writer *writer, uint64_t pages)
{
	return sat_mul(pages, writer->status->page_bytes);
}

/* --- the program --------------------------------------------------------------------------- */

static void write_self(const struct writer *writer)
{
	const struct status_self *self = &writer->status->self;

	head(writer, "apoptosis_build_info", "gauge", "The program that runs here.");
	fputs("apoptosis_build_info{mode=\"", writer->file);
	metrics_print_label(writer->file, self->mode);
	fputs("\",version=\"", writer->file);
	metrics_print_label(writer->file, self->version);
	fputs("\"} 1\n", writer->file);
	number_of_seconds(writer, "apoptosis_start_time_seconds", "gauge",
			  "When it began to guard by the configuration that it has.",
			  self->since_realtime_ns);
	number_of_seconds(writer, "apoptosis_updated_timestamp_seconds", "gauge",
			  "When these numbers were taken.", writer->status->realtime_ns);
	number(writer, "apoptosis_configuration_refused", "gauge",
	       "1: the configuration that it was told to read last has a mistake.",
	       !!self->refused);
	number(writer, "apoptosis_history_failing", "gauge",
	       "1: verdicts are missing in the history.", !!self->history_trouble);
}

static const char *process_name(const struct writer *writer, char name[64], const char *what)
{
	snprintf(name, 64, "%sprocess_%s", writer->prefix, what);
	return name;
}

static void write_process(const struct writer *writer)
{
	const struct status_self *self = &writer->status->self;
	char name[64];

	number_of_seconds(writer, process_name(writer, name, "cpu_seconds_total"), "counter",
			  "CPU time of the process of apoptosis, user and system.", self->cpu_ns);
	number(writer, process_name(writer, name, "resident_memory_bytes"), "gauge",
	       "Resident memory of the process of apoptosis.", self->memory_bytes);
}

/* What the kernel does not count is left out. */
static void write_programs(const struct writer *writer)
{
	const struct status_cost *cost = &writer->status->cost;

	head(writer, "apoptosis_program_runs_total", "counter",
	     "Runs of the BPF programs, where kernel.bpf_stats_enabled counts them.");
	for (size_t i = 0; i < cost->program_count; i++)
		if (cost->programs[i].runs)
			line(writer, "apoptosis_program_runs_total", "program",
			     cost->programs[i].hook->program, cost->programs[i].runs);
	head(writer, "apoptosis_program_run_seconds_total", "counter",
	     "Time that the BPF programs took, where kernel.bpf_stats_enabled counts it.");
	for (size_t i = 0; i < cost->program_count; i++) {
		if (!cost->programs[i].runs)
			continue;
		fputs("apoptosis_program_run_seconds_total{program=\"", writer->file);
		metrics_print_label(writer->file, cost->programs[i].hook->program);
		fputs("\"} ", writer->file);
		seconds(writer->file, cost->programs[i].ns);
		fputc('\n', writer->file);
	}
}

/* --- what is guarded ----------------------------------------------------------------------- */

static void write_modes(const struct writer *writer)
{
	uint64_t modes[STATUS_MODES] = {0};

	for (size_t i = 0; i < writer->status->limit_count; i++)
		if (writer->status->limits[i].path)
			modes[status_mode(writer->status->limits[i].policy)]++;
	head(writer, "apoptosis_guards", "gauge", "Limits that are guarded, by how they are.");
	for (int i = 0; i < STATUS_MODES; i++)
		line(writer, "apoptosis_guards", "mode",
		     status_mode_name((enum status_mode)i) ?: "unknown", modes[i]);
	number(writer, "apoptosis_guards_omitted", "gauge",
	       "Guarded limits that have no numbers of their own here: there are too many.",
	       writer->guards->omitted);
}

static bool has_limit(const struct status_limit *limit)
{
	return limit->account.limit_pages != APO_UNLIMITED;
}

/* Where the limit is raised none is kept. */
static bool has_reserve(const struct status_limit *limit)
{
	enum status_mode mode = status_mode(limit->policy);

	return (mode == STATUS_MODE_RESERVE || mode == STATUS_MODE_DRY_RUN) && has_limit(limit);
}

static void print_pages(const struct writer *writer, uint64_t pages)
{
	fprintf(writer->file, "%" PRIu64, bytes(writer, pages));
}

static void print_limit(const struct writer *writer, const struct status_limit *limit)
{
	print_pages(writer, limit->account.limit_pages);
}

static void print_need(const struct writer *writer, const struct status_limit *limit)
{
	print_pages(writer, limit->account.need_pages);
}

static void print_headroom(const struct writer *writer, const struct status_limit *limit)
{
	int64_t pages = status_headroom_pages(&limit->account);

	if (pages < 0)
		fputc('-', writer->file);
	print_pages(writer, pages < 0 ? -(uint64_t)pages : (uint64_t)pages);
}

static void print_reserve(const struct writer *writer, const struct status_limit *limit)
{
	fprintf(writer->file, "%" PRIu64,
		policy_reserve_bytes(limit->policy, bytes(writer, limit->account.limit_pages),
				     writer->status->page_bytes));
}

static void print_growth(const struct writer *writer, const struct status_limit *limit)
{
	print_pages(writer, status_rate_pages_s(&limit->account, writer->status->now_ns));
}

static void print_time(const struct writer *writer, const struct status_limit *limit)
{
	double time_s;

	if (status_time_to_limit(&limit->account, writer->status->now_ns, &time_s))
		fprintf(writer->file, "%.3f", time_s);
	else
		fputs("+Inf", writer->file);
}

static void print_lent(const struct writer *writer, const struct status_limit *limit)
{
	print_pages(writer, limit->lent_pages);
}

static const struct guard_metric {
	const char *name, *help;
	void (*print)(const struct writer *writer, const struct status_limit *limit);
	bool (*is_there)(const struct status_limit *limit); /* NULL: always */
} guard_metrics[] = {
	{"apoptosis_guard_limit_bytes", "The limit, as it is without a loan.", print_limit,
	 has_limit},
	{"apoptosis_guard_need_bytes",
	 "What is needed of it: usage less the page cache that the kernel can drop.", print_need,
	 NULL},
	{"apoptosis_guard_headroom_bytes",
	 "What is left below the limit; negative where need has passed it.", print_headroom,
	 has_limit},
	{"apoptosis_guard_reserve_bytes",
	 "The headroom at which it trips, where the limit is not raised.", print_reserve,
	 has_reserve},
	{"apoptosis_guard_growth_bytes_per_second", "How fast need grows.", print_growth, NULL},
	{"apoptosis_guard_time_to_limit_seconds",
	 "Until the limit is reached at that rate; +Inf where need does not grow.", print_time,
	 NULL},
	{"apoptosis_guard_lent_bytes", "By how much the limit is raised now.", print_lent, NULL},
};

static void write_guards(const struct writer *writer)
{
	write_modes(writer);
	for (size_t i = 0; i < ARRAY_SIZE(guard_metrics); i++) {
		const struct guard_metric *metric = &guard_metrics[i];

		head(writer, metric->name, "gauge", metric->help);
		for (size_t j = 0; j < writer->guards->count; j++) {
			const struct metrics_guard *guard = &writer->guards->items[j];

			if (metric->is_there && !metric->is_there(guard->limit))
				continue;
			fprintf(writer->file, "%s%s ", metric->name, guard->labels);
			metric->print(writer, guard->limit);
			fputc('\n', writer->file);
		}
	}
}

static void write_gaps(const struct writer *writer)
{
	uint64_t counts[GAP_KINDS] = {0};

	for (size_t i = 0; i < writer->status->gap_count; i++)
		counts[writer->status->gaps[i].kind]++;
	head(writer, "apoptosis_gaps", "gauge",
	     "What is guarded less than was asked for, by the reason.");
	for (uint32_t i = 0; i < GAP_KINDS; i++)
		line(writer, "apoptosis_gaps", "reason", gap_name(i), counts[i]);
}

/* --- what happened ------------------------------------------------------------------------- */

static void write_histogram(const struct writer *writer, const char *name, const char *help,
			    const struct histogram *histogram,
			    const struct histogram_bounds *bounds)
{
	uint64_t count = 0;

	head(writer, name, "histogram", help);
	for (size_t i = 0; i < bounds->count; i++) {
		count += histogram->counts[i];
		fprintf(writer->file, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
			(double)bounds->ns[i] / (double)NSEC_PER_SEC, count);
	}
	count += histogram->counts[bounds->count];
	fprintf(writer->file, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, count, name);
	seconds(writer->file, histogram->sum_ns);
	fprintf(writer->file, "\n%s_count %" PRIu64 "\n", name, count);
}

static void write_trips(const struct writer *writer)
{
	const struct measures *measures = &writer->status->measures;

	head(writer, "apoptosis_trips_total", "counter", "Trips, by the rule that made them.");
	for (int i = 0; i < APO_RULES; i++)
		if (i != APO_RULE_WARN)
			line(writer, "apoptosis_trips_total", "rule",
			     rule_name((enum apo_rule)i) ?: "unknown", measures->trips[i]);
	number(writer, "apoptosis_warnings_total", "counter", "Warnings (--warn).",
	       writer->status->counters[APO_STAT_WARNS]);
	head(writer, "apoptosis_verdicts_total", "counter", "What trips and OOM kills came to.");
	for (int i = VERDICT_OPEN + 1; i < VERDICTS; i++)
		line(writer, "apoptosis_verdicts_total", "verdict", verdict_name((enum verdict)i),
		     writer->status->verdicts[i]);
	number(writer, "apoptosis_incidents_open", "gauge", "Trips that have no verdict yet.",
	       writer->status->verdicts[VERDICT_OPEN]);
	write_histogram(writer, "apoptosis_signal_latency_seconds",
			"From the line crossed to the handler entered, of trips with a verdict.",
			&measures->latency, &measures_latency_bounds);
	write_histogram(writer, "apoptosis_shutdown_seconds",
			"From the signal to the end of the process, of trips with a verdict.",
			&measures->shutdown, &measures_shutdown_bounds);
}

static void write_kills(const struct writer *writer)
{
	const uint64_t *counters = writer->status->counters;
	uint64_t uncaught = counters[APO_STAT_OOM_UNCAUGHT];

	head(writer, "apoptosis_oom_kills_total", "counter",
	     "Guarded processes that the kernel chose to kill.");
	line(writer, "apoptosis_oom_kills_total", "preceded_by_trip", "false", uncaught);
	line(writer, "apoptosis_oom_kills_total", "preceded_by_trip", "true",
	     sat_sub(counters[APO_STAT_OOM_KILLS], uncaught));
}

/* A limit that several policies judge is raised once. */
static uint64_t lent_pages(const struct status *status)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < status->limit_count; i++) {
		const struct status_limit *limit = &status->limits[i];
		bool is_first = limit->lent_pages;

		for (size_t j = 0; is_first && j < i; j++)
			is_first = status->limits[j].key.cgroup_id != limit->key.cgroup_id;
		sum = is_first ? sat_add(sum, limit->lent_pages) : sum;
	}
	return sum;
}

static void write_airbag(const struct writer *writer)
{
	number(writer, "apoptosis_airbag_lent_bytes", "gauge",
	       "By how much limits are raised now, all together.",
	       bytes(writer, lent_pages(writer->status)));
	number(writer, "apoptosis_airbag_raises_total", "counter",
	       "How often a limit was raised, silently or for a trip.", writer->status->raises);
}

/* --- what it takes, and what is missing ---------------------------------------------------- */

static void write_counters(const struct writer *writer)
{
	const struct status *status = writer->status;
	const uint64_t *counters = status->counters;

	number(writer, "apoptosis_checks_total", "counter", "Evaluations of the rules.",
	       counters[APO_STAT_CHECKS]);
	head(writer, "apoptosis_signals_total", "counter",
	     "Signals, by who sent them or was asked to.");
	line(writer, "apoptosis_signals_total", "by", "kernel", counters[APO_STAT_SENT]);
	line(writer, "apoptosis_signals_total", "by", "responder", counters[APO_STAT_DELEGATED]);
	number(writer, "apoptosis_responder_late_total", "counter",
	       "Answers of the responder that took more than 10 ms.", status->responder_late);
	number(writer, "apoptosis_ringbuf_events_lost_total", "counter",
	       "Records that the ring buffer had no room for; the signals went out all the same.",
	       counters[APO_STAT_LOST_RECORDS]);
	number(writer, "apoptosis_answers_lost_total", "counter",
	       "Answers of the responder and the keeper, to a loop that hung.",
	       status->answers_lost);
	number(writer, "apoptosis_map_full_total", "counter",
	       "How often something had no room in its map.", counters[APO_STAT_MAP_FULL]);
	head(writer, "apoptosis_map_entries", "gauge", "Entries of a map of the kernel side.");
	line(writer, "apoptosis_map_entries", "map", "limits", status->accounts);
	head(writer, "apoptosis_map_capacity", "gauge", "How many there is room for.");
	line(writer, "apoptosis_map_capacity", "map", "limits", status->accounts_room);
}

int metrics_write(FILE *file, const struct status *status, enum metrics_place place)
{
	struct metrics_guards guards;
	const struct writer writer = {
		.file = file,
		.status = status,
		.guards = &guards,
		.prefix = place == METRICS_ALONE ? "" : "apoptosis_",
	};
	int r = metrics_guards_collect(status, &guards);

	if (!r) {
		write_self(&writer);
		write_guards(&writer);
		write_gaps(&writer);
		write_trips(&writer);
		write_kills(&writer);
		write_airbag(&writer);
		write_counters(&writer);
		write_programs(&writer);
		write_process(&writer);
	}
	metrics_guards_clear(&guards);
	return r ?: file_result(file);
}
