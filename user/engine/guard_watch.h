/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches for cgroups of guards that are removed and made anew, as when a service is started again: by
 * inotify on what is above them, which tells of each mkdir(2) and rmdir(2) of a cgroup on v1 and on v2.
 * Where there is no inotify to be had (a limit for each user), once a second. Slow path.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "engine/guards.h"
#include "source/source.h"

struct guard_watch {
	struct guards *guards;
	struct source *source;
	int fd; /* -1: none */
	uv_poll_t poll;
	uv_timer_t timer;
	bool is_polling; /* the timer runs */
};

/*
 * From here on a change is seen; what was changed since the guards were added is seen now. 0, or an error
 * of libuv. The loop closes the handles.
 */
int guard_watch_start(struct guard_watch *watch, struct guards *guards, struct source *source,
		      uv_loop_t *loop);
/* Any record: it may tell of a cgroup that is made, or whose limit is seen for the first time. */
void guard_watch_on_record(const struct guard_watch *watch, const struct apo_record *record);
void guard_watch_stop(struct guard_watch *watch);
