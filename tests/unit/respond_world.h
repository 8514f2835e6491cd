/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small world for the responder's decisions: three processes in one cgroup, policies, and fakes for
 * all ops. Those that do something write one line into the log: what was done, to whom, in which order.
 */
#pragma once

#include <stddef.h>

#include "base/util.h"
#include "rescue/respond.h"

#define GENERATION 5
#define TRIP 1000
#define LIMIT 70
#define NOW (TRIP + 20 * NSEC_PER_SEC)
#define COOLDOWN (10 * NSEC_PER_SEC)
#define PAGE 4096

#define GROWER 100
#define LEADER 200
#define OTHER 300

/* Policies by id. */
enum { PLAIN, LENDS, TO_LEADER, TO_ALL, DRY, GIVEN, ONLY };

struct process {
	pid_t pid;
	uint64_t start_boottime_ns;
	enum apo_disposition disposition; /* of any signal but SIGINT */
	enum apo_disposition interrupt;	  /* of SIGINT */
	const char *comm;
	pid_t parent;
	int hold_error, send_error;
	bool is_away;		       /* in another cgroup by now */
	struct apo_signalled followed; /* trip_id 0: it is not */
	struct apo_declared declared;  /* by nothing: it is not */
};

struct world {
	struct process processes[3];
	pid_t leader;	   /* 0: there is none */
	int each_error;	   /* what the walk of the cgroup ends with */
	bool cgroup_empty; /* it finds no process */
	int follow_error, grant_error;
	struct airbag_result airbag;

	struct apo_signalled entry; /* the last that was followed */
	struct grace grace;	    /* and granted */
	struct responder_result results[4];
	size_t result_count;
	char log[2048];
};

extern struct world world;
extern struct respond respond; /* over that world */

/*
 * For .init and .fini: everybody handles SIGTERM and nothing fails. There are profiles: for "pool", whose workers
 * leave the stop to their master, which takes SIGHUP; for "quits", which takes it too; for "never".
 */
void world_make(void);
void world_end(void);

struct process *world_process(pid_t pid);

/* To signal the grower, in a limit of policy PLAIN; or to warn it. */
struct apo_request world_request(uint32_t process_policy);
struct apo_request world_warning(uint32_t process_policy);

/* Responds to it; the log must be this. */
void world_expect(const char *what, const struct apo_request *asked, const char *log);

/* Whom the signal is sent to; a started of 0 is one that is not known. */
#define HELD(pid, started) \
	"hold " #pid " started " #started "\nfollow " #pid "\nsend 15 to " #pid "\n"
#define GROWER_GETS_IT HELD(100, 101) "tell sent 100 last\n"
#define GROWER_IS_HELD "hold 100 started 101\n"
#define LEADER_GETS_IT HELD(200, 201) "tell sent 200 last\n"
#define LEADER_IS_SOUGHT "leader of 100 started 101\n"
#define LEADER_IS_HELD LEADER_IS_SOUGHT "hold 200 started 201\n"
#define HELD_AGAIN "hold 200 started 201\n"
#define NOBODY "tell none 0 last\n"
