/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From one instance to the next: each open incident is a small file in the runtime directory,
 * "trip-" and its id, that holds what is needed to go on. It is written when the incident opens, again
 * when something of that has changed, and removed when the incident is closed. If we are killed, the
 * files stay, and the next start takes them over. rescue/journal.h shares the directory. One write, whole
 * or not there; what an instance has written that is alive is left alone. Without the directory nothing is
 * kept, and all else works.
 */
#pragma once

#include "core/incident.h"

struct handover;

/* proc_fd: open /proc, kept by the caller. -ENOMEM. */
int handover_new(struct handover **ret, int proc_fd);
/* The files stay. Takes NULL. Returns NULL. */
struct handover *handover_free(struct handover *handover);

struct handover_entry {
	struct incident *incident; /* numbers and names of processes; no cgroup, no command line */
	uint64_t limit_cgroup;	   /* id of the cgroup whose limit binds */
	uint64_t target_pid;	   /* in our PID namespace; 0: nobody that could be held */
};

void handover_write(struct handover *handover, const struct handover_entry *state);
void handover_remove(struct handover *handover, uint64_t id);

/*
 * Calls fn for each incident that an instance has left that is gone. The file is removed and the incident is
 * fn's. What was cut short is removed; what is not understood is warned of.
 */
void handover_take(struct handover *handover,
		   void (*fn)(const struct handover_entry *entry, void *userdata), void *userdata);
