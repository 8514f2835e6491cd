// SPDX-License-Identifier: BSD-2-Clause
#include "profile/inspector.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/helper.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"

#define PATIENCE_MS 1000
/* Who is before it, which may be an earlier look at the same process, has its own time, and is to be gone. */
#define TURN_MS (2ULL * PATIENCE_MS)
#define RUNNING_MAX 8 /* at once, of those whose time is not over */
#define STUCK_MAX 64  /* that could not be killed: each holds a process and a MiB */
#define WAITING_MAX 256

struct slot;

/* What was asked for and is not answered. */
struct inspection {
	struct inspection *next;
	struct inspector *inspector;
	struct inspector_subject subject; /* its descriptor is ours */
	unsigned int parts;
	inspector_fn fn; /* NULL: nobody waits for it */
	void *userdata;
	struct slot *slot; /* NULL: it waits for its turn */
	uv_timer_t *timer; /* of its turn */
};

/* A helper, until its process is no more. */
struct slot {
	struct slot *next;
	struct inspector *inspector;
	struct helper *helper;
	struct inspection *inspection; /* NULL: its time is over, and it lives on */
	uint64_t cgroup;
	int socket;
};

struct inspector {
	uv_loop_t *loop;
	struct inspection *asked; /* first come, first served */
	struct slot *slots;
	size_t waiting, running, stuck;
};

static void start_next(struct inspector *inspector);

/* --- asks ---------------------------------------------------------------------------------- */

static void remove_asked(struct inspection *inspection)
{
	struct inspection **link = &inspection->inspector->asked;

	while (*link != inspection)
		link = &(*link)->next;
	*link = inspection->next;
	if (!inspection->slot)
		inspection->inspector->waiting--;
	loop_timer_drop(inspection->timer);
	close_fd(inspection->subject.limit_dirfd);
	free(inspection);
}

static void answer(struct inspection *inspection, struct inspected *found)
{
	inspector_fn fn = inspection->fn;
	void *userdata = inspection->userdata;

	remove_asked(inspection);
	if (fn)
		fn(found, userdata);
	inspected_clear(found);
}

static void answer_error(struct inspection *inspection, int error)
{
	struct inspected none = INSPECTED_NONE;

	none.error = error;
	answer(inspection, &none);
}

/* Its turn did not come. */
static void on_turn_over(uv_timer_t *timer)
{
	answer_error(timer->data, -EBUSY);
}

void inspection_redirect(struct inspection *inspection, inspector_fn fn, void *userdata)
{
	inspection->fn = fn;
	inspection->userdata = userdata;
}

struct inspection *inspection_drop(struct inspection *inspection)
{
	if (inspection && inspection->slot)
		inspection->fn = NULL; /* the helper has begun */
	else if (inspection)
		remove_asked(inspection);
	return NULL;
}

/* --- helpers ------------------------------------------------------------------------------- */

static void slot_free(struct slot *slot)
{
	struct slot **link = &slot->inspector->slots;

	while (*link != slot)
		link = &(*link)->next;
	*link = slot->next;
	helper_free(slot->helper);
	close_fd(slot->socket);
	free(slot);
}

static void on_done(bool in_time, void *userdata)
{
	struct slot *slot = userdata;
	struct inspection *inspection = TAKE_PTR(slot->inspection);
	struct inspected found;

	inspection_receive(slot->socket, &found);
	if (inspection->parts & ~found.parts & INSPECTION_NAMES && !found.error)
		found.error = in_time ? -ENOMEM /* or killed: it has said nothing */ : -ETIMEDOUT;
	slot->inspector->running--;
	slot->inspector->stuck++; /* until its end, which may be now */
	answer(inspection, &found);
}

static void on_end(void *userdata)
{
	struct slot *slot = userdata;
	struct inspector *inspector = slot->inspector;

	inspector->stuck--;
	slot_free(slot);
	start_next(inspector);
}

static int start_helper(struct slot *slot, int output)
{
	const struct inspector_subject *subject = &slot->inspection->subject;
	char pid[16], start[24], ns_pid[16], parts[16];
	char *const argv[] = {
		(char[]){"apoptosis"}, (char[]){INSPECT_COMMAND}, pid, start, ns_pid, parts, NULL};

	snprintf(pid, sizeof(pid), "%d", subject->pid);
	snprintf(start, sizeof(start), "%" PRIu64, subject->start_boottime_ns);
	snprintf(ns_pid, sizeof(ns_pid), "%d", subject->ns_pid);
	snprintf(parts, sizeof(parts), "%u", slot->inspection->parts);
	return helper_start(&slot->helper, &(const struct helper_config){
						   .loop = slot->inspector->loop,
						   .path = "/proc/self/exe",
						   .argv = argv,
						   .in = subject->limit_dirfd,
						   .out = output,
						   .patience_ms = PATIENCE_MS,
						   .on_done = on_done,
						   .on_end = on_end,
						   .userdata = slot,
					   });
}

/* -errno: it cannot be had now. */
static int start(struct inspector *inspector, struct inspection *inspection)
{
	struct slot *slot = calloc(1, sizeof(*slot));
	_cleanup_close_ int output = -1;
	int sockets[2], r;

	if (!slot)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) {
		r = -errno;
		free(slot);
		return r;
	}
	output = sockets[1];
	*slot = (struct slot){
		.next = inspector->slots,
		.inspector = inspector,
		.inspection = inspection,
		.cgroup = inspection->subject.cgroup,
		.socket = sockets[0],
	};
	inspector->slots = slot;
	r = start_helper(slot, output);
	if (r) {
		log_debug("cannot look at process %d: %s, ignoring", inspection->subject.pid,
			  strerror(-r));
		slot_free(slot);
		return r;
	}
	inspection->slot = slot;
	inspection->timer = loop_timer_drop(inspection->timer);
	inspector->waiting--;
	inspector->running++;
	return 0;
}

static const struct slot *find_slot(const struct inspector *inspector, uint64_t cgroup)
{
	const struct slot *slot = inspector->slots;

	while (slot && slot->cgroup != cgroup)
		slot = slot->next;
	return slot;
}

/* Those whose cgroup has no helper, in their order. */
static void start_next(struct inspector *inspector)
{
	struct inspection *next;

	for (struct inspection *asked = inspector->asked; asked; asked = next) {
		next = asked->next;
		if (inspector->running >= RUNNING_MAX || inspector->stuck >= STUCK_MAX)
			return;
		if (!asked->slot && !find_slot(inspector, asked->subject.cgroup) &&
		    start(inspector, asked))
			return; /* others would not be started either: their turn is still to come */
	}
}

/* --- the whole ----------------------------------------------------------------------------- */

struct inspector *inspector_new(uv_loop_t *loop)
{
	struct inspector *inspector = calloc(1, sizeof(*inspector));

	if (inspector)
		inspector->loop = loop;
	return inspector;
}

struct inspector *inspector_free(struct inspector *inspector)
{
	if (!inspector)
		return NULL;
	while (inspector->slots)
		slot_free(inspector->slots);
	while (inspector->asked)
		remove_asked(inspector->asked);
	free(inspector);
	return NULL;
}

struct inspection *inspector_ask(struct inspector *inspector,
				 const struct inspector_subject *subject, unsigned int parts,
				 inspector_fn fn, void *userdata)
{
	struct inspection *inspection, **last = &inspector->asked;

	if (inspector->waiting >= WAITING_MAX)
		return NULL;
	inspection = calloc(1, sizeof(*inspection));
	if (!inspection)
		return NULL;
	*inspection = (struct inspection){
		.inspector = inspector,
		.subject = *subject,
		.parts = parts,
		.fn = fn,
		.userdata = userdata,
		.timer = loop_timer_new(inspector->loop, inspection),
	};
	if (subject->limit_dirfd >= 0)
		inspection->subject.limit_dirfd = fcntl(subject->limit_dirfd, F_DUPFD_CLOEXEC, 3);
	if (!inspection->timer) {
		close_fd(inspection->subject.limit_dirfd);
		free(inspection);
		return NULL;
	}
	uv_timer_start(inspection->timer, on_turn_over, TURN_MS, 0);
	while (*last)
		last = &(*last)->next;
	*last = inspection;
	inspector->waiting++;
	start_next(inspector);
	return inspection;
}
