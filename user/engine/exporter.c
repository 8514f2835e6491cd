// SPDX-License-Identifier: BSD-2-Clause
#include "engine/exporter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/freshness.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "core/listen_address.h"
#include "engine/metrics_server.h"
#include "engine/microhttpd.h"

#define EVERY_MS 15000
#define SOON_MS 1000 /* after an incident: there may be many */
#define PART 10	     /* of a CPU that reading the accounts takes at most */

struct exporter {
	struct exporter_config config;
	uv_timer_t *timer;
	bool is_soon;		       /* the timer is set for an incident */
	struct freshness freshness;    /* of the file */
	struct metrics_server *server; /* NULL: nobody is answered */
	char *answer;		       /* the last one */
	struct freshness answer_freshness;
	char unserved[256]; /* why there is no server */
};

static void on_timer(uv_timer_t *timer);

/* NULL: it cannot be had, which is logged. */
static char *read_text(const struct exporter *exporter, enum metrics_place place,
		       struct freshness *ret)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	char *text = overview_metrics(exporter->config.overview, place);

	if (!text)
		log_warn("cannot read the accounts for metrics, ignoring");
	*ret = freshness_since(now_ns);
	return text;
}

/* --- the file ------------------------------------------------------------------------------ */

static void set_timer(struct exporter *exporter, uint64_t ms)
{
	uint64_t least_ms = freshness_ns(&exporter->freshness, PART) / NSEC_PER_MSEC;

	uv_timer_start(exporter->timer, on_timer, MAX(ms, least_ms), 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct exporter *exporter = timer->data;
	char *text = read_text(exporter, METRICS_AMONG_OTHERS, &exporter->freshness);

	if (text)
		metrics_file_put(exporter->config.sinks->metrics, text);
	exporter->is_soon = false;
	set_timer(exporter, EVERY_MS);
}

static void on_incident(void *userdata)
{
	struct exporter *exporter = userdata;

	if (exporter->is_soon)
		return;
	exporter->is_soon = true;
	set_timer(exporter, SOON_MS);
}

static int start_file(struct exporter *exporter)
{
	struct sinks *sinks = exporter->config.sinks;

	sinks_open_metrics(sinks, exporter->config.textfile);
	if (!sinks->metrics)
		return 0;
	exporter->timer = loop_timer_new(exporter->config.loop, exporter);
	if (!exporter->timer)
		return -ENOMEM;
	sinks->on_incident = on_incident;
	sinks->userdata = exporter;
	uv_timer_start(exporter->timer, on_timer, 0, 0);
	return 0;
}

/* --- who asks ------------------------------------------------------------------------------ */

static char *on_request(void *userdata)
{
	struct exporter *exporter = userdata;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (!exporter->answer || !freshness_holds(&exporter->answer_freshness, PART, now_ns)) {
		free(exporter->answer);
		exporter->answer = read_text(exporter, METRICS_ALONE, &exporter->answer_freshness);
	}
	return exporter->answer ? strdup(exporter->answer) : NULL;
}

static const char *remedy(int error)
{
	switch (error) {
	case -ENOPKG:
		return ": install libmicrohttpd (" MICROHTTPD_SONAME ")";
	case -EEXIST:
		return ": there is something else than a socket";
	case -EAFNOSUPPORT:
	case -EADDRNOTAVAIL:
		return ": the unit of apoptosis has no network, see metrics.md";
	default:
		return "";
	}
}

static void start_server(struct exporter *exporter)
{
	struct metrics_server_config config = {
		.loop = exporter->config.loop,
		.text = on_request,
		.userdata = exporter,
	};
	const char *why = NULL;
	int r = listen_address_parse(exporter->config.listen, &config.address, &why)
			?: metrics_server_new(&exporter->server, &config);

	if (!r)
		return;
	snprintf(exporter->unserved, sizeof(exporter->unserved), "%s: %s%s",
		 exporter->config.listen, strerror(-r), remedy(r));
	exporter->config.sinks->metrics_unserved = exporter->unserved;
	log_warn("cannot serve metrics on %s, ignoring", exporter->unserved);
}

/* --- the whole ----------------------------------------------------------------------------- */

int exporter_new(struct exporter **ret, const struct exporter_config *config)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	int r;

	if (!exporter)
		return -ENOMEM;
	exporter->config = *config;
	r = config->textfile ? start_file(exporter) : 0;
	if (!r && config->listen)
		start_server(exporter);
	if (r)
		exporter = exporter_free(exporter);
	*ret = exporter;
	return r;
}

void exporter_leave(struct exporter *exporter)
{
	if (exporter)
		metrics_file_pause(exporter->config.sinks->metrics);
}

void exporter_return(struct exporter *exporter)
{
	if (exporter)
		metrics_file_resume(exporter->config.sinks->metrics);
}

struct exporter *exporter_free(struct exporter *exporter)
{
	if (!exporter)
		return NULL;
	metrics_server_free(exporter->server);
	free(exporter->answer);
	exporter->config.sinks->on_incident = NULL;
	exporter->config.sinks->metrics_unserved = NULL;
	loop_timer_drop(exporter->timer);
	exporter->config.sinks->metrics = metrics_file_free(exporter->config.sinks->metrics);
	free(exporter);
	return NULL;
}
