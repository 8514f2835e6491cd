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

/* Takes over rel. */
static void keep(struct seen_cgroups *seen, uint64_t id, char *rel)
{
	struct kept *kept = find(seen, id);

	if (!kept) {
		kept = &seen->kept[seen->next];
		seen->next = (seen->next + 1) % KEPT;
	}
	free(kept->rel);
	*kept = (struct kept){.id = id, .rel = rel};
}

void seen_cgroups_add(struct seen_cgroups *seen, uint64_t id)
{
	char *rel;

	if (!cgroup_path_of_id(seen->tree, id, &rel))
		keep(seen, id, rel);
}

/* names: the lowest first, each ended by NUL. Returns "/a/b"; NULL: it is none, or no memory. */
static char *path_of_names(const char *names, size_t length)
{
	char *path = malloc(length + 2), *to = path;

	if (!path || (length && names[length - 1])) {
		free(path);
		return NULL;
	}
	for (size_t end = length; end > 0;) { /* behind a name with its NUL */
		size_t begin = end - 1;

		while (begin > 0 && names[begin - 1])
			begin--;
		*to++ = '/';
		to = stpcpy(to, names + begin);
		end = begin;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
	return path;
}

void seen_cgroups_take(struct seen_cgroups *seen, const struct apo_cgroup_path *path)
{
	char *rel = path->is_whole && path->length <= sizeof(path->names)
			    ? path_of_names(path->names, path->length)
			    : NULL;

	if (rel)
		keep(seen, path->cgroup, rel);
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
