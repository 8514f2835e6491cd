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

#define ID_LENGTH 64

static const char *const prefixes[] = {
	"docker-", "cri-containerd-", "crio-", "libpod-", "crun-", "nerdctl-",
};

/* The id in one component of a path, NULL if it names no container. */
static const char *component_id(const char *component, size_t length)
{
	static const char scope[] = ".scope", mismatched[] = ":cri-containerd:";
	const char *id, *colon;

	if (length > strlen(scope) &&
	    memcmp(component + length - strlen(scope), scope, strlen(scope)) == 0)
		length -= strlen(scope);
	if (length < ID_LENGTH)
		return NULL;

	id = component + length - ID_LENGTH;
	if (strspn(id, "0123456789abcdef") < ID_LENGTH)
		return NULL;
	if (id == component)
		return id;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strlen(prefixes[i]) == (size_t)(id - component) &&
		    text_starts_with(component, prefixes[i]))
			return id;
	colon = memchr(component, ':', length);
	if (colon && colon + strlen(mismatched) == id && text_starts_with(colon, mismatched))
		return id;
	return NULL;
}

int container_id_from_cgroup(const char *cgroup_path, char **ret)
{
	const char *id = NULL;
	char *copy;

	/* The last one found is the innermost. */
	for (const char *component = cgroup_path; *component;) {
		size_t length = strcspn(component, "/");
		const char *found = component_id(component, length);

		if (found)
			id = found;
		component += length;
		component += strspn(component, "/");
	}
	if (!id)
		return -ENOENT;
	copy = strndup(id, ID_LENGTH);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

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
