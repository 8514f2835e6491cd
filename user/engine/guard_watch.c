// SPDX-License-Identifier: BSD-2-Clause
#include "engine/guard_watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#define POLL_MS 1000
#define CHANGES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)

static void look_again(struct guard_watch *watch);

static void on_timer(uv_timer_t *timer)
{
	look_again(timer->data);
}

/* Once: from then on it is looked again and again. */
static void fall_back(struct guard_watch *watch, int error)
{
	if (watch->is_polling)
		return;
	watch->is_polling = true;
	log_warn("cannot watch for cgroups that are made anew: %s; they are looked for once a "
		 "second (raise fs.inotify.max_user_instances and max_user_watches)",
		 strerror(error));
	uv_timer_start(&watch->timer, on_timer, POLL_MS, POLL_MS);
}

/* A directory that is watched already stays so. */
static void watch_dir(int dirfd, void *userdata)
{
	struct guard_watch *watch = userdata;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
	if (watch->fd >= 0 && inotify_add_watch(watch->fd, path, CHANGES) < 0)
		fall_back(watch, errno);
}

/* First the watches, then the look: what changes in between is looked at again. */
static void look_again(struct guard_watch *watch)
{
	guards_each_dir_above(watch->guards, watch_dir, watch);
	guards_look_again(watch->guards, watch->source);
}

static void on_changes(uv_poll_t *poll, int status, int events)
{
	struct guard_watch *watch = poll->data;
	char changes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void)status;
	(void)events;
	while (read(watch->fd, changes, sizeof(changes)) > 0)
		; /* whatever it was: all guards are looked at */
	look_again(watch);
}

int guard_watch_start(struct guard_watch *watch, struct guards *guards, struct source *source,
		      uv_loop_t *loop)
{
	int r;

	watch->guards = guards;
	watch->source = source;
	watch->poll.data = watch->timer.data = watch;
	r = uv_timer_init(loop, &watch->timer);
	if (r || !guards_have_cgroup(guards))
		return r;
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->fd < 0) {
		fall_back(watch, errno);
	} else {
		r = uv_poll_init(loop, &watch->poll, watch->fd);
		r = r ?: uv_poll_start(&watch->poll, UV_READABLE, on_changes);
	}
	if (!r)
		look_again(watch);
	return r;
}

void guard_watch_on_record(const struct guard_watch *watch, const struct apo_record *record)
{
	if (record->type == APO_REC_CGROUP && record->size >= sizeof(struct apo_cgroup_made))
		guards_on_cgroup(watch->guards, watch->source,
				 ((const struct apo_cgroup_made *)record)->cgroup);
	/* What was told of it when it was made may have been lost. */
	if (record->type == APO_REC_LIMIT && record->size >= sizeof(struct apo_limit_seen))
		guards_on_cgroup(watch->guards, watch->source,
				 ((const struct apo_limit_seen *)record)->limit_cgroup);
}

void guard_watch_stop(struct guard_watch *watch)
{
	watch->fd = close_fd(watch->fd);
}
