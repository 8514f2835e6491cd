// SPDX-License-Identifier: BSD-2-Clause
#include "engine/overview.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "engine/accounts.h"
#include "engine/self.h"
#include "output/status_json.h"

int overview_start(struct overview *overview, const struct overview_parts *parts)
{
	overview->parts = *parts;
	overview->idle = idle_limits_new(parts->tree);
	return overview->idle ? 0 : -ENOMEM;
}

void overview_done(struct overview *overview)
{
	free(overview->refused);
	overview->refused = NULL;
	overview->idle = idle_limits_free(overview->idle);
}

void overview_guard(const struct overview *overview, struct cgroup_limit *limit,
		    struct ready *ready)
{
	const struct overview_parts *parts = &overview->parts;
	const struct policy_set *policies = guards_policies(parts->guards);
	_cleanup_close_ int dirfd = -1;
	const char *rel = guards_cgroup(parts->guards, 0);

	ready->guards_host = source_guards_host(parts->source);
	if (policy_set_count(policies) != 1 || !rel ||
	    cgroup_limit_binding(parts->tree, rel, limit) || !limit->cgroup)
		return;
	ready->has_guard = true;
	ready->cgroup = rel;
	ready->limit_bytes = limit->limit_bytes;
	ready->limit_cgroup = limit->cgroup;
	ready->reserve_bytes = policy_reserve_bytes(policy_set_policy(policies, 0),
						    limit->limit_bytes, parts->page_bytes);
	ready->lends = overview->lends;
	if (!cgroup_open(parts->tree, rel, &dirfd))
		cgroup_id(dirfd, &ready->cgroup_id);
}

void overview_refuse(struct overview *overview, const char *why)
{
	free(overview->refused);
	overview->refused = strdup(why); /* NULL: it is in the log */
}

int overview_read(const struct overview *overview, struct status *ret)
{
	const struct overview_parts *parts = &overview->parts;
	const struct rescue *rescue = parts->rescue;
	const struct accounts_config accounts = {
		.source = parts->source,
		.airbag = rescue->airbag,
		.tree = parts->tree,
		.policies = guards_policies(parts->guards),
		.workloads = guards_workloads(parts->guards),
		.idle = overview->idle,
	};
	int r;

	*ret = (struct status){
		.realtime_ns = clock_ns(CLOCK_REALTIME),
		.now_ns = clock_ns(CLOCK_MONOTONIC),
		.page_bytes = parts->page_bytes,
		.self = {.mode = parts->mode,
			 .pid = getpid(),
			 .version = APO_VERSION,
			 .triggers = overview->triggers,
			 .since_realtime_ns = overview->since_realtime_ns,
			 .refused = overview->refused},
	};
	if (parts->sinks->history)
		ret->self.history_trouble = history_sink_trouble(parts->sinks->history);
	ret->self.metrics_trouble = metrics_file_trouble(parts->sinks->metrics);
	ret->self.metrics_unserved = parts->sinks->metrics_unserved;
	ret->measures = parts->sinks->measures;
	ret->recent_count = parts->sinks->recent_count;
	memcpy(ret->recent, parts->sinks->recent, sizeof(ret->recent));
	self_cost(&ret->self);
	r = accounts_read(&accounts, ret) ?: gaps_read(parts->gaps, ret);
	incidents_status(parts->incidents, ret);
	ret->answers_lost = responder_lost(rescue->responder) + keeper_lost(rescue->keeper);
	return r;
}

void overview_clear(struct status *status)
{
	accounts_clear(status);
	gaps_clear(status);
}

json_t *overview_json(const struct overview *overview)
{
	struct status status;
	json_t *document = overview_read(overview, &status) ? NULL : status_json(&status);

	overview_clear(&status);
	return document;
}

/* NULL: no memory. */
static char *render(const struct status *status, enum metrics_place place)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	int r = file ? metrics_write(file, status, place) : -ENOMEM;

	if (file && fclose(file) && !r)
		r = -ENOMEM;
	if (!r)
		return text;
	free(text);
	return NULL;
}

char *overview_metrics(const struct overview *overview, enum metrics_place place)
{
	struct status status;
	char *text = overview_read(overview, &status) ? NULL : render(&status, place);

	overview_clear(&status);
	return text;
}
