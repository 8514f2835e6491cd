/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/verdict.h"

#include <signal.h>
#include <stddef.h>

/* The words of verdict.h, one bit each so that a row can name several. */
enum sent {
	SENT_YES = 1,
	SENT_NONE = 2,
	SENT_FAILED = 4,
	SENT_GONE = 8,
	SENT_ANY = 15,
};

enum end {
	END_OOM = 1 << 0,
	END_GRACE = 1 << 1,
	END_KILLED = 1 << 2,
	END_KILLED_BY = 1 << 3, /* "killed?" */
	END_CRASH = 1 << 4,
	END_SIGNAL = 1 << 5,
	END_OTHER = 1 << 6,
	END_ZERO = 1 << 7,
	END_CODE = 1 << 8,
	END_RECOVERED = 1 << 9,
	END_LOW = 1 << 10,
	END_RUNNING = 1 << 11,
	END_LOST = 1 << 12,
	END_HUNG = 1 << 13,
	END_OOMD = 1 << 14, /* its SIGKILL, of which the trip was told in advance */
	END_OWN = END_ZERO | END_CODE | END_SIGNAL | END_OTHER | END_LOST,
	END_ANY = (1 << 15) - 1,
};

enum handler {
	HANDLER_RAN = 1,
	HANDLER_WAITED = 2,
	HANDLER_NO = 4,
	HANDLER_UNSEEN = 8,
	HANDLER_NONE = 16,
	HANDLER_ANY = 31,
};

enum danger {
	DANGER_YES = 1,
	DANGER_NO = 2,
	DANGER_ANY = 3,
};

struct row {
	unsigned int sent, end, handler, danger;
	enum verdict verdict;
	const char *reason;
};

static const struct row rows[] = {
	{SENT_ANY, END_GRACE, HANDLER_ANY, DANGER_ANY, VERDICT_IGNORED,
	 "still running when the grace ended: ended by our SIGKILL"},

	{SENT_ANY, END_OOMD, HANDLER_RAN, DANGER_ANY, VERDICT_TOO_LATE,
	 "killed by systemd-oomd during its shutdown: PrekillHookTimeoutSec= says how long it "
	 "waits"},
	{SENT_ANY, END_OOMD, HANDLER_ANY, DANGER_ANY, VERDICT_TOO_LATE,
	 "killed by systemd-oomd, which waits PrekillHookTimeoutSec= for the shutdown"},

	{SENT_NONE, END_OOM, HANDLER_ANY, DANGER_ANY, VERDICT_IGNORED,
	 "no process could make use of the signal; killed by the kernel's OOM killer"},
	{SENT_FAILED, END_OOM, HANDLER_ANY, DANGER_ANY, VERDICT_TOO_LATE,
	 "the signal was never sent; killed by the kernel's OOM killer"},
	{SENT_GONE, END_OOM, HANDLER_ANY, DANGER_ANY, VERDICT_TOO_LATE,
	 "killed by the kernel's OOM killer before the signal could be sent"},
	{SENT_YES, END_OOM, HANDLER_RAN, DANGER_ANY, VERDICT_TOO_LATE,
	 "killed by the kernel's OOM killer during its shutdown"},
	{SENT_YES, END_OOM, HANDLER_WAITED | HANDLER_NONE | HANDLER_UNSEEN, DANGER_ANY,
	 VERDICT_TOO_LATE, "killed by the kernel's OOM killer after the signal"},
	{SENT_YES, END_OOM, HANDLER_NO, DANGER_ANY, VERDICT_TOO_LATE,
	 "killed by the kernel's OOM killer before its handler ran"},

	{SENT_ANY, END_HUNG, HANDLER_ANY, DANGER_ANY, VERDICT_IGNORED,
	 "hangs at its limit, no OOM killer acts (memory.oom_control): kill it or raise the "
	 "limit"},

	{SENT_GONE, END_ANY, HANDLER_ANY, DANGER_ANY, VERDICT_NEEDLESS,
	 "it was gone before the signal could be sent"},
	{SENT_NONE | SENT_FAILED, END_OWN, HANDLER_ANY, DANGER_ANY, VERDICT_NEEDLESS,
	 "no signal was sent, and it ended by itself"},
	{SENT_NONE | SENT_FAILED, END_RECOVERED, HANDLER_ANY, DANGER_ANY, VERDICT_NEEDLESS,
	 "no signal was sent, and the headroom came back"},
	{SENT_NONE, END_ANY, HANDLER_ANY, DANGER_ANY, VERDICT_IGNORED,
	 "no process could make use of the signal"},
	{SENT_FAILED, END_ANY, HANDLER_ANY, DANGER_ANY, VERDICT_IGNORED,
	 "the signal could not be sent"},

	{SENT_YES, END_KILLED, HANDLER_ANY, DANGER_ANY, VERDICT_IGNORED,
	 "still running when somebody else sent it SIGKILL"},
	{SENT_YES, END_KILLED_BY, HANDLER_ANY, DANGER_ANY, VERDICT_TOO_LATE,
	 "ended in a way not known, perhaps by the kernel's OOM killer"},
	{SENT_YES, END_CRASH, HANDLER_ANY, DANGER_ANY, VERDICT_IGNORED,
	 "crashed after the signal instead of shutting down"},

	{SENT_YES, END_OWN | END_RECOVERED, HANDLER_ANY, DANGER_NO, VERDICT_NEEDLESS,
	 "the reserve was never entered"},
	{SENT_YES, END_ZERO | END_CODE | END_OTHER | END_LOST, HANDLER_NO, DANGER_YES,
	 VERDICT_NEEDLESS, "it ended by itself before its handler ran"},
	{SENT_YES, END_SIGNAL, HANDLER_RAN, DANGER_YES, VERDICT_SAVED,
	 "handled the signal, then ended by it"},
	{SENT_YES, END_SIGNAL, HANDLER_NONE, DANGER_YES, VERDICT_ENDED,
	 "ended by the default action of the signal: it has no handler, and nothing was drained"},
	{SENT_YES, END_SIGNAL, HANDLER_ANY, DANGER_YES, VERDICT_SAVED,
	 "took the signal, then ended by it"},
	{SENT_YES, END_ZERO, HANDLER_ANY, DANGER_YES, VERDICT_SAVED,
	 "shut down and exited with status 0"},
	{SENT_YES, END_CODE, HANDLER_ANY, DANGER_YES, VERDICT_SAVED,
	 "shut down and exited with a non-zero status"},
	{SENT_YES, END_OTHER, HANDLER_ANY, DANGER_YES, VERDICT_SAVED,
	 "shut down and ended by another signal"},
	{SENT_YES, END_LOST, HANDLER_ANY, DANGER_YES, VERDICT_SAVED,
	 "ended after the signal, not by the kernel's OOM killer; how was not seen"},

	{SENT_YES, END_RECOVERED, HANDLER_RAN, DANGER_YES, VERDICT_SAVED,
	 "handled the signal, gave memory back and runs on"},
	{SENT_YES, END_RECOVERED, HANDLER_WAITED, DANGER_YES, VERDICT_SAVED,
	 "gave memory back after the signal and runs on"},
	{SENT_YES, END_RECOVERED, HANDLER_NO | HANDLER_NONE | HANDLER_UNSEEN, DANGER_YES,
	 VERDICT_NEEDLESS, "the headroom came back without the signal having been handled"},
	{SENT_YES, END_LOW, HANDLER_RAN, DANGER_ANY, VERDICT_IGNORED,
	 "handled the signal, but runs on with headroom below the line"},
	{SENT_YES, END_LOW, HANDLER_ANY, DANGER_ANY, VERDICT_IGNORED,
	 "the signal had no effect: runs on with headroom below the line"},
	{SENT_ANY, END_ANY, HANDLER_ANY, DANGER_ANY, VERDICT_IGNORED, "still running"},
};

static enum sent classify_sent(const struct incident *incident)
{
	switch (incident->action) {
	case APO_ACT_SENT:
	case APO_ACT_SENT_RESPONDER:
	case APO_ACT_TOLD:
	case APO_ACT_ASKED:
		return SENT_YES;
	case APO_ACT_DISAPPEARED:
		return SENT_GONE;
	case APO_ACT_DELEGATED:
		/* The responder sends at once; an instance that is gone need not have noted it. */
		if (incident->missing & INCIDENT_MISSING_RESTART)
			return SENT_YES;
		/* fall through */
	case APO_ACT_FAILED:
		/* The kernel's word counts for more than the responder's silence. */
		return incident->generated_ns || incident->delivered_ns ? SENT_YES : SENT_FAILED;
	case APO_ACT_NONE:
		if (!incident_action_is_known(incident)) /* no signal was seen, and one was due */
			return SENT_FAILED;
		break;
	case APO_ACT_DRY_RUN:
		break;
	}
	return SENT_NONE;
}

static bool events_known(const struct incident *incident)
{
	return incident->before.known && incident->after.known;
}

static bool oom_kills_rose(const struct incident *incident)
{
	return events_known(incident) && incident->after.oom_kills > incident->before.oom_kills;
}

static bool is_crash(int signal)
{
	switch (signal) {
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGABRT:
	case SIGSYS:
	case SIGTRAP:
		return true;
	}
	return false;
}

static enum end classify_exit(const struct incident *incident)
{
	int signal = incident->exit.signal;

	if (signal == SIGKILL) {
		if (incident->killed_after_grace)
			return END_GRACE;
		if (incident->oom_victim || oom_kills_rose(incident))
			return END_OOM;
		if (incident->rule == APO_RULE_OOMD)
			return END_OOMD;
		return events_known(incident) ? END_KILLED : END_KILLED_BY;
	}
	if (signal == 0)
		return incident->exit.code == 0 ? END_ZERO : END_CODE;
	if (signal == incident->signal)
		return END_SIGNAL;
	return is_crash(signal) ? END_CRASH : END_OTHER;
}

static enum end classify_unseen_end(const struct incident *incident)
{
	if (oom_kills_rose(incident))
		return END_OOM;
	return events_known(incident) ? END_LOST : END_KILLED_BY;
}

static enum end classify_end(const struct incident *incident)
{
	if (incident->exit.known)
		return classify_exit(incident);
	if (incident->killed_after_grace)
		return END_GRACE;
	if (incident->oom_victim)
		return END_OOM;
	if (incident->action == APO_ACT_DISAPPEARED || incident->exit_ns)
		return classify_unseen_end(incident);
	if (incident->after.hangs)
		return END_HUNG;
	if (!incident->closing_known ||
	    incident->rule == APO_RULE_OOMD) /* it goes by no headroom */
		return END_RUNNING;
	if (incident->closing_headroom_bytes < 0 ||
	    (uint64_t)incident->closing_headroom_bytes < incident->reserve_bytes)
		return END_LOW;
	return END_RECOVERED;
}

static enum handler classify_handler(const struct incident *incident)
{
	if (incident->delivered_ns)
		return HANDLER_RAN;
	if (incident->action == APO_ACT_ASKED)
		return HANDLER_UNSEEN; /* its ExecStop= need not send a signal */
	if (incident->target.disposition == APO_DISP_BLOCKED)
		return HANDLER_WAITED;
	if (incident->target.disposition == APO_DISP_HANDLED && incident->generated_ns)
		return HANDLER_NO;
	if (incident->target.disposition == APO_DISP_DEFAULT &&
	    (incident->signal == incident->wanted_signal || incident->declared))
		return HANDLER_NONE;
	return HANDLER_UNSEEN;
}

static enum danger classify_danger(const struct incident *incident)
{
	int64_t least = incident->least_headroom_bytes;

	if (!incident_is_measured(incident) || incident->rule == APO_RULE_OOMD)
		return DANGER_YES;
	return least < 0 || (uint64_t)least < incident->reserve_bytes ? DANGER_YES : DANGER_NO;
}

static void judge(struct incident *incident, enum verdict verdict, const char *reason)
{
	incident->verdict = verdict;
	incident->reason = reason;
}

static void judge_by_table(struct incident *incident)
{
	enum sent sent = classify_sent(incident);
	enum end end = classify_end(incident);
	enum handler handler = classify_handler(incident);
	enum danger danger = classify_danger(incident);

	/* The last row fits everything. */
	for (const struct row *row = rows;; row++) {
		if ((row->sent & sent) && (row->end & end) && (row->handler & handler) &&
		    (row->danger & danger)) {
			judge(incident, row->verdict, row->reason);
			return;
		}
	}
}

void verdict_close(struct incident *incident)
{
	if (incident->verdict == VERDICT_MISSED || incident->crossed_ns == 0)
		judge(incident, VERDICT_MISSED,
		      "the kernel's OOM killer struck, and no trip preceded");
	else if (incident->rule == APO_RULE_WARN)
		judge(incident, VERDICT_OPEN, "a warning, not a trip");
	else if (incident->action != APO_ACT_DRY_RUN)
		judge_by_table(incident);
	else if (classify_end(incident) == END_OOM)
		judge(incident, VERDICT_DRY_RUN,
		      "nothing was sent, by request; killed by the kernel's OOM killer");
	else
		judge(incident, VERDICT_DRY_RUN, "nothing was sent, by request");
}

bool verdict_was_heard(const struct incident *incident)
{
	return incident->action != APO_ACT_TOLD && classify_sent(incident) == SENT_YES &&
	       classify_handler(incident) & (HANDLER_RAN | HANDLER_WAITED | HANDLER_UNSEEN);
}

bool verdict_runs_on(const struct incident *incident)
{
	return classify_end(incident) == END_RECOVERED;
}
