/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A command that an operator wants to be run, from its start to the end of the last process that it has left. The
 * program itself does this in a process of its own, which stays what it is, while the command is another user's: without
 * capabilities and the privileges of setuid programs, in a session of its own, and with none of our descriptors. Past
 * its time it is told to end, and killed soon after, with all that it has started: orphans are inherited by this
 * process, so that none gets away. At SIGTERM to this process they are killed at once.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* How the program calls itself for it: run-a-hook UID GID MILLISECONDS PROGRAM ARGUMENTS. */
#define NOTIFY_COMMAND "run-a-hook"
/* From SIGTERM to SIGKILL. */
#define NOTIFY_KILL_AFTER_MS 2000

struct notify_plan {
	uid_t uid;
	gid_t gid;
	unsigned int patience_ms;
	char *const *argv; /* a whole path first, NULL at the end */
};

struct notify_result {
	int status;	 /* as a shell says it */
	bool is_overdue; /* it, or what it has started, was still there when its time was over */
	char said[256];	 /* how its output begins, NUL-terminated; the rest is read and forgotten */
};

/*
 * Runs it with the standard input and the environment of the caller, who has no other children and one thread. Becomes
 * a subreaper. 0 or -errno: it could not be started.
 */
int notify_process_run(const struct notify_plan *plan, struct notify_result *ret);

/* The command of the program: the result is written to standard output. The exit status. */
int notify_process_main(int argc, char **argv);
