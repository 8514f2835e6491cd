// SPDX-License-Identifier: BSD-2-Clause
#include "engine/manager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/util.h"

#define ANSWER_MAX (1024UL * 1024) /* bytes, of all units that may be asked for */

struct manager_call {
	struct manager_request request;
	char (*units)[UNIT_NAME_SIZE];
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
static void answer(struct manager_call *call, const char *text)
{
	if (call->is_answered)
		return;
	call->is_answered = true;
	call->request.on_states(text, call->request.userdata);
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
				     "--"};
	char *argv[ARRAY_SIZE(words) + MANAGER_UNITS_MAX + 1] = {};
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
	for (size_t i = 0; i < call->request.unit_count; i++)
		argv[ARRAY_SIZE(words) + i] = call->units[i];
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
	off_t size = lseek(call->answer_fd, 0, SEEK_END);
	_cleanup_free_ char *text = size < 0 ? NULL : calloc(1, MIN((size_t)size, ANSWER_MAX) + 1);

	if (text && pread(call->answer_fd, text, MIN((size_t)size, ANSWER_MAX), 0) < 0)
		text[0] = '\0';
	answer(call, text);
}

static int show(struct manager_call *call)
{
	return run(call, "show", UNIT_PROPERTIES, on_shown);
}

static void on_job(void *userdata)
{
	struct manager_call *call = userdata;

	if (!call->is_answered && show(call))
		answer(call, NULL);
}

int manager_ask(struct manager_call **ret, const struct manager_request *request)
{
	static const char *const verbs[] = {
		[MANAGER_START] = "start",
		[MANAGER_STOP] = "stop",
		[MANAGER_RESTART] = "restart",
	};
	struct manager_call *call = calloc(1, sizeof(*call));
	int r;

	if (!call)
		return -ENOMEM;
	call->request = *request;
	call->answer_fd = -1;
	call->request.unit_count = MIN(request->unit_count, (size_t)MANAGER_UNITS_MAX);
	call->request.units = NULL;
	call->units = calloc(MAX(call->request.unit_count, 1U), sizeof(call->units[0]));
	if (!call->units) {
		manager_drop(call);
		return -ENOMEM;
	}
	for (size_t i = 0; i < call->request.unit_count; i++)
		snprintf(call->units[i], UNIT_NAME_SIZE, "%s", request->units[i]);
	r = request->job ? run(call, verbs[request->job], "--no-block", on_job) : show(call);
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

static void take(const char *text, void *userdata)
{
	struct waited *waited = userdata;

	waited->result = text && !unit_state_parse(text, waited->state) ? 0 : -ETIMEDOUT;
	uv_stop(&waited->loop); /* even if what was asked cannot be killed */
}

int manager_ask_now(const char *systemctl, const char *unit, struct unit_state *ret)
{
	struct waited waited = {.state = ret};
	struct manager_call *call = NULL;
	const struct manager_request request = {
		.loop = &waited.loop,
		.systemctl = systemctl,
		.units = &unit,
		.unit_count = 1,
		.patience_ms = MANAGER_PATIENCE_MS,
		.on_states = take,
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
	free(call->units);
	free(call);
	return NULL;
}
