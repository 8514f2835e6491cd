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

#define PATIENCE_MS 5000
#define ANSWER_SIZE 4096

struct manager_call {
	struct manager_request request;
	char unit[UNIT_NAME_SIZE];
	struct helper *helper;
	int answer_fd; /* what it prints */
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

/* One that was killed ends too. */
static void on_done(bool in_time, void *userdata)
{
	(void)in_time;
	(void)userdata;
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
		.patience_ms = PATIENCE_MS,
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
	const struct manager_call *call = userdata;
	char text[ANSWER_SIZE];
	struct unit_state state;
	ssize_t n = pread(call->answer_fd, text, sizeof(text) - 1, 0);

	text[MAX(n, 0)] = '\0';
	call->request.on_state(unit_state_parse(text, &state) ? NULL : &state,
			       call->request.userdata);
}

static int show(struct manager_call *call)
{
	return run(call, "show", UNIT_PROPERTIES, on_shown);
}

static void on_started(void *userdata)
{
	struct manager_call *call = userdata;

	if (show(call))
		call->request.on_state(NULL, call->request.userdata);
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

struct answer {
	bool is_there;
	struct unit_state *state;
};

static void take(const struct unit_state *state, void *userdata)
{
	struct answer *answer = userdata;

	if (state)
		*answer->state = *state;
	answer->is_there = state;
}

int manager_ask_now(const char *systemctl, const char *unit, struct unit_state *ret)
{
	struct answer answer = {.state = ret};
	struct manager_call *call = NULL;
	uv_loop_t loop;
	const struct manager_request request = {
		.loop = &loop,
		.systemctl = systemctl,
		.unit = unit,
		.on_state = take,
		.userdata = &answer,
	};
	int r = uv_loop_init(&loop);

	if (r)
		return r;
	r = manager_ask(&call, &request);
	uv_run(&loop, UV_RUN_DEFAULT);
	manager_drop(call);
	uv_run(&loop, UV_RUN_DEFAULT); /* what it had is closed */
	uv_loop_close(&loop);
	return r ?: answer.is_there ? 0 : -ETIMEDOUT;
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
