/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/event.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "core/hooks.h"
#include "output/fitted_line.h"
#include "output/format.h"

/* What a line holds beside its time and kind. */
#define LINE_WIDTH (EVENT_LINE_MAX - 23)

/* Of parts of a line: what goes first is what the report, or the line before, tells as well. */
enum {
	RANK_LIMIT = 1, /* whose limit, and how near it is */
	RANK_WHY,	/* that signal */
	RANK_AIRBAG,
	RANK_HANDLER,
	RANK_WHERE, /* it was sent */
};

/* Foreign strings of an incident made printable; NULL where it has none. */
struct names {
	char *comm, *cgroup, *limit_cgroup, *target_comm;
};

static void names_clear(struct names *names)
{
	free(names->comm);
	free(names->cgroup);
	free(names->limit_cgroup);
	free(names->target_comm);
}

static int escape(const char *raw, char **ret)
{
	if (!raw)
		return 0;
	*ret = text_escape_line(raw);
	return *ret ? 0 : -ENOMEM;
}

static int names_fill(const struct incident *incident, struct names *names)
{
	if (escape(incident->grower.comm, &names->comm) < 0 ||
	    escape(incident->grower.cgroup, &names->cgroup) < 0 ||
	    escape(incident->limit_cgroup, &names->limit_cgroup) < 0 ||
	    escape(incident->target.comm, &names->target_comm) < 0)
		return -ENOMEM;
	return 0;
}

const char *event_name(const struct incident *incident)
{
	switch (incident->verdict) {
	case VERDICT_OPEN:
		return incident->rule == APO_RULE_WARN ? "warn" : "trip";
	case VERDICT_MISSED:
		return "oom_kill";
	default:
		return "verdict";
	}
}

static void print_kind(FILE *file, const struct incident *incident, bool colour)
{
	const char *word = verdict_name(incident->verdict), *code = COLOUR_YELLOW;

	switch (incident->verdict) {
	case VERDICT_OPEN:
		word = incident->rule == APO_RULE_WARN ? "warn" : "trip";
		break;
	case VERDICT_SAVED:
		code = COLOUR_GREEN;
		break;
	case VERDICT_MISSED:
		word = "oom kill";
		code = COLOUR_RED;
		break;
	case VERDICT_TOO_LATE:
	case VERDICT_IGNORED:
		code = COLOUR_RED;
		break;
	case VERDICT_DRY_RUN:
		code = COLOUR_CYAN;
		break;
	case VERDICT_ENDED:
	case VERDICT_NEEDLESS:
		break;
	}
	print_word(file, colour, code, word);
}

/* " server[1234] in /docker/ab12" */
static void print_who(struct fitted_line *line, const struct incident *incident,
		      const struct names *names)
{
	fitted_line_part(line, FITTED_LINE_KEPT);
	fprintf(line->file, " %s[%d]", names->comm ? names->comm : "?", incident->grower.pid);
	if (!names->cgroup)
		return;
	fputs(" in ", line->file);
	fitted_line_path(line, names->cgroup);
}

/* " grew 812.0 MiB/s to 231.4 MiB of 256.0 MiB" */
static void print_level(struct fitted_line *line, const struct incident *incident,
			const struct names *names)
{
	bool limited = incident->limit_bytes && incident->limit_bytes != APO_UNLIMITED;
	char need[16], limit[16], rate[16], forecast[16];
	FILE *file = line->file;

	format_size(need, sizeof(need), incident->need_bytes);
	format_size(limit, sizeof(limit), incident->limit_bytes);
	format_size(rate, sizeof(rate), incident->rate_bytes_s);
	if (!incident_is_measured(incident)) {
		if (limited)
			fprintf(file, " at its limit of %s", limit);
		return;
	}
	if (incident->cause_pid)
		fprintf(file, ": process %d, which nobody guards,", incident->cause_pid);
	if (incident->rate_bytes_s)
		fprintf(file, " grew %s/s to %s", rate, need);
	else
		fprintf(file, " at %s", need);
	if (limited)
		fprintf(file, " of %s", limit);
	if (limited && incident->limit_kind == APO_LIMIT_HOST)
		fputs(" that the machine has", file);
	else if (limited && names->limit_cgroup &&
		 (!names->cgroup || strcmp(names->limit_cgroup, names->cgroup) != 0)) {
		fitted_line_part(line, RANK_LIMIT);
		fprintf(file, " (limit of %s)", names->limit_cgroup);
		fitted_line_part(line, FITTED_LINE_KEPT);
	}
	if (incident->rule == APO_RULE_FORECAST && incident->forecast_ns != APO_UNLIMITED) {
		format_duration(forecast, sizeof(forecast), incident->forecast_ns);
		fitted_line_part(line, RANK_LIMIT);
		fprintf(file, ", %s from the limit", forecast);
		fitted_line_part(line, FITTED_LINE_KEPT);
	}
}

/* " in the fault" */
static void print_where_sent(FILE *file, const struct incident *incident)
{
	const struct hook *hook = hook_of_trigger(incident->trigger);

	if (incident->action == APO_ACT_SENT_RESPONDER)
		fputs(" by the responder", file);
	else if (!incident_is_measured(incident)) /* by one of the two */
		return;
	else if (incident->target.pid == incident->grower.pid && hook)
		fprintf(file, " %s", hook->where);
	else
		fputs(" from the kernel", file);
}

/* " to nginx[1]", unless it is the grower; " to 5 processes". */
static void print_target(FILE *file, const char *to, const struct incident *incident,
			 const struct names *names)
{
	if (incident->targets_signalled > 1)
		fprintf(file, " %s %" PRIu32 " processes", to, incident->targets_signalled);
	else if (incident->target.pid && incident->target.pid != incident->grower.pid)
		fprintf(file, " %s %s[%d]", to, names->target_comm ? names->target_comm : "?",
			incident->target.pid);
}

static bool is_deaf(const struct incident *incident)
{
	const struct incident_process *target = incident->target.pid ? &incident->target
								     : &incident->grower;

	return target->disposition == APO_DISP_IGNORED || target->disposition == APO_DISP_INIT;
}

static void print_not_sent(FILE *file, const struct incident *incident)
{
	const struct incident_process *target = incident->target.pid ? &incident->target
								     : &incident->grower;
	const char *signal = signal_name(incident->wanted_signal);

	if (incident->wanted_signal == 0)
		return;
	if (target->disposition == APO_DISP_IGNORED)
		fprintf(file, ": no signal sent, SIG%s is ignored", signal);
	else if (target->disposition == APO_DISP_INIT)
		fprintf(file, ": no signal sent, an init without a handler is deaf to SIG%s",
			signal);
	else
		fprintf(file, ": no signal sent, no process could make use of SIG%s", signal);
}

/* ": SIGQUIT (KillSignal= of its unit)" */
static void print_signal(struct fitted_line *line, const struct incident *incident)
{
	FILE *file = line->file;

	fprintf(file, ": SIG%s", signal_name(incident->signal ?: incident->wanted_signal));
	fitted_line_part(line, RANK_WHY);
	if (incident->declared == APO_DECLARED_CONTAINER)
		fputs(" (the stop signal of its container)", file);
	else if (incident->declared)
		fprintf(file, " (%s of its unit)", declaration_name(incident->declared));
	else if (incident->profile)
		fprintf(file, " (profile %s)", incident->profile);
	else if (incident->signal && incident->signal != incident->wanted_signal)
		fprintf(file, " (SIG%s would do nothing)", signal_name(incident->wanted_signal));
	fitted_line_part(line, FITTED_LINE_KEPT);
}

/* " sent in the fault" */
static void print_result(struct fitted_line *line, const struct incident *incident,
			 const struct names *names)
{
	FILE *file = line->file;

	switch (incident->action) {
	case APO_ACT_SENT:
	case APO_ACT_SENT_RESPONDER:
		fputs(" sent", file);
		print_target(file, "to", incident, names);
		fitted_line_part(line, RANK_WHERE);
		print_where_sent(file, incident);
		fitted_line_part(line, FITTED_LINE_KEPT);
		break;
	case APO_ACT_DELEGATED:
		fputs(" handed to the responder", file);
		print_target(file, "for", incident, names);
		break;
	case APO_ACT_DRY_RUN:
		fputs(" would have been sent", file);
		print_target(file, "to", incident, names);
		break;
	case APO_ACT_DISAPPEARED:
		fputs(" not sent, the process was gone", file);
		break;
	case APO_ACT_FAILED:
		fprintf(file, " not sent, %s", strerror(-incident->error));
		break;
	case APO_ACT_TOLD:
		fputs(" not sent, it shuts down already", file);
		break;
	case APO_ACT_ASKED:
	case APO_ACT_NONE:
		break;
	}
}

/* ": SIGTERM sent in the fault" */
static void print_action(struct fitted_line *line, const struct incident *incident,
			 const struct names *names)
{
	FILE *file = line->file;

	if (!incident_action_is_known(incident)) {
		fputs(": no signal was seen", file);
		return;
	}
	if (incident->action == APO_ACT_NONE) {
		print_not_sent(file, incident);
		return;
	}
	/* 0: the kernel side left the choice to the responder, or found none that would help. */
	if (incident->signal == 0 && incident->action == APO_ACT_DELEGATED) {
		fputs(": handed to the responder", file);
		print_target(file, "for", incident, names);
		return;
	}
	if (incident->signal == 0 && incident->action == APO_ACT_DRY_RUN && is_deaf(incident)) {
		fprintf(file, ": SIG%s would do nothing, not sent",
			signal_name(incident->wanted_signal));
		return;
	}
	if (incident->action == APO_ACT_ASKED) {
		fprintf(file, ": its manager is asked to %s its unit, which has an ExecStop=",
			incident->declared == APO_DECLARED_EXEC_RESTART ? "restart" : "stop");
		print_target(file, "of", incident, names);
		return;
	}
	print_signal(line, incident);
	print_result(line, incident, names);
}

/* What the facts do not show by themselves. */
static const char *reason_of(const struct incident *incident)
{
	bool shows = incident->verdict == VERDICT_SAVED && incident->exit.known;

	return shows ? NULL : incident->reason;
}

/* ", handler after 48 us"; a reason says that it did not run. */
static void print_handler(struct fitted_line *line, const struct incident *incident)
{
	char span[16];

	fitted_line_part(line, RANK_HANDLER);
	if (incident->delivered_ns) {
		format_duration(span, sizeof(span),
				sat_sub(incident->delivered_ns, incident->crossed_ns));
		fprintf(line->file, ", handler after %s", span);
	} else if (incident->generated_ns && incident->target.disposition == APO_DISP_HANDLED &&
		   !reason_of(incident)) {
		fputs(", handler did not run", line->file);
	}
}

/*
 * " exited 0 after 212 ms" or " gave memory back: exited 3 after 4 s". Of a SIGKILL the reason says whose it was, and
 * of what runs on that it does.
 */
static void print_end(FILE *file, const struct incident *incident)
{
	const char *reason = reason_of(incident), *comma = reason ? ", " : " ";
	char span[16];

	if (reason)
		fprintf(file, " %s", reason);
	if (incident->killed_after_grace) {
		format_duration(span, sizeof(span), incident->grace_ns);
		fprintf(file, "%sgrace %s", comma, span);
		return;
	}
	if (!incident->exit.known)
		return;
	if (!incident->exit.signal)
		fprintf(file, "%sexited %d", comma, incident->exit.code);
	else if (!reason || incident->exit.signal != SIGKILL)
		fprintf(file, "%sended by SIG%s", comma, signal_name(incident->exit.signal));
	else if (incident->signal_ns && incident->exit_ns)
		fputc(',', file);
	if (incident->signal_ns && incident->exit_ns) {
		format_duration(span, sizeof(span),
				sat_sub(incident->exit_ns, incident->signal_ns));
		fprintf(file, " after %s", span);
	}
}

static const char *refusal_text(int error)
{
	switch (error) {
	case -EAGAIN:
		return "too many in the last minutes";
	case -EBUSY:
		return "what was lent before is still in use";
	case -EEXIST:
		return "another apoptosis lends to this cgroup";
	case -ECANCELED:
		return "somebody else has changed the limit";
	default:
		return "the machine has no memory to spare";
	}
}

/* ", lent 64.0 MiB, 12.5 MiB used, braked" */
static void print_airbag(struct fitted_line *line, const struct incident *incident)
{
	char raised[16], used[16];

	fitted_line_part(line, RANK_AIRBAG);
	switch (incident->airbag) {
	case INCIDENT_AIRBAG_NONE:
		break;
	case INCIDENT_AIRBAG_RAISED:
		format_size(raised, sizeof(raised), incident->airbag_bytes);
		format_size(used, sizeof(used), incident_airbag_used(incident));
		fprintf(line->file, ", lent %s, %s used%s", raised, used,
			strcmp(incident_brake(incident), "held") == 0 ? ", braked" : "");
		break;
	case INCIDENT_AIRBAG_REFUSED:
		fprintf(line->file, ", nothing lent: %s", refusal_text(incident->airbag_error));
		break;
	case INCIDENT_AIRBAG_FAILED:
		fprintf(line->file, ", nothing lent: %s", strerror(-incident->airbag_error));
		break;
	}
}

/* " [trip record lost, end not seen]" */
static void print_missing(FILE *file, unsigned int missing)
{
	const char *before = " [";

	for (unsigned int bit = 1; bit <= INCIDENT_MISSING_ALL; bit <<= 1) {
		if (!(missing & bit))
			continue;
		fprintf(file, "%s%s", before, incident_missing_word(bit));
		before = ", ";
	}
	if (missing)
		fputc(']', file);
}

/* What the line of the trip has told already; of a lost one nothing. */
static bool was_told(const struct incident *incident)
{
	return incident->verdict != VERDICT_OPEN && incident->verdict != VERDICT_MISSED &&
	       !(incident->missing & INCIDENT_MISSING_TRIP);
}

/* Of what was told the answer of the responder may have been missing. */
static bool has_news(const struct incident *incident)
{
	return incident->action == APO_ACT_SENT_RESPONDER || incident->action == APO_ACT_ASKED ||
	       incident->action == APO_ACT_FAILED || incident->action == APO_ACT_TOLD;
}

static void print_parts(struct fitted_line *line, const struct incident *incident,
			const struct names *names, bool is_told)
{
	print_who(line, incident, names);
	if (!is_told)
		print_level(line, incident, names);
	if (incident->verdict == VERDICT_MISSED) {
		fputs(": killed by the kernel, no trip preceded", line->file);
	} else {
		if (!is_told || has_news(incident))
			print_action(line, incident, names);
		if (incident->verdict != VERDICT_OPEN) {
			fputc(is_told && !has_news(incident) ? ':' : ';', line->file);
			print_end(line->file, incident);
			print_handler(line, incident);
			print_airbag(line, incident);
		}
	}
	fitted_line_part(line, FITTED_LINE_KEPT);
	print_missing(line->file, incident->missing);
}

static int print(FILE *file, const struct incident *incident, bool colour, bool is_told,
		 size_t width)
{
	_cleanup_(names_clear) struct names names = {0};
	struct fitted_line line;
	char clock[FORMAT_TIME_SIZE];
	int r = names_fill(incident, &names) ?: fitted_line_open(&line);

	if (r < 0)
		return r;
	format_clock(clock, sizeof(clock), incident->judged_ns ?: incident->realtime_ns);
	fprintf(file, "%s ", clock);
	print_kind(file, incident, colour);
	print_parts(&line, incident, &names, is_told);
	r = fitted_line_write(&line, file, width);
	fitted_line_close(&line);
	fputc('\n', file);
	return r ?: file_result(file);
}

int event_line(FILE *file, const struct incident *incident, bool colour)
{
	return print(file, incident, colour, was_told(incident), LINE_WIDTH);
}

int event_message(FILE *file, const struct incident *incident)
{
	return print(file, incident, false, false, SIZE_MAX);
}
