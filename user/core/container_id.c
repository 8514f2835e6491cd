/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/container_id.h"

#include <stdbool.h>
#include <string.h>

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
