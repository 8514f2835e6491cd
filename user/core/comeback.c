// SPDX-License-Identifier: BSD-2-Clause
#include "core/comeback.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/util.h"

struct word {
	const char *name;
	enum unit_activity activity;
};

static const struct word activities[] = {
	{"active", UNIT_UP},	       {"reloading", UNIT_UP},		{"refreshing", UNIT_UP},
	{"activating", UNIT_STARTING}, {"deactivating", UNIT_STOPPING}, {"inactive", UNIT_DOWN},
	{"failed", UNIT_DOWN},
};

/* The value of a line KEY=VALUE into a buffer, cut to it. Returns whether there is one. */
static bool value_of(const char *text, const char *key, char *ret, size_t size)
{
	size_t length = strlen(key), n;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) != 0 || line[length] != '=')
			continue;
		line += length + 1;
		n = MIN(strcspn(line, "\n"), size - 1);
		memcpy(ret, line, n);
		ret[n] = '\0';
		return true;
	}
	return false;
}

static uint64_t number_of(const char *text, const char *key)
{
	char value[24];
	uint64_t number;

	return value_of(text, key, value, sizeof(value)) && !parse_u64(value, &number) ? number : 0;
}

static int activity_of(const char *text, enum unit_activity *ret)
{
	char value[UNIT_WORD_SIZE];

	if (!value_of(text, "ActiveState", value, sizeof(value)))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(activities); i++)
		if (!strcmp(activities[i].name, value)) {
			*ret = activities[i].activity;
			return 0;
		}
	return -EINVAL; /* "maintenance", of mounts */
}

int unit_state_parse(const char *text, struct unit_state *ret)
{
	struct unit_state state = {0};
	char load[UNIT_WORD_SIZE];
	int r = activity_of(text, &state.activity);

	if (r)
		return r;
	state.is_loaded = value_of(text, "LoadState", load, sizeof(load)) &&
			  !strcmp(load, "loaded");
	state.main_pid = (pid_t)number_of(text, "MainPID");
	state.up_ns = number_of(text, "ActiveEnterTimestampMonotonic") * NSEC_PER_USEC;
	state.left_ns = number_of(text, "ActiveExitTimestampMonotonic") * NSEC_PER_USEC;
	state.main_end_ns = number_of(text, "ExecMainExitTimestampMonotonic") * NSEC_PER_USEC;
	if (state.activity == UNIT_DOWN && number_of(text, "Job"))
		state.activity = UNIT_STARTING;
	value_of(text, "Restart", state.restart, sizeof(state.restart));
	value_of(text, "Result", state.result, sizeof(state.result));
	*ret = state;
	return 0;
}

bool unit_restarts_after_success(const struct unit_state *state)
{
	return !strcmp(state->restart, "always") || !strcmp(state->restart, "on-success");
}

const char *comeback_name(enum comeback_outcome outcome)
{
	static const char *const names[] = {
		[COMEBACK_UNKNOWN] = "unknown",	    [COMEBACK_RUNS_ON] = "runs on",
		[COMEBACK_RESTARTED] = "restarted", [COMEBACK_PENDING] = "pending",
		[COMEBACK_DOWN] = "down",	    [COMEBACK_STOPPED] = "stopped",
	};

	return names[outcome];
}

static enum comeback_step over(struct comeback_watch *watch, enum comeback_outcome outcome)
{
	watch->comeback.outcome = outcome;
	return COMEBACK_OVER;
}

static enum comeback_step on_up(struct comeback_watch *watch, const struct unit_state *state,
				bool is_last)
{
	/* Its manager has not noticed yet. */
	if (state->main_pid == watch->target)
		return is_last ? over(watch, COMEBACK_UNKNOWN) : COMEBACK_ASK_AGAIN;
	if (state->up_ns <= watch->end_ns)
		return over(watch, COMEBACK_RUNS_ON);
	watch->comeback.took_ns = state->up_ns - watch->end_ns;
	return over(watch, COMEBACK_RESTARTED);
}

/*
 * By somebody's will: it was to stop before anything of it had ended. A unit that is down and that nothing refers
 * to is forgotten, with its times.
 */
static bool was_stopped(const struct comeback_watch *watch, const struct unit_state *state)
{
	return watch->was_told ||
	       (state->left_ns && state->left_ns < (state->main_end_ns ?: watch->end_ns));
}

static enum comeback_step on_down(struct comeback_watch *watch, const struct unit_state *state,
				  bool is_last)
{
	if (!watch->was_down && !is_last) {
		watch->was_down = true;
		return COMEBACK_ASK_AGAIN;
	}
	if (!watch->comeback.is_asked && was_stopped(watch, state))
		return over(watch, COMEBACK_STOPPED);
	if (!watch->restarts || watch->comeback.is_asked || !state->is_loaded || is_last)
		return over(watch, COMEBACK_DOWN);
	watch->comeback.is_asked = true;
	watch->was_down = false;
	return COMEBACK_START;
}

enum comeback_step comeback_step(struct comeback_watch *watch, const struct unit_state *state,
				 bool is_last)
{
	if (!state)
		return is_last ? over(watch, COMEBACK_UNKNOWN) : COMEBACK_ASK_AGAIN;
	memcpy(watch->comeback.restart, state->restart, sizeof(state->restart));
	memcpy(watch->comeback.result, state->result, sizeof(state->result));
	if (state->activity == UNIT_DOWN)
		return on_down(watch, state, is_last);
	watch->was_down = false;
	if (state->activity == UNIT_UP)
		return on_up(watch, state, is_last);
	return is_last ? over(watch, COMEBACK_PENDING) : COMEBACK_ASK_AGAIN;
}
