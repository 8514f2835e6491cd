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
#include "output/format.h"

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
static void print_who(FILE *file, const struct incident *incident, const struct names *names)
{
	fprintf(file, " %s[%d]", names->comm ? names->comm : "?", incident->grower.pid);
	if (names->cgroup)
		fprintf(file, " in %s", names->cgroup);
}

/* " grew 812.0 MiB/s to 231.4 MiB of 256.0 MiB" */
static void print_level(FILE *file, const struct incident *incident, const struct names *names)
{
	bool limited = incident->limit_bytes && incident->limit_bytes != APO_UNLIMITED;
	char need[16], limit[16], rate[16], forecast[16];

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
	if (limited && names->limit_cgroup &&
	    (!names->cgroup || strcmp(names->limit_cgroup, names->cgroup) != 0))
		fprintf(file, " (limit of %s)", names->limit_cgroup);
	if (incident->rule == APO_RULE_FORECAST && incident->forecast_ns != APO_UNLIMITED) {
		format_duration(forecast, sizeof(forecast), incident->forecast_ns);
		fprintf(file, ", %s from the limit", forecast);
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
static void print_signal(FILE *file, const struct incident *incident)
{
	fprintf(file, ": SIG%s", signal_name(incident->signal ?: incident->wanted_signal));
	if (incident->declared == APO_DECLARED_CONTAINER)
		fputs(" (the stop signal of its container)", file);
	else if (incident->declared)
		fprintf(file, " (%s of its unit)", declaration_name(incident->declared));
	else if (incident->profile)
		fprintf(file, " (profile %s)", incident->profile);
	else if (incident->signal && incident->signal != incident->wanted_signal)
		fprintf(file, " (SIG%s would do nothing)", signal_name(incident->wanted_signal));
}

/* ": SIGTERM sent in the fault" */
static void print_action(FILE *file, const struct incident *incident, const struct names *names)
{
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
	print_signal(file, incident);
	switch (incident->action) {
	case APO_ACT_SENT:
	case APO_ACT_SENT_RESPONDER:
		fputs(" sent", file);
		print_target(file, "to", incident, names);
		print_where_sent(file, incident);
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

/* ", handler 48 us after the line" */
static void print_handler(FILE *file, const struct incident *incident)
{
	char span[16];

	if (incident->delivered_ns) {
		format_duration(span, sizeof(span),
				sat_sub(incident->delivered_ns, incident->crossed_ns));
		fprintf(file, ", handler %s after the line", span);
	} else if (incident->generated_ns && incident->target.disposition == APO_DISP_HANDLED) {
		fputs(", handler did not run", file);
	}
}

/* ", exited 0 after 212 ms" */
static void print_end(FILE *file, const struct incident *incident)
{
	char span[16];

	if (incident->killed_after_grace) {
		format_duration(span, sizeof(span), incident->grace_ns);
		fprintf(file, ", SIGKILL after a grace of %s", span);
	}
	if (!incident->exit.known) {
		if (incident->exit_ns)
			fputs(", gone", file);
		else if (incident->action != APO_ACT_DISAPPEARED && !incident->oom_victim)
			fputs(", still running", file);
		return;
	}
	if (incident->exit.signal)
		fprintf(file, ", ended by SIG%s", signal_name(incident->exit.signal));
	else
		fprintf(file, ", exited %d", incident->exit.code);
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

/* ", airbag of 64.0 MiB (12.5 MiB used, braked)" */
static void print_airbag(FILE *file, const struct incident *incident)
{
	char raised[16], used[16];

	switch (incident->airbag) {
	case INCIDENT_AIRBAG_NONE:
		break;
	case INCIDENT_AIRBAG_RAISED:
		format_size(raised, sizeof(raised), incident->airbag_bytes);
		format_size(used, sizeof(used), incident_airbag_used(incident));
		fprintf(file, ", airbag of %s (%s used%s)", raised, used,
			strcmp(incident_brake(incident), "held") == 0 ? ", braked" : "");
		break;
	case INCIDENT_AIRBAG_REFUSED:
		fprintf(file, ", no airbag: %s", refusal_text(incident->airbag_error));
		break;
	case INCIDENT_AIRBAG_FAILED:
		fprintf(file, ", no airbag: %s", strerror(-incident->airbag_error));
		break;
	}
}

/* What the facts before it do not show by themselves. */
static void print_reason(FILE *file, const struct incident *incident)
{
	if (incident->reason && (incident->verdict != VERDICT_SAVED || !incident->exit.known))
		fprintf(file, " (%s)", incident->reason);
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

int event_line(FILE *file, const struct incident *incident, bool colour)
{
	_cleanup_(names_clear) struct names names = {0};
	char clock[FORMAT_TIME_SIZE];
	int r = names_fill(incident, &names);

	if (r < 0)
		return r;
	format_clock(clock, sizeof(clock), incident->judged_ns ?: incident->realtime_ns);
	fprintf(file, "%s ", clock);
	print_kind(file, incident, colour);
	print_who(file, incident, &names);
	print_level(file, incident, &names);
	if (incident->verdict == VERDICT_MISSED) {
		fputs(": killed by the kernel's OOM killer, no trip preceded", file);
	} else {
		print_action(file, incident, &names);
		if (incident->verdict != VERDICT_OPEN) {
			print_handler(file, incident);
			print_airbag(file, incident);
			print_end(file, incident);
			print_reason(file, incident);
		}
	}
	print_missing(file, incident->missing);
	fputc('\n', file);
	return file_result(file);
}
