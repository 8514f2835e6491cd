// SPDX-License-Identifier: BSD-2-Clause
#include "profile/symbolize_queue.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/loop.h"
#include "base/util.h"
#include "core/fair_queue.h"
#include "profile/raw_places.h"
#include "profile/symbolizer.h"

#define AT_ONCE 2 /* so that one which takes long does not hold up all others, and no more memory */
#define STUCK_MAX 8
#define WAITING_MAX 32
#define WAITING_BYTES_MAX (8ULL << 20) /* of stacks, of which most incidents have less than one */
#define END_MS 30000

struct unnamed {
	struct fair_item item;
	struct symbolize_queue *queue;
	char *cgroup;		   /* of who grew */
	struct incident *incident; /* NULL: its report is done */
	struct capture *capture;
	struct symbolizer *symbolizer;
};

struct symbolize_queue {
	uv_loop_t *loop;
	symbolize_queue_fn renew;
	void *userdata;
	struct fair_queue waiting;
	uv_timer_t *end;
};

static struct unnamed *unnamed_of(struct fair_item *item)
{
	return item ? (struct unnamed *)((char *)item - offsetof(struct unnamed, item)) : NULL;
}

static struct unnamed *next_of(const struct unnamed *unnamed)
{
	return unnamed_of(unnamed->item.next);
}

static struct unnamed *first(const struct symbolize_queue *queue)
{
	return unnamed_of(queue->waiting.items);
}

/* As many as the profiler keeps ahead; the rest is for what has to be opened to act. */
static uint64_t fds_max(void)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) ? 0 : files.rlim_cur / 4;
}

struct symbolize_queue *symbolize_queue_new(uv_loop_t *loop, symbolize_queue_fn renew,
					    void *userdata)
{
	struct symbolize_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	*queue = (struct symbolize_queue){
		.loop = loop,
		.renew = renew,
		.userdata = userdata,
		.waiting.bounds = {.served = AT_ONCE,
				   .stuck = STUCK_MAX,
				   .waiting = {[FAIR_ITEMS] = WAITING_MAX,
					       [FAIR_FDS] = fds_max(),
					       [FAIR_BYTES] = WAITING_BYTES_MAX}},
	};
	queue->end = loop_timer_new(loop, queue);
	return queue->end ? queue : symbolize_queue_free(queue);
}

static void drop_incident(struct unnamed *unnamed)
{
	unnamed->incident = incident_free(unnamed->incident);
	unnamed->capture = capture_free(unnamed->capture);
}

static void unnamed_free(struct unnamed *unnamed)
{
	symbolizer_stop(unnamed->symbolizer);
	fair_queue_remove(&unnamed->queue->waiting, &unnamed->item);
	drop_incident(unnamed);
	free(unnamed->cgroup);
	free(unnamed);
}

struct symbolize_queue *symbolize_queue_free(struct symbolize_queue *queue)
{
	if (!queue)
		return NULL;
	while (first(queue))
		unnamed_free(first(queue));
	fair_queue_clear(&queue->waiting);
	loop_timer_drop(queue->end);
	free(queue);
	return NULL;
}

/* With names, or with what is known without. */
static void renew(struct unnamed *unnamed)
{
	const struct symbolize_queue *queue = unnamed->queue;

	if (unnamed->capture->recording->trouble)
		raw_places_take(unnamed->capture);
	recording_fit(unnamed->capture->recording);
	queue->renew(unnamed->incident, queue->userdata);
	drop_incident(unnamed);
}

static void refuse(struct unnamed *unnamed, const char *trouble)
{
	unnamed->capture->recording->trouble = trouble;
	renew(unnamed);
	unnamed_free(unnamed);
}

static void go_on(struct symbolize_queue *queue);

static void on_named(bool is_stuck, void *userdata)
{
	struct unnamed *unnamed = userdata;
	struct symbolize_queue *queue = unnamed->queue;

	if (unnamed->incident)
		renew(unnamed);
	if (is_stuck) {
		unnamed->item.state = FAIR_STUCK;
	} else {
		unnamed->symbolizer = NULL;
		unnamed_free(unnamed);
	}
	go_on(queue);
}

static void start(struct unnamed *unnamed)
{
	unnamed->symbolizer =
		symbolizer_start(unnamed->queue->loop, unnamed->capture, on_named, unnamed);
	if (unnamed->symbolizer)
		return;
	renew(unnamed);
	unnamed_free(unnamed);
}

/* Who can be served is before it is seen who waits in vain. */
static void go_on(struct symbolize_queue *queue)
{
	struct fair_item *item;

	while ((item = fair_queue_next(&queue->waiting)))
		start(unnamed_of(item));
	while ((item = fair_queue_excess(&queue->waiting)))
		refuse(unnamed_of(item), "too many reports were waiting for names");
}

static uint64_t count_fds(const struct capture *capture)
{
	uint64_t count = 0;

	for (size_t i = 0; i < capture->recording->module_count; i++)
		count += capture->files[i].fd >= 0;
	return count;
}

/* Takes both; NULL: there was no memory, and the report stays as it is. */
static struct unnamed *unnamed_new(struct symbolize_queue *queue, struct incident *incident,
				   struct capture *capture)
{
	const char *cgroup = incident->grower.cgroup ?: incident->limit_cgroup ?: "/";
	struct unnamed *unnamed = calloc(1, sizeof(*unnamed));
	char *copy = unnamed ? strdup(cgroup) : NULL;

	if (!copy) {
		incident_free(incident);
		capture_free(capture);
		free(unnamed);
		return NULL;
	}
	*unnamed = (struct unnamed){
		.item = {.cgroup = copy,
			 .holds = {[FAIR_ITEMS] = 1,
				   [FAIR_FDS] = count_fds(capture),
				   [FAIR_BYTES] = capture->held_bytes}},
		.queue = queue,
		.cgroup = copy,
		.incident = incident,
		.capture = capture,
	};
	fair_queue_add(&queue->waiting, &unnamed->item);
	return unnamed;
}

void symbolize_queue_take(struct symbolize_queue *queue, struct incident *incident,
			  struct capture *capture)
{
	const struct recording *recording = capture->recording;
	struct unnamed *unnamed = unnamed_new(queue, incident, capture);

	if (!unnamed)
		return;
	if (recording->trouble || !recording->stack_count) {
		if (recording->trouble) /* perhaps only known by now */
			renew(unnamed);
		unnamed_free(unnamed);
		return;
	}
	go_on(queue);
}

struct incident *symbolize_queue_find(const struct symbolize_queue *queue, uint64_t id)
{
	for (const struct unnamed *unnamed = first(queue); unnamed; unnamed = next_of(unnamed))
		if (unnamed->incident && unnamed->incident->id == id)
			return unnamed->incident;
	return NULL;
}

bool symbolize_queue_is_busy(const struct symbolize_queue *queue)
{
	for (const struct unnamed *unnamed = first(queue); unnamed; unnamed = next_of(unnamed))
		if (unnamed->incident)
			return true;
	return false;
}

static void on_end(uv_timer_t *timer)
{
	struct symbolize_queue *queue = timer->data;
	struct unnamed *unnamed = first(queue);

	while (unnamed) {
		struct unnamed *next = next_of(unnamed);

		if (unnamed->incident)
			refuse(unnamed, "apoptosis was stopped before the names were found");
		unnamed = next;
	}
}

void symbolize_queue_end(struct symbolize_queue *queue)
{
	uv_timer_start(queue->end, on_end, END_MS, 0);
}
