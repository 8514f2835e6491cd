// SPDX-License-Identifier: BSD-2-Clause
#include "core/comeback.h"

#include <string.h>

#include "base/util.h"

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
	return watch->was_told || (!watch->was_asked && state->left_ns &&
				   state->left_ns < (state->main_end_ns ?: watch->end_ns));
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
