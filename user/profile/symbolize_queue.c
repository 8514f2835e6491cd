// SPDX-License-Identifier: BSD-2-Clause
#include "profile/symbolize_queue.h"

#include <stdlib.h>

#include "profile/symbolizer.h"

struct unnamed {
	struct unnamed *next;
	struct symbolize_queue *queue;
	struct incident *incident;
	struct capture *capture;
	struct symbolizer *symbolizer;
};

struct symbolize_queue {
	uv_loop_t *loop;
	symbolize_queue_fn renew;
	void *userdata;
	struct unnamed *list;
};

struct symbolize_queue *symbolize_queue_new(uv_loop_t *loop, symbolize_queue_fn renew,
					    void *userdata)
{
	struct symbolize_queue *queue = calloc(1, sizeof(*queue));

	if (queue)
		*queue = (struct symbolize_queue){
			.loop = loop, .renew = renew, .userdata = userdata};
	return queue;
}

static void unnamed_free(struct unnamed *unnamed)
{
	struct unnamed **link = &unnamed->queue->list;

	while (*link != unnamed)
		link = &(*link)->next;
	*link = unnamed->next;
	incident_free(unnamed->incident);
	capture_free(unnamed->capture);
	free(unnamed);
}

struct symbolize_queue *symbolize_queue_free(struct symbolize_queue *queue)
{
	if (!queue)
		return NULL;
	while (queue->list) {
		symbolizer_stop(queue->list->symbolizer);
		unnamed_free(queue->list);
	}
	free(queue);
	return NULL;
}

static void on_named(void *userdata)
{
	struct unnamed *unnamed = userdata;

	recording_fit(unnamed->capture->recording);
	unnamed->queue->renew(unnamed->incident, unnamed->queue->userdata);
	unnamed_free(unnamed);
}

void symbolize_queue_take(struct symbolize_queue *queue, struct incident *incident,
			  struct capture *capture)
{
	struct unnamed *unnamed = calloc(1, sizeof(*unnamed));

	if (!unnamed) { /* the report stays without names */
		incident_free(incident);
		capture_free(capture);
		return;
	}
	*unnamed = (struct unnamed){
		.next = queue->list,
		.queue = queue,
		.incident = incident,
		.capture = capture,
	};
	queue->list = unnamed;
	if (!capture->recording->trouble && capture->recording->stack_count)
		unnamed->symbolizer = symbolizer_start(queue->loop, capture, on_named, unnamed);
	if (unnamed->symbolizer)
		return;
	if (capture->recording->trouble) /* perhaps only known by now */
		queue->renew(incident, queue->userdata);
	unnamed_free(unnamed);
}

struct incident *symbolize_queue_find(const struct symbolize_queue *queue, uint64_t id)
{
	for (const struct unnamed *unnamed = queue->list; unnamed; unnamed = unnamed->next)
		if (unnamed->incident->id == id)
			return unnamed->incident;
	return NULL;
}

bool symbolize_queue_is_busy(const struct symbolize_queue *queue)
{
	return queue->list;
}
