/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/container.h"

#include <jansson.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

/* --- what it is called --------------------------------------------------------------------- */

/* Where there is a document of each container, on both sides of its id. */
static const struct {
	const char *before, *after;
} documents[] = {
	{"var/lib/docker/containers/", "/config.v2.json"},
	{"run/containerd/io.containerd.runtime.v2.task/k8s.io/", "/config.json"},
	{"run/containerd/io.containerd.runtime.v2.task/default/", "/config.json"},
	{"var/lib/containers/storage/overlay-containers/", "/userdata/config.json"},
	{"run/containers/storage/overlay-containers/", "/userdata/config.json"},
	{"var/lib/containers/storage/vfs-containers/", "/userdata/config.json"},
};

/* Where Podman has the names of all. */
static const char *const lists[] = {
	"var/lib/containers/storage/overlay-containers/containers.json",
	"var/lib/containers/storage/overlay-containers/volatile-containers.json",
	"var/lib/containers/storage/vfs-containers/containers.json",
};

/* Labels of each kind in the order in which they count. */
static const char *const name_labels[] = {"io.kubernetes.cri.container-name",
					  "io.kubernetes.container.name", "nerdctl/name", NULL};
static const char *const pod_labels[] = {"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name",
					 NULL};
static const char *const namespace_labels[] = {"io.kubernetes.cri.sandbox-namespace",
					       "io.kubernetes.pod.namespace", NULL};
static const char *const guard_labels[] = {CONTAINER_GUARD_LABEL, NULL};
/* Of CRI-O, each an object in a string. */
static const char *const nested[] = {"io.kubernetes.cri-o.Labels",
				     "io.kubernetes.cri-o.Annotations"};

static json_t *document_at(int root_fd, const char *path)
{
	_cleanup_free_ char *text = NULL;

	return file_read(root_fd, path, &text, NULL) ? NULL : json_loads(text, 0, NULL);
}

static json_t *document_of(int root_fd, const char *id)
{
	char path[PATH_MAX];
	json_t *document = NULL;

	for (size_t i = 0; !document && i < ARRAY_SIZE(documents); i++) {
		snprintf(path, sizeof(path), "%s%s%s", documents[i].before, id, documents[i].after);
		document = document_at(root_fd, path);
	}
	return document;
}

/* Those of an object whose values are texts. */
static void add_labels(struct container *container, json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		char **labels = container->labels;

		if (!json_is_string(value) || container->label_count == CONTAINER_LABELS_MAX ||
		    strlen(key) + json_string_length(value) > CONTAINER_LABEL_SIZE)
			continue;
		labels = reallocarray(labels, container->label_count + 1, sizeof(*labels));
		if (!labels)
			return;
		container->labels = labels;
		if (asprintf(&labels[container->label_count], "%s=%s", key,
			     json_string_value(value)) >= 0)
			container->label_count++;
	}
}

/* The value of the first of the keys that it has; NULL: of none. */
static char *label_of(const struct container *container, const char *const keys[])
{
	for (; *keys; keys++)
		for (size_t i = 0; i < container->label_count; i++) {
			const char *label = container->labels[i];
			size_t length = strlen(*keys);

			if (!strncmp(label, *keys, length) && label[length] == '=')
				return strdup(label + length + 1);
		}
	return NULL;
}

static char *variable_of(json_t *environment, const char *name)
{
	size_t i, length = strlen(name);
	json_t *variable;

	json_array_foreach (environment, i, variable) {
		const char *text = json_string_value(variable);

		if (text && !strncmp(text, name, length) && text[length] == '=')
			return strdup(text + length + 1);
	}
	return NULL;
}

static char *listed_name(int root_fd, const char *id)
{
	char *name = NULL;

	for (size_t i = 0; !name && i < ARRAY_SIZE(lists); i++) {
		json_t *list = document_at(root_fd, lists[i]), *one;
		size_t at;

		json_array_foreach (list, at, one) {
			const char *own = json_string_value(json_object_get(one, "id")), *first;

			first = json_string_value(json_array_get(json_object_get(one, "names"), 0));
			if (own && first && !strcmp(own, id)) {
				name = strdup(first);
				break;
			}
		}
		json_decref(list);
	}
	return name;
}

static void take_labels(struct container *container, json_t *document)
{
	json_t *annotations = json_object_get(document, "annotations");

	add_labels(container, json_object_get(json_object_get(document, "Config"), "Labels"));
	for (size_t i = 0; i < ARRAY_SIZE(nested); i++) {
		const char *text = json_string_value(json_object_get(annotations, nested[i]));
		json_t *inner = text ? json_loads(text, 0, NULL) : NULL;

		add_labels(container, inner);
		json_decref(inner);
	}
	add_labels(container, annotations);
}

int container_read(int root_fd, const char *id, struct container *ret)
{
	json_t *document = document_of(root_fd, id), *environment;
	const char *name;

	if (!document)
		return -ENOENT;
	*ret = (struct container){};
	take_labels(ret, document);
	environment = json_object_get(json_object_get(document, "Config"), "Env");
	environment = environment ?: json_object_get(json_object_get(document, "process"), "env");
	ret->guard_variable = variable_of(environment, CONTAINER_GUARD_VARIABLE);
	ret->guard_label = label_of(ret, guard_labels);
	ret->pod = label_of(ret, pod_labels);
	ret->pod_namespace = label_of(ret, namespace_labels);
	name = json_string_value(json_object_get(document, "Name")); /* Docker's, after a slash */
	ret->name = label_of(ret, name_labels);
	if (!ret->name)
		ret->name = name ? strdup(name + strspn(name, "/")) : listed_name(root_fd, id);
	json_decref(document);
	return 0;
}

void container_clear(struct container *container)
{
	for (size_t i = 0; i < container->label_count; i++)
		free(container->labels[i]);
	free(container->labels);
	free(container->name);
	free(container->pod);
	free(container->pod_namespace);
	free(container->guard_variable);
	free(container->guard_label);
	*container = (struct container){};
}
