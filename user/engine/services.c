// SPDX-License-Identifier: BSD-2-Clause
#include "engine/services.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/declarations.h"
#include "engine/unit_stops.h"

struct services {
	struct declarations *declarations; /* NULL: nothing is known */
	struct unit_stops *stops;
	struct comebacks *comebacks;
};

int services_new(struct services **ret, const struct services_config *config)
{
	struct services *services = calloc(1, sizeof(*services));
	const struct declarations_config declarations = {
		.loop = config->comebacks.loop,
		.systemctl = config->comebacks.systemctl,
		.restarts = config->comebacks.restarts,
		.source = config->source,
		.tree = config->tree,
		.policies = config->policies,
		.proc_fd = config->proc_fd,
	};
	const struct unit_stops_config stops = {
		.loop = config->comebacks.loop,
		.systemctl = config->comebacks.systemctl,
		.tree = config->tree,
		.proc_fd = config->proc_fd,
	};

	if (!services)
		return -ENOMEM;
	services->comebacks = comebacks_new(&config->comebacks);
	services->stops = unit_stops_new(&stops);
	if (config->initial_pid_ns)
		services->declarations = declarations_new(&declarations);
	if (!services->comebacks || !services->stops ||
	    (config->initial_pid_ns && !services->declarations)) {
		services_free(services);
		return -ENOMEM;
	}
	*ret = services;
	return 0;
}

struct services *services_free(struct services *services)
{
	if (!services)
		return NULL;
	unit_stops_free(services->stops);
	declarations_free(services->declarations);
	comebacks_free(services->comebacks);
	free(services);
	return NULL;
}

void services_on_record(struct services *services, const struct apo_record *record)
{
	if (services->declarations && record->type == APO_REC_LIMIT &&
	    record->size >= sizeof(struct apo_limit_seen))
		declarations_on_limit(services->declarations,
				      ((const struct apo_limit_seen *)record)->limit_cgroup);
}

void services_on_result(struct services *services, const struct responder_result *result)
{
	if (!result->is_airbag && result->action == APO_ACT_ASKED)
		unit_stops_ask(services->stops, result);
}

void services_follow(struct services *services, const struct incident *incident)
{
	comebacks_follow(services->comebacks, incident);
}

bool services_restart(const struct services *services)
{
	return comebacks_restart(services->comebacks);
}

bool services_are_awaited(const struct services *services)
{
	return comebacks_restart(services->comebacks) && comebacks_are_open(services->comebacks);
}
