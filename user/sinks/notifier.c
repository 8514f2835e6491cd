// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/notifier.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "core/fair_queue.h"
#include "core/notify.h"
#include "output/event.h"
#include "output/notification.h"
#include "sinks/notify_process.h"

#define POST_PROGRAM "apoptosis-post"
#define AT_ONCE 4
#define STUCK_MAX 16
#define WAITING_MAX 64
#define WAITING_BYTES_MAX (4ULL << 20) /* of JSON; an event has some KiB */
#define PATIENCE_MS 10000
/* Of the process that watches the command: it ends by itself before. */
#define WATCH_MS (PATIENCE_MS + NOTIFY_KILL_AFTER_MS + 3000)
#define END_MS WATCH_MS
#define LAST_MS 3000 /* for those that are killed then */

/* One of the two ways to tell. */
struct lane {
	struct notifier *notifier;
	const char *name; /* in the log; NULL: it is not wanted */
	struct fair_queue queue;
	uint64_t dropped, failed; /* in a row */
};

struct notifier {
	struct notifier_config config;
	uv_loop_t *loop;
	struct lane hook, web;
	uv_timer_t *end;
};

/* One event in one lane, until its process is no more. */
struct job {
	struct fair_item item;
	struct lane *lane;
	char *cgroup;
	struct notification notification;
	struct helper *helper; /* NULL: it waits */
	int answer_fd;	       /* memfd, of a struct notify_result */
};

static struct job *job_of(struct fair_item *item)
{
	return item ? (struct job *)((char *)item - offsetof(struct job, item)) : NULL;
}

static void job_free(struct job *job)
{
	fair_queue_remove(&job->lane->queue, &job->item);
	helper_free(job->helper);
	close_fd(job->answer_fd);
	notification_clear(&job->notification);
	free(job->cgroup);
	free(job);
}

/* --- what became of it --------------------------------------------------------------------- */

static void worked(struct lane *lane)
{
	if (lane->failed)
		log_info("a %s works again: %" PRIu64 " had failed", lane->name, lane->failed);
	lane->failed = 0;
}

/* The first of a row is told. */
static void failed(struct lane *lane, const char *why, const char *said)
{
	const char *hint = lane->failed ? "" : " (what fails from now on is counted)";

	(lane->failed++ ? log_debug : log_warn)("a %s %s%s%s%s, ignoring", lane->name, why,
						*said ? ": " : "", said, hint);
}

static void judge(const struct job *job, bool in_time)
{
	struct notify_result result = {};
	char why[64];

	if (!in_time || pread(job->answer_fd, &result, sizeof(result), 0) != sizeof(result)) {
		failed(job->lane, "could not be run to its end", "");
		return;
	}
	result.said[sizeof(result.said) - 1] = '\0';
	result.said[strcspn(result.said, "\n")] = '\0';
	if (!result.is_overdue && !result.status) {
		worked(job->lane);
		return;
	}
	if (result.is_overdue)
		snprintf(why, sizeof(why), "took more than %d s and was ended", PATIENCE_MS / 1000);
	else
		snprintf(why, sizeof(why), "ended with status %d", result.status);
	failed(job->lane, why, result.said);
}

static void drop(struct job *job)
{
	struct lane *lane = job->lane;

	if (!lane->dropped++)
		log_warn("too many events for a %s, the latest of who has most are dropped and "
			 "counted, ignoring",
			 lane->name);
	job_free(job);
}

/* --- running ------------------------------------------------------------------------------- */

static void go_on(struct lane *lane);

static void on_done(bool in_time, void *userdata)
{
	struct job *job = userdata;

	judge(job, in_time);
	if (in_time)
		return;
	job->item.state = FAIR_STUCK; /* until its end */
	go_on(job->lane);
}

static void on_end(void *userdata)
{
	struct job *job = userdata;
	struct lane *lane = job->lane;

	job_free(job);
	go_on(lane);
}

/* The event; for the web hook where it goes comes before, since anybody can read arguments. */
static int write_input(const struct job *job)
{
	_cleanup_close_ int fd = memfd_create("event", MFD_CLOEXEC);
	const struct notifier *notifier = job->lane->notifier;
	const char *json = job->notification.json;

	if (fd < 0)
		return -errno;
	if (job->lane == &notifier->web && dprintf(fd, "%s\n", notifier->config.url) < 0)
		return -errno;
	if (write(fd, json, strlen(json)) != (ssize_t)strlen(json) || lseek(fd, 0, SEEK_SET))
		return -ENOSPC;
	return TAKE_FD(fd);
}

static int start_helper(struct job *job, int input, char *const command[])
{
	const struct notifier *notifier = job->lane->notifier;
	char uid[16], gid[16], patience[16];
	char *const argv[] = {(char[]){"apoptosis"},
			      (char[]){NOTIFY_COMMAND},
			      uid,
			      gid,
			      patience,
			      command[0],
			      command[1],
			      command[2],
			      NULL};

	snprintf(uid, sizeof(uid), "%u", notifier->config.uid);
	snprintf(gid, sizeof(gid), "%u", notifier->config.gid);
	snprintf(patience, sizeof(patience), "%d", PATIENCE_MS);
	return helper_start(&job->helper, &(const struct helper_config){
						  .loop = notifier->loop,
						  .path = "/proc/self/exe",
						  .argv = argv,
						  .envp = job->notification.environment,
						  .in = input,
						  .out = job->answer_fd,
						  .patience_ms = WATCH_MS,
						  .on_done = on_done,
						  .on_end = on_end,
						  .userdata = job,
					  });
}

static int start(struct job *job)
{
	const struct notifier *notifier = job->lane->notifier;
	_cleanup_close_ int input = write_input(job);
	char post[PATH_MAX];
	char *const shell[] = {(char[]){"/bin/sh"}, (char[]){"-c"},
			       (char *)notifier->config.command};
	char *const program[] = {post, NULL, NULL};
	bool is_web = job->lane == &notifier->web;
	int r = input < 0 ? input : is_web ? helper_find(POST_PROGRAM, post) : 0;

	if (r)
		return r;
	job->answer_fd = memfd_create("result", MFD_CLOEXEC);
	return job->answer_fd < 0 ? -errno : start_helper(job, input, is_web ? program : shell);
}

/* Who can be served is before it is seen who waits in vain. */
static void go_on(struct lane *lane)
{
	struct fair_item *item;

	while ((item = fair_queue_next(&lane->queue))) {
		int r = start(job_of(item));

		if (!r)
			continue;
		failed(lane, "cannot be started", strerror(-r));
		job_free(job_of(item));
	}
	while ((item = fair_queue_excess(&lane->queue)))
		drop(job_of(item));
	if (lane->dropped && !lane->queue.items) {
		log_info("all events for a %s are through: %" PRIu64 " were dropped", lane->name,
			 lane->dropped);
		lane->dropped = 0;
	}
}

/* --- the whole ----------------------------------------------------------------------------- */

static void lane_init(struct lane *lane, struct notifier *notifier, const char *name)
{
	*lane = (struct lane){
		.notifier = notifier,
		.name = name,
		.queue.bounds = {.served = AT_ONCE,
				 .stuck = STUCK_MAX,
				 .waiting = {[FAIR_ITEMS] = WAITING_MAX,
					     [FAIR_FDS] = UINT64_MAX,
					     [FAIR_BYTES] = WAITING_BYTES_MAX}},
	};
}

int notifier_new(struct notifier **ret, uv_loop_t *loop, const struct notifier_config *config)
{
	struct notifier *notifier = calloc(1, sizeof(*notifier));

	if (!notifier)
		return -ENOMEM;
	notifier->config = *config;
	notifier->loop = loop;
	lane_init(&notifier->hook, notifier, config->command ? "hook" : NULL);
	lane_init(&notifier->web, notifier, config->url ? "web hook" : NULL);
	notifier->end = loop_timer_new(loop, notifier);
	if (!notifier->end) {
		free(notifier);
		return -ENOMEM;
	}
	*ret = notifier;
	return 0;
}

static void lane_clear(struct lane *lane)
{
	while (lane->queue.items)
		job_free(job_of(lane->queue.items));
	fair_queue_clear(&lane->queue);
}

/* What waits is dropped, what runs is told to end. How many. */
static size_t lane_end(struct lane *lane)
{
	struct job *job = job_of(lane->queue.items);
	size_t count = 0;

	for (; job; count++) {
		struct job *next = job_of(job->item.next);

		if (job->helper)
			helper_signal(job->helper, SIGTERM);
		else
			job_free(job);
		job = next;
	}
	return count;
}

struct notifier *notifier_free(struct notifier *notifier)
{
	if (!notifier)
		return NULL;
	lane_clear(&notifier->hook);
	lane_clear(&notifier->web);
	loop_timer_drop(notifier->end);
	free(notifier);
	return NULL;
}

/* NULL: no memory. */
static struct job *job_new(struct lane *lane, const struct incident *incident, const char *guard)
{
	const char *cgroup = incident->grower.cgroup ?: incident->limit_cgroup ?: "/";
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	*job = (struct job){.lane = lane, .cgroup = strdup(cgroup), .answer_fd = -1};
	if (!job->cgroup || notification_make(incident, guard, &job->notification)) {
		free(job->cgroup);
		free(job);
		return NULL;
	}
	job->item = (struct fair_item){
		.cgroup = job->cgroup,
		.holds = {[FAIR_ITEMS] = 1, [FAIR_BYTES] = strlen(job->notification.json)},
	};
	fair_queue_add(&lane->queue, &job->item);
	return job;
}

static void add(struct lane *lane, const struct incident *incident, const char *guard)
{
	if (!lane->name)
		return;
	if (job_new(lane, incident, guard))
		go_on(lane);
	else
		failed(lane, "cannot be started", strerror(ENOMEM));
}

void notifier_tell(struct notifier *notifier, const struct incident *incident, const char *guard)
{
	if (!notify_events_have(notifier->config.events, event_name(incident)))
		return;
	add(&notifier->hook, incident, guard);
	add(&notifier->web, incident, guard);
}

/* Whoever is still there waits for a file system, or the like. */
static void on_last_over(uv_timer_t *timer)
{
	struct notifier *notifier = timer->data;

	lane_clear(&notifier->hook);
	lane_clear(&notifier->web);
}

static void on_end_over(uv_timer_t *timer)
{
	struct notifier *notifier = timer->data;
	size_t count = lane_end(&notifier->hook) + lane_end(&notifier->web);

	if (count)
		log_warn("%zu hooks or web hooks were not done in time for the end, ignoring",
			 count);
	uv_timer_start(notifier->end, on_last_over, LAST_MS, 0);
}

void notifier_end(struct notifier *notifier)
{
	uv_timer_start(notifier->end, on_end_over, END_MS, 0);
}

void notifier_return(struct notifier *notifier)
{
	uv_timer_stop(notifier->end);
}

bool notifier_is_busy(const struct notifier *notifier)
{
	return notifier->hook.queue.items || notifier->web.queue.items;
}
