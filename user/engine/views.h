/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What others see of us while we run: the answers of the control socket, and metrics. The guard is as good without.
 * What cannot be had is logged.
 */
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "engine/control.h"
#include "engine/exporter.h"
#include "engine/overview.h"

struct views_config {
	bool has_control;    /* it can be asked for its status */
	gid_t control_group; /* by whom beside root: engine/control.h */
	int control_fd;	     /* views_leave() of the program before this one; -1: none */
	const char *metrics_textfile, *metrics_listen; /* NULL: none; borrowed */
};

/* NULL: not wanted, or not to be had. */
struct views {
	struct control *control;
	struct exporter *exporter;
};

/* loop, overview, sinks: borrowed. To be closed in any case, if it was all zero before. */
void views_open(struct views *views, const struct views_config *config, uv_loop_t *loop,
		const struct overview *overview, struct sinks *sinks);
/* Before exec(3): the descriptor of the control socket, for the next program; -1: there is none. */
int views_leave(struct views *views);
/* It has failed: we go on. */
void views_return(struct views *views);
/* Before the loop is closed. */
void views_close(struct views *views);
