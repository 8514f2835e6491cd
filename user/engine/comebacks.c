// SPDX-License-Identifier: BSD-2-Clause
#include "engine/comebacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "engine/manager.h"
#include "core/unit.h"

#define FIRST_MS 100 /* each wait is twice the one before */
#define WAITS 9	     /* 51 s in all */
#define FOLLOWED 64  /* at once, at most */
#define ASKED 4	     /* processes that ask, at once, at most: the loop has more to do */

struct follow {
	struct follow *next;
	struct comebacks *comebacks;
	uint64_t id;
	struct comeback_watch watch;
	unsigned int waits;
	bool is_start; /* what is asked for next */
	uv_timer_t *timer;
	struct manager_call *call; /* NULL: nobody is asked now */
};

struct comebacks {
	struct comebacks_config config;
	struct follow *first;
};

static void drop(struct follow *follow)
{
	struct follow **link = &follow->comebacks->first;

	while (*link != follow)
		link = &(*link)->next;
	*link = follow->next;
	manager_drop(follow->call);
	loop_timer_drop(follow->timer);
	free(follow);
}

static void on_time(uv_timer_t *timer);

static void ask_later(struct follow *follow)
{
	uv_timer_start(follow->timer, on_time, (uint64_t)FIRST_MS << follow->waits, 0);
	follow->waits++;
}

static void on_states(const char *text, void *userdata)
{
	struct follow *follow = userdata;
	const struct comebacks_config *config = &follow->comebacks->config;
	struct unit_state state;
	bool is_known = text && !unit_state_parse(text, &state);

	follow->call = manager_drop(follow->call);
	switch (comeback_step(&follow->watch, is_known ? &state : NULL, follow->waits >= WAITS)) {
	case COMEBACK_START:
		follow->is_start = true;
		/* fall through */
	case COMEBACK_ASK_AGAIN:
		ask_later(follow);
		break;
	case COMEBACK_OVER:
		config->on_comeback(follow->id, &follow->watch.comeback, config->userdata);
		drop(follow);
		break;
	}
}

static size_t count(const struct comebacks *comebacks, bool is_asked)
{
	size_t n = 0;

	for (const struct follow *follow = comebacks->first; follow; follow = follow->next)
		n += !is_asked || follow->call;
	return n;
}

static void on_time(uv_timer_t *timer)
{
	struct follow *follow = timer->data;
	const struct comebacks_config *config = &follow->comebacks->config;
	const char *const unit = follow->watch.comeback.unit;
	const struct manager_request request = {
		.loop = config->loop,
		.systemctl = config->systemctl,
		.units = &unit,
		.unit_count = 1,
		.job = follow->is_start ? MANAGER_START : MANAGER_NO_JOB,
		.patience_ms = MANAGER_PATIENCE_MS,
		.on_states = on_states,
		.userdata = follow,
	};
	int r;

	if (count(follow->comebacks, true) >= ASKED) {
		uv_timer_start(follow->timer, on_time, FIRST_MS, 0);
		return;
	}
	follow->is_start = false;
	r = manager_ask(&follow->call, &request);
	if (r) {
		log_warn("cannot ask for the state of %s: %s", unit, strerror(-r));
		on_states(NULL, follow);
	}
}

/* A process of a user's manager is not of a service that the system's could start. */
static bool may_follow(const struct comebacks *comebacks, const struct incident *incident)
{
	const struct incident_process *target = &incident->target;

	return comebacks->config.systemctl && incident->exit_ns && target->unit &&
	       unit_is_service(target->unit) && !target->user_unit &&
	       count(comebacks, false) < FOLLOWED;
}

void comebacks_follow(struct comebacks *comebacks, const struct incident *incident)
{
	struct follow *follow;

	if (!may_follow(comebacks, incident))
		return;
	follow = calloc(1, sizeof(*follow));
	if (!follow)
		return;
	follow->timer = loop_timer_new(comebacks->config.loop, follow);
	if (!follow->timer) {
		free(follow);
		return;
	}
	follow->comebacks = comebacks;
	follow->id = incident->id;
	follow->watch = (struct comeback_watch){
		.target = incident->target.pid,
		.end_ns = incident->exit_ns,
		.was_told = incident->action == APO_ACT_TOLD,
		.was_asked = incident->action == APO_ACT_ASKED,
		.restarts = comebacks->config.restarts,
	};
	snprintf(follow->watch.comeback.unit, UNIT_NAME_SIZE, "%s", incident->target.unit);
	follow->next = comebacks->first;
	comebacks->first = follow;
	ask_later(follow);
}

bool comebacks_restart(const struct comebacks *comebacks)
{
	return comebacks->config.restarts;
}

bool comebacks_are_open(const struct comebacks *comebacks)
{
	return comebacks->first;
}

struct comebacks *comebacks_new(const struct comebacks_config *config)
{
	struct comebacks *comebacks = calloc(1, sizeof(*comebacks));

	if (!comebacks)
		return NULL;
	comebacks->config = *config;
	if (config->restarts && !config->systemctl) {
		comebacks->config.restarts = false;
		log_warn("--then restart: no systemd runs this machine; the rest works");
	}
	return comebacks;
}

struct comebacks *comebacks_free(struct comebacks *comebacks)
{
	if (!comebacks)
		return NULL;
	while (comebacks->first)
		drop(comebacks->first);
	free(comebacks);
	return NULL;
}
