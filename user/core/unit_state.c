// SPDX-License-Identifier: BSD-2-Clause
#include "core/unit_state.h"

#include <errno.h>
#include <signal.h>
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

/* The value of a line KEY=VALUE of the first unit, up to the end of the line; NULL: there is none. */
static const char *find_value(const char *text, const char *key)
{
	size_t length = strlen(key);

	while (*text && *text != '\n') {
		if (strncmp(text, key, length) == 0 && text[length] == '=')
			return text + length + 1;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return NULL;
}

/* Into a buffer, cut to it. Returns whether there is one. */
static bool value_of(const char *text, const char *key, char *ret, size_t size)
{
	const char *value = find_value(text, key);
	size_t n;

	if (!value)
		return false;
	n = MIN(strcspn(value, "\n"), size - 1);
	memcpy(ret, value, n);
	ret[n] = '\0';
	return true;
}

static bool is_value(const char *text, const char *key, const char *wanted)
{
	char value[UNIT_WORD_SIZE];

	return value_of(text, key, value, sizeof(value)) && !strcmp(value, wanted);
}

/* Of a value that is words. */
static bool has_word(const char *text, const char *key, const char *wanted)
{
	const char *word = find_value(text, key);
	size_t length = strlen(wanted);

	for (; word && *word && *word != '\n'; word += strcspn(word, " \n"), word += *word == ' ')
		if (strncmp(word, wanted, length) == 0 && strchr(" \n", word[length]))
			return true;
	return false;
}

static uint64_t number_of(const char *text, const char *key)
{
	char value[24];
	uint64_t number;

	return value_of(text, key, value, sizeof(value)) && !parse_u64(value, &number) ? number : 0;
}

/* 0: none, or none that asks for a shutdown. */
static int signal_of(const char *text, const char *key)
{
	uint64_t number = number_of(text, key);

	return number < NSIG && number != SIGKILL && number != SIGSTOP ? (int)number : 0;
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
	const char *exec_stop = find_value(text, "ExecStop");
	int r = activity_of(text, &state.activity);

	if (r)
		return r;
	value_of(text, "Id", state.id, sizeof(state.id));
	state.is_loaded = is_value(text, "LoadState", "loaded");
	state.has_job = number_of(text, "Job");
	state.main_pid = (pid_t)number_of(text, "MainPID");
	state.up_ns = number_of(text, "ActiveEnterTimestampMonotonic") * NSEC_PER_USEC;
	state.left_ns = number_of(text, "ActiveExitTimestampMonotonic") * NSEC_PER_USEC;
	state.main_end_ns = number_of(text, "ExecMainExitTimestampMonotonic") * NSEC_PER_USEC;
	if (state.activity == UNIT_DOWN && state.has_job)
		state.activity = UNIT_STARTING;
	value_of(text, "Restart", state.restart, sizeof(state.restart));
	value_of(text, "Result", state.result, sizeof(state.result));
	state.kill_signal = signal_of(text, "KillSignal");
	state.restart_signal = signal_of(text, "RestartKillSignal");
	state.has_exec_stop = exec_stop && strcspn(exec_stop, "\n") &&
			      !is_value(text, "CanStop", "no");
	state.is_forced = has_word(text, "RestartForceExitStatus", "0");
	*ret = state;
	return 0;
}

const char *unit_state_next(const char *text)
{
	const char *end = strstr(text, "\n\n");

	return end && end[2] ? end + 2 : NULL;
}

bool unit_restarts_after_success(const struct unit_state *state)
{
	return state->is_forced || !strcmp(state->restart, "always") ||
	       !strcmp(state->restart, "on-success");
}

bool unit_restarts_after_failure_only(const struct unit_state *state)
{
	static const char *const words[] = {"on-failure", "on-abnormal", "on-abort"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(state->restart, words[i]))
			return !state->is_forced;
	return false;
}

struct apo_declared unit_declares(const struct unit_state *state, bool restarts)
{
	int signal = restarts && state->restart_signal ? state->restart_signal : state->kill_signal;
	enum apo_declaration by = restarts && state->restart_signal != state->kill_signal
					  ? APO_DECLARED_RESTART_SIGNAL
					  : APO_DECLARED_KILL_SIGNAL;

	if (state->has_exec_stop)
		by = restarts ? APO_DECLARED_EXEC_RESTART : APO_DECLARED_EXEC_STOP;
	else if (!signal || signal == SIGTERM)
		by = APO_DECLARED_NOTHING;
	return (struct apo_declared){.signal = (uint32_t)(signal ?: SIGTERM), .by = by};
}
