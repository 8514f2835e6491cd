/* SPDX-License-Identifier: BSD-2-Clause */
/* Courses of an incident, as tables: events with their times, and what is expected of each. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/util.h"
#include "core/incident_flow.h"

#define MIB (1024ULL * 1024)
#define FLOW_PAGE 4096
#define CROSSED_NS NSEC_PER_SEC /* all times of steps are counted from here */

enum {
	GROWER = 7,
	LEADER = 8,
	OTHER = 9,
};

/* One event and the effects that are expected of it. What an event has no use for is 0. */
struct step {
	int at_ms; /* after the crossing */
	enum flow_event_type event;
	unsigned int effects;
	/* Records and answers. */
	pid_t pid;
	uint32_t type;		  /* FLOW_CLOSE_RECORD: APO_REC_DELIVERED, APO_REC_EXIT */
	int status;		  /* of wait(2) */
	bool unsignalled, unread; /* the signal was not queued; its handler not entered */
	bool oom_victim;
	enum apo_action action;
	bool more; /* not the last answer */
	enum incident_airbag airbag;
	int headroom_mib;	 /* FLOW_CLOSING_WAS_READ */
	enum flow_grace_end end; /* FLOW_GRACE_ANSWER */
	bool is_gone;		 /* FLOW_TAKEN_OVER */
	int deadline_ms;	 /* of FLOW_SET_TIMER */
};

#define STEPS_MAX 12

struct course {
	const char *claim;
	struct step steps[STEPS_MAX];
	enum verdict verdict;
	unsigned int missing;
	/* What the incident is when its first event comes. */
	enum apo_action action;
	enum apo_target target;
	int grace_ms;
	bool lends;
	bool leader;  /* nobody is the target yet */
	bool foreign; /* pids are not ours */
};

#define OPENED (FLOW_SAVE | FLOW_REPORT | FLOW_SET_TIMER)
#define JUDGED FLOW_REPORT_VERDICT
#define AT(ms, what, wanted, ...)                                                \
	{                                                                        \
		.at_ms = (ms), .event = (what), .effects = (wanted), __VA_ARGS__ \
	}
#define TRIPPED AT(0, FLOW_TRIP, OPENED, .deadline_ms = 10000)
#define EXITED(ms, code, ...)                                                             \
	AT(ms, FLOW_CLOSE_RECORD, FLOW_READ_CLOSING, .pid = GROWER, .type = APO_REC_EXIT, \
	   .status = (code), __VA_ARGS__)
#define LATE_EXIT(ms, code, ...)                                                            \
	AT(ms, FLOW_CLOSE_RECORD, 0, .pid = GROWER, .type = APO_REC_EXIT, .status = (code), \
	   __VA_ARGS__)
#define READ(ms, headroom, wanted) AT(ms, FLOW_CLOSING_WAS_READ, wanted, .headroom_mib = (headroom))

/* That many ms after the crossing. */
uint64_t flow_time(int ms);

/* The incident before its first event; the caller frees it. */
struct incident *flow_incident(const struct course *course);

/* One event, without a look at what it leads to. Returns the effects. */
unsigned int flow_take(struct flow *flow, struct incident *incident, bool lends,
		       const struct step *step);

/* The whole course: effects, timers, verdict, and what is missing. */
void flow_follow(const struct course *course);
