// SPDX-License-Identifier: BSD-2-Clause
#include "engine/unnamed.h"

#include <stdlib.h>

#include "base/util.h"
#include "engine/open_incident.h"

struct unnamed {
	struct unnamed *next, **list;
	struct inspection *inspection;
	struct incident *incident;
	struct capture *capture;
	unnamed_fn fn;
	void *userdata;
};

static void unnamed_free(struct unnamed *unnamed)
{
	struct unnamed **link = unnamed->list;

	while (*link != unnamed)
		link = &(*link)->next;
	*link = unnamed->next;
	inspection_drop(unnamed->inspection);
	incident_free(unnamed->incident);
	capture_free(unnamed->capture);
	free(unnamed);
}

static void on_found(struct inspected *found, void *userdata)
{
	struct unnamed *unnamed = userdata;
	struct incident *incident = TAKE_PTR(unnamed->incident);
	struct capture *capture = TAKE_PTR(unnamed->capture);
	unnamed_fn fn = unnamed->fn;
	void *owner = unnamed->userdata;

	unnamed->inspection = NULL;
	open_incident_take_found(found, incident, capture);
	unnamed_free(unnamed);
	fn(incident, capture, owner);
}

void unnamed_add(struct unnamed **list, struct inspection *inspection, struct incident *incident,
		 struct capture *capture, unnamed_fn fn, void *userdata)
{
	struct unnamed *unnamed = calloc(1, sizeof(*unnamed));

	if (!unnamed) {
		inspection_drop(inspection);
		incident_free(incident);
		capture_free(capture);
		return;
	}
	*unnamed = (struct unnamed){
		.next = *list,
		.list = list,
		.inspection = inspection,
		.incident = incident,
		.capture = capture,
		.fn = fn,
		.userdata = userdata,
	};
	*list = unnamed;
	inspection_redirect(inspection, on_found, unnamed);
}

struct incident *unnamed_find(struct unnamed *list, uint64_t id)
{
	for (struct unnamed *unnamed = list; unnamed; unnamed = unnamed->next)
		if (unnamed->incident->id == id)
			return unnamed->incident;
	return NULL;
}

void unnamed_clear(struct unnamed **list)
{
	while (*list)
		unnamed_free(*list);
}
