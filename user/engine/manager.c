// SPDX-License-Identifier: BSD-2-Clause
#include "engine/manager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "profile/helper.h"

#define ANSWER_SIZE 4096

struct manager_call {
	struct manager_request request;
	char unit[UNIT_NAME_SIZE];
	struct helper *helper;
	int answer_fd; /* what it prints */
	bool is_answered;
};

const char *manager_systemctl(void)
{
	static const char *const paths[] = {"/usr/bin/systemctl", "/bin/systemctl"};

	if (access("/run/systemd/system", F_OK))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (!access(paths[i], X_OK))
			return paths[i];
	return NULL;
}

/* The answer that counts: whatever ends later is nothing to whoever asked. */
static void answer(struct manager_call *call, const struct unit_state *state)
{
	if (call->is_answered)
		return;
	call->is_answered = true;
	call->request.on_state(state, call->request.userdata);
}

static void on_done(bool in_time, void *userdata)
{
	if (!in_time)
		answer(userdata, NULL);
}

static int run(struct manager_call *call, const char *verb, const char *option,
	       void (*on_end)(void *userdata))
{
	const char *const words[] = {"systemctl", "--no-ask-password", "--no-pager", verb, option,
				     "--",	  call->unit,	       NULL};
	char *argv[ARRAY_SIZE(words)];
	struct helper_config config = {
		.loop = call->request.loop,
		.path = call->request.systemctl,
		.argv = argv,
		.in = -1,
		.patience_ms = call->request.patience_ms,
		.on_done = on_done,
		.on_end = on_end,
		.userdata = call,
	};

	memcpy(argv, words, sizeof(words));
	call->answer_fd = close_fd(call->answer_fd);
	config.out = call->answer_fd = memfd_create("answer", MFD_CLOEXEC);
	if (call->answer_fd < 0)
		return -errno;
	call->helper = helper_free(call->helper);
	return helper_start(&call->helper, &config);
}

static void on_shown(void *userdata)
{
	struct manager_call *call = userdata;
	char text[ANSWER_SIZE];
	struct unit_state state;
	ssize_t n = pread(call->answer_fd, text, sizeof(text) - 1, 0);

	text[MAX(n, 0)] = '\0';
	answer(call, unit_state_parse(text, &state) ? NULL : &state);
}

static int show(struct manager_call *call)
{
	return run(call, "show", UNIT_PROPERTIES, on_shown);
}

static void on_started(void *userdata)
{
	struct manager_call *call = userdata;

	if (!call->is_answered && show(call))
		answer(call, NULL);
}

int manager_ask(struct manager_call **ret, const struct manager_request *request)
{
	struct manager_call *call = calloc(1, sizeof(*call));
	int r;

	if (!call)
		return -ENOMEM;
	call->request = *request;
	call->answer_fd = -1;
	snprintf(call->unit, sizeof(call->unit), "%s", request->unit);
	r = request->is_start ? run(call, "start", "--no-block", on_started) : show(call);
	if (r)
		manager_drop(call);
	else
		*ret = call;
	return r;
}

struct waited {
	uv_loop_t loop;
	struct unit_state *state;
	int result;
};

static void take(const struct unit_state *state, void *userdata)
{
	struct waited *waited = userdata;

	if (state)
		*waited->state = *state;
	waited->result = state ? 0 : -ETIMEDOUT;
	uv_stop(&waited->loop); /* even if what was asked cannot be killed */
}

int manager_ask_now(const char *systemctl, const char *unit, struct unit_state *ret)
{
	struct waited waited = {.state = ret};
	struct manager_call *call = NULL;
	const struct manager_request request = {
		.loop = &waited.loop,
		.systemctl = systemctl,
		.unit = unit,
		.patience_ms = MANAGER_PATIENCE_MS,
		.on_state = take,
		.userdata = &waited,
	};
	int r = uv_loop_init(&waited.loop);

	if (r)
		return r;
	r = manager_ask(&call, &request);
	if (!r)
		uv_run(&waited.loop, UV_RUN_DEFAULT);
	manager_drop(call);
	uv_run(&waited.loop, UV_RUN_DEFAULT); /* what it had is closed */
	uv_loop_close(&waited.loop);
	return r ?: waited.result;
}

struct manager_call *manager_drop(struct manager_call *call)
{
	if (!call)
		return NULL;
	helper_free(call->helper);
	close_fd(call->answer_fd);
	free(call);
	return NULL;
}
