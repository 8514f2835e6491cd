// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/pool.h"

#include <stdio.h>

#include "base/util.h"
#include "sense/proc.h"

#define GENERATIONS_MAX 16 /* from a worker up to its master */
#define CHILDREN_MAX 64

int pool_look_at(int proc_fd, pid_t pid, struct pool_look *ret)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;
	int r = proc_info_read(proc_fd, pid, &info);

	if (r)
		return r;
	*ret = (struct pool_look){.parent = info->ppid};
	snprintf(ret->comm, sizeof(ret->comm), "%s", info->comm);
	return 0;
}

const struct profile *pool_profile(const struct pool_view *view, pid_t pid, const char *arguments,
				   const struct profile **ret_other)
{
	struct pool_look self, parent;
	struct profile_subject subject = {.arguments = arguments};
	const struct profile *profile;
	size_t next;

	if (ret_other)
		*ret_other = NULL;
	if (!view->profiles || view->look(pid, &self, view->userdata) ||
	    !profiles_know(view->profiles, self.comm))
		return NULL;
	subject.comm = self.comm;
	if (self.parent && !view->look(self.parent, &parent, view->userdata))
		subject.parent_comm = parent.comm;
	profile = profiles_find(view->profiles, &subject, 0, &next);
	if (profile && ret_other)
		*ret_other = profiles_find(view->profiles, &subject, next, NULL);
	return profile;
}

static pid_t find_master(const struct pool_view *view, pid_t pid, const struct profile *profile)
{
	struct pool_look look;
	pid_t master = 0;

	if (view->look(pid, &look, view->userdata))
		return 0;
	for (int i = 0; i < GENERATIONS_MAX && look.parent; i++) {
		pid_t parent = look.parent;

		if (view->look(parent, &look, view->userdata) ||
		    !profile_is_for(profile, look.comm))
			break;
		master = parent;
	}
	return master;
}

static pid_t find_child(const struct pool_view *view, pid_t pid, const struct profile *profile)
{
	pid_t children[CHILDREN_MAX];
	size_t n = view->children(pid, children, ARRAY_SIZE(children), view->userdata);
	struct pool_look look;

	while (n--)
		if (!view->look(children[n], &look, view->userdata) &&
		    profile_is_for(profile, look.comm))
			return children[n];
	return 0;
}

pid_t pool_other(const struct pool_view *view, pid_t pid, const struct profile *profile)
{
	switch (profile->target) {
	case PROFILE_TO_MASTER:
		return find_master(view, pid, profile);
	case PROFILE_TO_CHILD:
		return find_child(view, pid, profile);
	case PROFILE_SELF:
		break;
	}
	return 0;
}
