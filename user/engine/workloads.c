// SPDX-License-Identifier: BSD-2-Clause
#include "engine/workloads.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "base/util.h"
#include "core/container_id.h"
#include "rescue/leader.h"
#include "sense/container.h"

#define KEPT 512 /* containers: as many as metrics are about */
#define KEPT_NS (60 * NSEC_PER_SEC)
#define NAME_ROOM 64

struct kept {
	char *id; /* NULL: free */
	uint64_t read_ns;
	struct workload workload;
};

struct workloads {
	const struct cgroup_tree *tree;
	int root_fd, proc_fd;
	struct kept kept[KEPT];
	size_t next;
};

struct workloads *workloads_new(const struct cgroup_tree *tree)
{
	struct workloads *workloads = calloc(1, sizeof(*workloads));

	if (!workloads)
		return NULL;
	workloads->tree = tree;
	workloads->root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	workloads->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return workloads->root_fd < 0 || workloads->proc_fd < 0 ? workloads_free(workloads)
								: workloads;
}

static void forget(struct kept *kept)
{
	free(kept->id);
	workload_clear(&kept->workload);
	*kept = (struct kept){};
}

struct workloads *workloads_free(struct workloads *workloads)
{
	if (!workloads)
		return NULL;
	for (size_t i = 0; i < KEPT; i++)
		forget(&workloads->kept[i]);
	close_fd(workloads->root_fd);
	close_fd(workloads->proc_fd);
	free(workloads);
	return NULL;
}

/* --- containers ---------------------------------------------------------------------------- */

/* Takes over what is in the container. */
static void take(struct container *container, struct workload *ret)
{
	*ret = (struct workload){
		.container = TAKE_PTR(container->name),
		.pod = TAKE_PTR(container->pod),
		.pod_namespace = TAKE_PTR(container->pod_namespace),
		.labels = TAKE_PTR(container->labels),
		.label_count = container->label_count,
	};
	container->label_count = 0;
	if (container->guard_variable) {
		ret->wish = TAKE_PTR(container->guard_variable);
		ret->wished = "environment variable " CONTAINER_GUARD_VARIABLE;
	} else if (container->guard_label) {
		ret->wish = TAKE_PTR(container->guard_label);
		ret->wished = "label " CONTAINER_GUARD_LABEL;
	}
}

static struct kept *find(struct workloads *workloads, const char *id)
{
	for (size_t i = 0; i < KEPT; i++)
		if (workloads->kept[i].id && !strcmp(workloads->kept[i].id, id))
			return &workloads->kept[i];
	return NULL;
}

/* Of one that no runtime has, or has not yet, nothing is kept: NULL. */
static const struct workload *look_at_container(struct workloads *workloads, const char *id)
{
	struct kept *kept = find(workloads, id);
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	struct container container;

	if (kept && now_ns - kept->read_ns >= KEPT_NS) {
		forget(kept);
		kept = NULL;
	}
	if (!kept) {
		if (container_read(workloads->root_fd, id, &container))
			return NULL;
		kept = &workloads->kept[workloads->next];
		workloads->next = (workloads->next + 1) % KEPT;
		forget(kept);
		take(&container, &kept->workload);
		container_clear(&container);
		kept->id = strdup(id);
		kept->read_ns = now_ns;
	}
	return &kept->workload;
}

/* --- cgroups ------------------------------------------------------------------------------- */

/* NULL: it asks for none. */
static char *asked_by_attribute(const struct cgroup_tree *tree, const char *cgroup)
{
	_cleanup_close_ int dirfd = -1;
	char name[NAME_ROOM];
	ssize_t length;

	if (cgroup_open(tree, cgroup, &dirfd))
		return NULL;
	length = fgetxattr(dirfd, WORKLOADS_ATTRIBUTE, name, sizeof(name) - 1);
	return length > 0 ? strndup(name, (size_t)length) : NULL;
}

/* The container that a cgroup is of. NULL: it is of none, or nothing is known of it. */
static const struct workload *container_of_cgroup(struct workloads *workloads, const char *cgroup)
{
	_cleanup_free_ char *id = NULL;

	return container_id_from_cgroup(cgroup, &id) ? NULL : look_at_container(workloads, id);
}

void workloads_names(struct workloads *workloads, const char *cgroup, struct workload *ret)
{
	const struct workload *known = workloads ? container_of_cgroup(workloads, cgroup) : NULL;
	struct workload names = {};

	*ret = names;
	if (!known)
		return;
	names.container = known->container;
	names.pod = known->pod;
	names.pod_namespace = known->pod_namespace;
	workload_copy(&names, ret);
}

static void look_at_declared(struct workloads *workloads, const char *cgroup, struct workload *ret)
{
	const struct workload *known = container_of_cgroup(workloads, cgroup);
	char *asked = asked_by_attribute(workloads->tree, cgroup);

	if (known)
		workload_copy(known, ret);
	if (asked) {
		free(ret->wish);
		ret->wish = asked;
		ret->wished = "attribute " WORKLOADS_ATTRIBUTE;
	}
}

static void look_at_process(const struct workloads *workloads, const char *cgroup,
			    struct workload *ret)
{
	_cleanup_proc_info_ struct proc_info *leader = NULL;
	char uid[16];

	if (leader_of_cgroup(workloads->tree, workloads->proc_fd, cgroup, &leader))
		return;
	snprintf(uid, sizeof(uid), "%u", leader->uid);
	ret->command = TAKE_PTR(leader->comm);
	ret->uid = strdup(uid);
}

void workloads_look(const char *cgroup, unsigned int parts, struct workload *ret, void *userdata)
{
	if (parts & WORKLOAD_DECLARED)
		look_at_declared(userdata, cgroup, ret);
	if (parts & WORKLOAD_PROCESS)
		look_at_process(userdata, cgroup, ret);
}
