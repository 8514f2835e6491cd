/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/container.h"

#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"

/* Where a runtime keeps what it knows of a container, on both sides of its id, and the way to the signal in it. */
struct place {
	const char *before, *after;
	const char *object, *key;
};

#define OCI_PLACE(storage)                                                      \
	{                                                                       \
		storage "-containers/", "/userdata/config.json", "annotations", \
			"org.opencontainers.image.stopSignal"                   \
	}

static const struct place places[] = {
	{"var/lib/docker/containers/", "/config.v2.json", "Config", "StopSignal"},
	OCI_PLACE("var/lib/containers/storage/overlay"),
	OCI_PLACE("run/containers/storage/overlay"),
	OCI_PLACE("var/lib/containers/storage/vfs"),
};

static int signal_at(int root_fd, const char *id, const struct place *place, int *ret)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	json_t *state;
	const char *name;
	int r;

	snprintf(path, sizeof(path), "%s%s%s", place->before, id, place->after);
	r = file_read(root_fd, path, &text, NULL);
	if (r)
		return r;
	state = json_loads(text, 0, NULL);
	name = json_string_value(
		json_object_get(json_object_get(state, place->object), place->key));
	r = name ? parse_signal(name, ret) : -ENOENT;
	json_decref(state);
	return r;
}

int container_stop_signal(int root_fd, const char *id, int *ret)
{
	int signal;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (!signal_at(root_fd, id, &places[i], &signal)) {
			*ret = signal;
			return signal == SIGTERM || signal == SIGKILL || signal == SIGSTOP ? -ENOENT
											   : 0;
		}
	return -ENOENT;
}
