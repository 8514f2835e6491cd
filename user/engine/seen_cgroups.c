// SPDX-License-Identifier: BSD-2-Clause
#include "engine/seen_cgroups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEPT 4096 /* some 100 bytes each */

struct kept {
	uint64_t id;
	char *rel; /* NULL: free */
};

struct seen_cgroups {
	const struct cgroup_tree *tree;
	struct kept kept[KEPT];
	size_t next;
};

static struct kept *find(const struct seen_cgroups *seen, uint64_t id)
{
	for (size_t i = 0; i < KEPT; i++)
		if (seen->kept[i].id == id && seen->kept[i].rel)
			return (struct kept *)&seen->kept[i];
	return NULL;
}

void seen_cgroups_add(struct seen_cgroups *seen, uint64_t id)
{
	struct kept *kept = find(seen, id);
	char *rel;

	if (cgroup_path_of_id(seen->tree, id, &rel))
		return;
	if (!kept) {
		kept = &seen->kept[seen->next];
		seen->next = (seen->next + 1) % KEPT;
	}
	free(kept->rel);
	*kept = (struct kept){.id = id, .rel = rel};
}

int seen_cgroups_path(const struct seen_cgroups *seen, uint64_t id, char **ret_rel)
{
	int r = cgroup_path_of_id(seen->tree, id, ret_rel);
	const struct kept *kept = r ? find(seen, id) : NULL;

	if (!kept)
		return r;
	*ret_rel = strdup(kept->rel);
	return *ret_rel ? 0 : -ENOMEM;
}

struct seen_cgroups *seen_cgroups_new(const struct cgroup_tree *tree)
{
	struct seen_cgroups *seen = calloc(1, sizeof(*seen));

	if (seen)
		seen->tree = tree;
	return seen;
}

struct seen_cgroups *seen_cgroups_free(struct seen_cgroups *seen)
{
	if (!seen)
		return NULL;
	for (size_t i = 0; i < KEPT; i++)
		free(seen->kept[i].rel);
	free(seen);
	return NULL;
}
