// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/namer.h"

#include <stdlib.h>

#include "daemon/symbolizer.h"

struct unnamed {
	struct unnamed *next;
	struct namer *namer;
	struct incident *incident;
	struct capture *capture;
	struct symbolizer *symbolizer;
};

struct namer {
	uv_loop_t *loop;
	struct reporter *reporter;
	struct unnamed *list;
};

struct namer *namer_new(uv_loop_t *loop, struct reporter *reporter)
{
	struct namer *namer = calloc(1, sizeof(*namer));

	if (namer)
		*namer = (struct namer){.loop = loop, .reporter = reporter};
	return namer;
}

static void unnamed_free(struct unnamed *unnamed)
{
	struct unnamed **link = &unnamed->namer->list;

	while (*link != unnamed)
		link = &(*link)->next;
	*link = unnamed->next;
	incident_free(unnamed->incident);
	capture_free(unnamed->capture);
	free(unnamed);
}

struct namer *namer_free(struct namer *namer)
{
	if (!namer)
		return NULL;
	while (namer->list) {
		symbolizer_stop(namer->list->symbolizer);
		unnamed_free(namer->list);
	}
	free(namer);
	return NULL;
}

static void on_named(void *userdata)
{
	struct unnamed *unnamed = userdata;

	recording_fit(unnamed->capture->recording);
	reporter_file(unnamed->namer->reporter, unnamed->incident);
	unnamed_free(unnamed);
}

void namer_take(struct namer *namer, struct incident *incident, struct capture *capture)
{
	struct unnamed *unnamed = calloc(1, sizeof(*unnamed));

	if (!unnamed) { /* the report stays without names */
		incident_free(incident);
		capture_free(capture);
		return;
	}
	*unnamed = (struct unnamed){
		.next = namer->list,
		.namer = namer,
		.incident = incident,
		.capture = capture,
	};
	namer->list = unnamed;
	if (!capture->recording->trouble && capture->recording->stack_count)
		unnamed->symbolizer = symbolizer_start(namer->loop, capture, on_named, unnamed);
	if (unnamed->symbolizer)
		return;
	if (capture->recording->trouble) /* perhaps only known by now */
		reporter_file(namer->reporter, incident);
	unnamed_free(unnamed);
}

bool namer_is_busy(const struct namer *namer)
{
	return namer->list;
}
