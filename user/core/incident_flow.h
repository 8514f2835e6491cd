/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens to one incident, from its first record to its verdict: the state of what is open, an
 * event, and the time make the new state and the effects that are wanted. Whoever runs it (engine/
 * incidents.c) gathers facts into the incident, executes effects, and owns timers and descriptors; what
 * is awaited, for how long, and what counts in which order is decided here. Pure.
 *
 * The course of a trip: its record opens the incident, the responder may answer for it (a signal, an
 * airbag), the record of the handler's entry and of the exit follow. Odd orders are the rule on many
 * CPUs:
 *
 *   - A record of the end that overtakes the responder's answer waits for it: only the answer says
 *     whose end is the one that counts.
 *   - A record whose trip is not known waits FLOW_HOLD_NS for it; then the record of the trip was lost,
 *     and the incident is made of what there is.
 *   - A process that is gone without a record of its end has FLOW_LINGER_NS for that record to come.
 *   - An incident without an end is judged when the grace is over, or without one after FLOW_SETTLE_NS.
 *
 * Graces end without this: the thread that ends them answers what came of it (rescue/keeper.h). If it does
 * not for FLOW_LINGER_NS, because nobody has told it of this one, it is asked to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/incident.h"

#define FLOW_SETTLE_NS 10000000000ULL /* without a grace: how long a signalled process may run on */
#define FLOW_OOMD_NS \
	600000000000ULL /* the same where systemd-oomd waits, as long as it is told to */
#define FLOW_LINGER_NS 1000000000ULL /* after a SIGKILL, or once the process is known to be gone */
#define FLOW_HOLD_NS 1000000000ULL   /* for the record of the trip to come from another CPU */

/* Records of ends that are kept until they count: each of these of the grower, and of others. */
#define FLOW_LATE_MAX 8

enum flow_event_type {
	/* The first one. */
	FLOW_TRIP = 1, /* the incident was filled from the record of a trip; also of one in hold */
	FLOW_WARNING,  /* the same of a warning */
	FLOW_ORPHAN,   /* from a record whose trip is not known, which comes as the next event */
	FLOW_TAKEN_OVER, /* from what an instance has left that is gone */
	/* Records of the kernel side, answers of the responder. */
	FLOW_SIGNAL_ANSWER,
	FLOW_AIRBAG_ANSWER,
	FLOW_GRACE_ANSWER, /* of who ends graces */
	FLOW_CLOSE_RECORD, /* delivered or exit */
	FLOW_OOM_RECORD,   /* as the first event: a kill that no trip preceded */
	/* The rest. */
	FLOW_TIME, /* the timer went off */
	FLOW_GONE, /* the target has ended, says its pidfd */
	FLOW_STOP, /* judge now */
	/* Answers to effects. */
	FLOW_CLOSING_WAS_READ, /* closing_known and all that goes with it are in the incident */
};

/* An answer of the responder about one process. */
struct flow_signal_answer {
	pid_t pid; /* 0: no process */
	uint64_t start_boottime_ns;
	enum apo_action action;
	enum apo_disposition disposition;
	int signal, error;
	const char *profile; /* name of the one that decided; NULL: none did */
	enum apo_declaration declared;
	uint64_t time_ns;
	bool last; /* no other will follow */
};

struct flow_airbag_answer {
	enum incident_airbag outcome;
	int error;
	uint64_t added_bytes;
	uint64_t time_ns;
};

enum flow_grace_end {
	FLOW_GRACE_GONE = 1, /* it had ended */
	FLOW_GRACE_SPARED,   /* memory is ample again */
	FLOW_GRACE_KILLED,   /* SIGKILL was sent */
	FLOW_GRACE_FAILED,   /* it could not be */
};

struct flow_grace_answer {
	enum flow_grace_end end;
	int error; /* -errno, where it failed */
};

struct flow_event {
	enum flow_event_type type;
	union {
		bool lends;		/* FLOW_TRIP: the responder was asked for an airbag */
		struct {		/* FLOW_TAKEN_OVER */
			bool is_gone;	/* so is the process */
			bool is_raised; /* its limit still is, for it */
		};
		const struct flow_signal_answer *signal;
		const struct flow_airbag_answer *airbag;
		const struct flow_grace_answer *grace;
		const struct apo_close *close;
		const struct apo_oom *oom;
	};
};

/* What is wanted, bits; to be executed in this order. */
enum flow_effect {
	FLOW_TARGET = 1 << 0,	    /* the incident has another target: hold it, gather its facts */
	FLOW_SAVE = 1 << 1,	    /* what the next instance would need has changed */
	FLOW_REPORT = 1 << 2,	    /* the trip or warning */
	FLOW_SET_TIMER = 1 << 3,    /* to deadline_ns */
	FLOW_READ_CLOSING = 1 << 4, /* then FLOW_CLOSING_WAS_READ, at once */
	FLOW_END_GRACE = 1 << 5,    /* now; FLOW_GRACE_ANSWER follows */
	FLOW_REPORT_VERDICT = 1 << 6,
	FLOW_RELEASE = 1 << 7, /* the loan */
};

enum flow_stage {
	FLOW_STAGE_NEW = 0,
	FLOW_STAGE_OPEN,       /* the target runs, as far as is known */
	FLOW_STAGE_GRACE_OVER, /* what came of it is asked for */
	FLOW_STAGE_KILLED,     /* by us */
	FLOW_STAGE_ENDED,      /* killed, and it is not known whether by us or by the OOM killer */
	FLOW_STAGE_GONE,       /* without a record of its end */
	FLOW_STAGE_JUDGING,    /* when the closing facts are there */
	FLOW_STAGE_CLOSED,
};

enum flow_await {
	FLOW_AWAIT_TRIP = 1, /* nothing is reported yet */
	FLOW_AWAIT_SIGNAL = 2,
	FLOW_AWAIT_AIRBAG = 4,
};

struct flow {
	/* Set beforehand. */
	uint64_t page_bytes;
	bool matches_pids; /* pids of records are those of the incident: we are in the initial PID namespace */
	/* Its own. */
	enum flow_stage stage;
	unsigned int awaits; /* enum flow_await */
	bool raised;	     /* the limit, by the airbag */
	bool may_be_killed;  /* taken over, and its grace may end before anything is known of it */
	uint64_t deadline_ns;
	struct apo_close late[FLOW_LATE_MAX];
	size_t late_count;
};

/* Returns enum flow_effect bits. now_ns: CLOCK_MONOTONIC. In FLOW_STAGE_CLOSED the incident may be NULL. */
unsigned int flow_step(struct flow *flow, struct incident *incident, const struct flow_event *event,
		       uint64_t now_ns);

/*
 * Trips that are over. A process may run on for long and then end, or be killed: what its records name
 * is no trip that is still to come. As many as the kernel side follows at a time are remembered one by
 * one; every trip before those counts as over.
 */
#define CLOSED_MAX 1024

struct closed_trips {
	uint64_t ids[CLOSED_MAX];
	size_t next;
	uint64_t forgotten_id; /* the latest that is no longer among them */
};

void closed_trips_add(struct closed_trips *closed, uint64_t id);
bool closed_trips_has(const struct closed_trips *closed, uint64_t id);
