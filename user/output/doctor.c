/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/format.h"
#include "output/json.h"

static void print_heading(FILE *file, const char *group)
{
	fprintf(file, "\n%s\n", group);
}

/* One row: mark, name, text. */
static void print_row(FILE *file, bool colour, const char *code, const char *mark, const char *name,
		      const char *text)
{
	char padded[16];

	snprintf(padded, sizeof(padded), "%-8s", mark);
	fputs("  ", file);
	print_coloured(file, colour, code, padded);
	fprintf(file, " %-30s %s\n", name, text);
}

static void print_finding(FILE *file, const struct protection_finding *finding, bool colour)
{
	if (finding->ok) {
		print_row(file, colour, COLOUR_GREEN, "ok", finding->name, finding->gives);
		return;
	}
	if (finding->weight == PROTECTION_EXTRA)
		print_row(file, colour, COLOUR_YELLOW, "absent", finding->name, finding->gives);
	else
		print_row(file, colour, COLOUR_RED, "MISSING", finding->name, finding->gives);
	fprintf(file, "%11slost: %s\n", "", finding->lost);
	fprintf(file, "%11sget it: %s\n", "", finding->remedy);
}

static int print_machine(FILE *file, const struct protection_facts *facts)
{
	_cleanup_free_ char *release =
		text_escape_line(facts->kernel_release ? facts->kernel_release : "unknown");
	_cleanup_free_ char *mount =
		text_escape_line(facts->cgroup_mount ? facts->cgroup_mount : "none");
	char page[16];

	if (!release || !mount)
		return -ENOMEM;
	format_size(page, sizeof(page), facts->page_bytes);
	fprintf(file, "Linux %s, %u CPU%s, pages of %s\n", release, facts->cpus,
		facts->cpus == 1 ? "" : "s", page);
	if (facts->cgroup_version)
		fprintf(file, "memory limits: cgroup v%d%s at %s\n", facts->cgroup_version,
			facts->cgroup_hybrid ? " (hybrid)" : "", mount);
	return 0;
}

static void print_findings(FILE *file, const struct protection *protection, bool colour)
{
	const char *group = "";

	for (size_t i = 0; i < protection->finding_count; i++) {
		const struct protection_finding *finding = &protection->findings[i];

		if (strcmp(group, finding->group) != 0)
			print_heading(file, finding->group);
		group = finding->group;
		print_finding(file, finding, colour);
	}
}

/* What is neither there nor missing, but changes how things go. */
static void print_conditions(FILE *file, const struct protection_facts *facts,
			     const struct protection *protection)
{
	char total[16], left[16], error[16];
	bool large = facts->thp == PROTECTION_THP_ALWAYS || facts->thp == PROTECTION_THP_MADVISE;

	print_heading(file, "conditions");
	fprintf(file, "  lockdown                    %s\n",
		protection_lockdown_name(facts->lockdown));
	fprintf(file, "  transparent huge pages      %s%s\n", protection_thp_name(facts->thp),
		large ? ": one fault may take a huge page at once, keep --reserve above that" : "");
	if (facts->swap_total_bytes) {
		format_size(total, sizeof(total), facts->swap_total_bytes);
		format_size(left, sizeof(left), facts->swap_free_bytes);
		fprintf(file,
			"  swap                        %s, %s free: its room counts as headroom\n",
			total, left);
	} else {
		fputs("  swap                        none\n", file);
	}
	format_size(error, sizeof(error),
		    sat_mul(protection->counter_error_pages, facts->page_bytes));
	fprintf(file,
		"  RSS counters                within %" PRIu64 " pages (%s) on %u CPU%s; the trip "
		"does not depend on them\n",
		protection->counter_error_pages, error, facts->cpus, facts->cpus == 1 ? "" : "s");
}

/* Where growth is seen from, and what would be better. */
static void print_rung(FILE *file, enum protection_rung rung)
{
	const char *latency = protection_rung_latency(rung), *next = protection_rung_next(rung);

	fprintf(file, "  rung: %s%s%s\n", protection_rung_name(rung), latency ? ": " : "",
		latency ?: "");
	if (next)
		fprintf(file, "  the next would be %s\n", next);
}

static void print_conclusion(FILE *file, const struct protection_facts *facts,
			     const struct protection *protection, bool colour)
{
	const char *code = protection->level == PROTECTION_FULL	     ? COLOUR_GREEN
			   : protection->level == PROTECTION_PARTIAL ? COLOUR_YELLOW
								     : COLOUR_RED;

	print_heading(file, "so");
	if (facts->features.load_error)
		fprintf(file, "  the programs do not load: %s\n",
			strerror(-facts->features.load_error));
	if (protection->level != PROTECTION_IMPOSSIBLE) {
		fputs("  triggers:", file);
		for (size_t i = 0; i < protection->triggers.count; i++)
			fprintf(file, " %s", protection->triggers.names[i]);
		fputc('\n', file);
		fprintf(file, "  signals: %s%s%s\n",
			protection->signal_in_fault ? "in the fault" : "none",
			protection->signal_other_kernel ? ", to any process from the kernel" : "",
			protection->signal_responder ? ", to any process by the responder" : "");
	}
	fputs("  protection: ", file);
	print_coloured(file, colour, code, protection_level_name(protection->level));
	fputc('\n', file);
	print_rung(file, protection->rung);
}

int doctor_text(FILE *file, const struct protection_facts *facts,
		const struct protection *protection, bool colour)
{
	int r = print_machine(file, facts);

	if (r < 0)
		return r;
	print_findings(file, protection, colour);
	print_conditions(file, facts, protection);
	print_conclusion(file, facts, protection, colour);
	return file_result(file);
}

static const char *weight_name(enum protection_weight weight)
{
	switch (weight) {
	case PROTECTION_NEEDED:
		return "needed";
	case PROTECTION_PART:
		return "part";
	case PROTECTION_EXTRA:
		return "extra";
	}
	return "extra";
}

static json_t *finding_json(const struct protection_finding *finding)
{
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "group", json_string(finding->group));
	r |= json_object_set_new(object, "name", json_string(finding->name));
	r |= json_object_set_new(object, "ok", json_boolean(finding->ok));
	r |= json_object_set_new(object, "weight", json_string(weight_name(finding->weight)));
	r |= json_object_set_new(object, "gives", json_string(finding->gives));
	r |= json_object_set_new(object, "lost",
				 finding->ok ? json_null() : json_string(finding->lost));
	r |= json_object_set_new(object, "remedy",
				 finding->ok ? json_null() : json_string(finding->remedy));
	return json_finish(object, r);
}

static json_t *findings_json(const struct protection *protection)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < protection->finding_count; i++)
		r |= json_array_append_new(array, finding_json(&protection->findings[i]));
	return json_finish(array, r);
}

static json_t *machine_json(const struct protection_facts *facts)
{
	json_t *object = json_object(), *capabilities = json_object();
	int r = 0;

	for (enum protection_capability c = 0; c < PROTECTION_CAPS; c++)
		r |= json_object_set_new(capabilities, protection_capability_name(c),
					 json_boolean(facts->capabilities[c]));
	r |= json_object_set_new(object, "kernel_release", json_text(facts->kernel_release));
	r |= json_object_set_new(object, "cpus", json_u64(facts->cpus));
	r |= json_object_set_new(object, "page_bytes", json_u64(facts->page_bytes));
	r |= json_object_set_new(object, "lockdown",
				 json_string(protection_lockdown_name(facts->lockdown)));
	r |= json_object_set_new(object, "thp", json_string(protection_thp_name(facts->thp)));
	r |= json_object_set_new(object, "swap_total_bytes", json_u64(facts->swap_total_bytes));
	r |= json_object_set_new(object, "swap_free_bytes", json_u64(facts->swap_free_bytes));
	r |= json_object_set_new(object, "cgroup_version", json_integer(facts->cgroup_version));
	r |= json_object_set_new(object, "cgroup_hybrid", json_boolean(facts->cgroup_hybrid));
	r |= json_object_set_new(object, "cgroup_mount", json_text(facts->cgroup_mount));
	r |= json_object_set_new(object, "limits_writable", json_boolean(facts->limits_writable));
	r |= json_object_set_new(object, "load_error",
				 facts->features.load_error
					 ? json_text(strerror(-facts->features.load_error))
					 : json_null());
	r |= json_object_set_new(object, "capabilities", capabilities);
	return json_finish(object, r);
}

static json_t *names_json(const char *const *names, size_t count)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < count; i++)
		r |= json_array_append_new(array, json_string(names[i]));
	return json_finish(array, r);
}

static json_t *signals_json(const struct protection *p)
{
	const char *names[3];
	size_t count = 0;

	if (p->signal_in_fault)
		names[count++] = "in the fault";
	if (p->signal_other_kernel)
		names[count++] = "from the kernel";
	if (p->signal_responder)
		names[count++] = "by the responder";
	return names_json(names, count);
}

json_t *doctor_json(const struct protection_facts *facts, const struct protection *protection,
		    uint64_t realtime_ns)
{
	json_t *object = json_event("doctor", realtime_ns);
	int r = 0;

	r |= json_object_set_new(object, "protection",
				 json_string(protection_level_name(protection->level)));
	r |= json_object_set_new(object, "rung",
				 json_string(protection_rung_name(protection->rung)));
	r |= json_object_set_new(object, "rung_next",
				 json_text(protection_rung_next(protection->rung)));
	r |= json_object_set_new(object, "triggers",
				 names_json(protection->triggers.names,
					    protection->triggers.count));
	r |= json_object_set_new(object, "signals", signals_json(protection));
	r |= json_object_set_new(object, "counter_error_pages",
				 json_u64(protection->counter_error_pages));
	r |= json_object_set_new(object, "machine", machine_json(facts));
	r |= json_object_set_new(object, "findings", findings_json(protection));
	return json_finish(object, r);
}
