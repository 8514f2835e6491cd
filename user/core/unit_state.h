/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What systemd says of its units: the answer of `systemctl show`. Pure: text in.
 *
 * Sources: systemctl(1), show; org.freedesktop.systemd1(5), properties of units and services;
 * systemd.service(5), Restart= and ExecStop=; systemd.kill(5), KillSignal= and RestartKillSignal=.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"

/* What is to be asked for: an argument of `systemctl show`. */
#define UNIT_PROPERTIES                                                                 \
	"--property=Id,LoadState,ActiveState,Job,MainPID,Restart,Result,"               \
	"ActiveEnterTimestampMonotonic,ActiveExitTimestampMonotonic,"                   \
	"ExecMainExitTimestampMonotonic,KillSignal,RestartKillSignal,ExecStop,CanStop," \
	"RestartForceExitStatus"

#define UNIT_NAME_SIZE 256 /* of systemd's own bound */
#define UNIT_WORD_SIZE 24  /* of the values of Restart= and Result */

enum unit_activity {
	UNIT_UP,       /* active, reloading, refreshing */
	UNIT_STARTING, /* activating: also while a restart is waited for; down, with a job waiting */
	UNIT_STOPPING, /* deactivating */
	UNIT_DOWN,     /* inactive, failed */
};

struct unit_state {
	enum unit_activity activity;
	bool is_loaded; /* else there is nothing to start: a transient unit is gone with its end */
	bool has_job;	/* a start, stop or restart that waits or goes on */
	pid_t main_pid; /* 0: there is none, or it is not known */
	char id[UNIT_NAME_SIZE]; /* its name; empty: not known */
	/* CLOCK_MONOTONIC, 0: never. It was up since, or last; it was no more; its main process had ended. */
	uint64_t up_ns, left_ns, main_end_ns;
	char restart[UNIT_WORD_SIZE], result[UNIT_WORD_SIZE];
	int kill_signal, restart_signal; /* SIGTERM unless its owner says otherwise; 0: not known */
	bool has_exec_stop;		 /* and its manager may be asked to stop it */
	bool is_forced; /* RestartForceExitStatus= has 0: success does not keep it down */
};

/* The first of the units that text tells of. -EINVAL: not what was asked for. */
int unit_state_parse(const char *text, struct unit_state *ret);
/* Where the next one begins; NULL: there is none. They come in the order in which they were asked for. */
const char *unit_state_next(const char *text);

/* Whether its manager starts it again after a shutdown that was a success for it. */
bool unit_restarts_after_success(const struct unit_state *state);

/* Whether it starts it again after an OOM kill, and not after such a shutdown: being saved keeps it down. */
bool unit_restarts_after_failure_only(const struct unit_state *state);

/*
 * How its owner says that its main process is stopped. SIGTERM is no word of his, but what systemd has where he
 * says nothing. restarts: whoever is stopped is started again.
 */
struct apo_declared unit_declares(const struct unit_state *state, bool restarts);
