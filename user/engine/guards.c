// SPDX-License-Identifier: BSD-2-Clause
#include "engine/guards.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "core/pod.h"
#include "engine/host_memory.h"
#include "engine/workloads.h"
#include "sense/cgroup_memory.h"
#include "sense/proc.h"
#include "source/rss.h"

/* What a guard is to the kernel side. */
struct resolved {
	char *rel;	    /* its cgroup, or the one of its process; NULL: everything */
	uint64_t cgroup_id; /* GUARD_CGROUP; 0: it is removed */
	pid_t host_pid;	    /* GUARD_PID: in the initial PID namespace */
	int pidfd;	    /* GUARD_PID; else -1 */
};

struct guards {
	struct guards_config config;
	struct policy_set *policies;
	struct config *configuration;		    /* what was configured; NULL: nothing was */
	struct workloads *workloads;		    /* that it looks at */
	struct resolved resolved[APO_MAX_POLICIES]; /* by id */
};

int guards_new(struct guards **ret, const struct guards_config *config)
{
	struct guards *guards = calloc(1, sizeof(*guards));

	if (!guards)
		return -ENOMEM;
	guards->config = *config;
	for (size_t i = 0; i < APO_MAX_POLICIES; i++)
		guards->resolved[i].pidfd = -1;
	guards->policies = policy_set_new(1);
	if (!guards->policies) {
		guards_free(guards);
		return -ENOMEM;
	}
	*ret = guards;
	return 0;
}

struct guards *guards_free(struct guards *guards)
{
	if (!guards)
		return NULL;
	for (size_t i = 0; i < APO_MAX_POLICIES; i++) {
		free(guards->resolved[i].rel);
		close_fd(guards->resolved[i].pidfd);
	}
	policy_set_free(guards->policies);
	if (guards->configuration)
		config_look_with(guards->configuration, NULL, NULL);
	workloads_free(guards->workloads);
	free(guards);
	return NULL;
}

/* --- checks -------------------------------------------------------------------------------- */

static int visit_limit(int dirfd, const char *path, void *userdata)
{
	const struct guards *guards = userdata;
	struct cgroup_memory memory;

	(void)path;
	return !cgroup_memory_read(guards->config.tree, dirfd, &memory) &&
	       (memory.limit_bytes != UINT64_MAX || memory.memsw_limit_bytes != UINT64_MAX);
}

/* As of a pod whose containers have them, or of what a runtime makes for its container. */
static bool has_limits_below(const struct guards *guards, const char *rel)
{
	_cleanup_close_ int dirfd = -1;

	return !cgroup_open(guards->config.tree, rel, &dirfd) &&
	       cgroup_walk(dirfd, visit_limit, (void *)guards) == 1;
}

/*
 * Refuses a cgroup without any limit, by the exit status without_limit, and a policy that does not fit the limit there
 * is.
 */
static int check_limit(const struct guards *guards, const struct policy *policy, const char *rel,
		       const char *what, int without_limit)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	_cleanup_free_ char *error = NULL;
	int r = cgroup_limit_binding(guards->config.tree, rel, &limit);

	if (r) {
		log_error("cannot read the memory limit of %s: %s", rel, strerror(-r));
		return EXIT_CANNOT;
	}
	if (!limit.cgroup && has_limits_below(guards, rel))
		return 0;
	if (!limit.cgroup) {
		log_error("%s has no memory limit, nor has any cgroup above or below it: set one "
			  "(memory.max, or memory.limit_in_bytes), or start the program with "
			  "apoptosis run --limit SIZE",
			  what);
		return without_limit;
	}
	if (policy_check_limit(policy, limit.limit_bytes, &error)) {
		log_error("%s", error ?: "out of memory");
		return EXIT_USAGE;
	}
	return 0;
}

/* Refuses a cgroup that nothing is charged to: the kernel side would never see it. */
static int check_charged(const struct guards *guards, const char *rel, const char *what)
{
	_cleanup_free_ char *charged = NULL;
	int r = cgroup_charged(guards->config.tree, rel, &charged);

	if (r) {
		log_error("cannot read the memory of %s: %s", what, strerror(-r));
		return EXIT_CANNOT;
	}
	if (strcmp(charged, rel) == 0)
		return 0;
	log_error("bad cgroup '%s': it has no memory controller, what runs in it is charged to %s: "
		  "give that, or the process with --pid",
		  what, charged);
	return EXIT_USAGE;
}

/* --- adding -------------------------------------------------------------------------------- */

/* Takes what was resolved, also when it fails. */
static int add(struct guards *guards, const struct policy *policy, const struct guard *guard,
	       struct resolved *resolved)
{
	int id = policy_set_add(guards->policies, policy, guard);

	if (id < 0) {
		log_error(id == -ENOSPC ? "too many guards: %d are possible"
					: "out of memory for a guard (of %d)",
			  APO_MAX_POLICIES);
		free(resolved->rel);
		close_fd(resolved->pidfd);
		return id == -ENOSPC ? EXIT_USAGE : EXIT_RUNTIME;
	}
	guards->resolved[id] = *resolved;
	return 0;
}

int guards_add_cgroup(struct guards *guards, const struct policy *policy, const char *path)
{
	const struct cgroup_tree *tree = guards->config.tree;
	_cleanup_free_ char *rel = NULL;
	_cleanup_close_ int dirfd = -1;
	struct guard guard = {.kind = GUARD_CGROUP};
	uint64_t id = 0;
	int r = cgroup_path_normalize(tree, path, &rel);

	if (r) {
		log_error("bad cgroup '%s': give a path below %s, like /a/b", path,
			  cgroup_tree_mount(tree));
		return EXIT_USAGE;
	}
	r = cgroup_open(tree, rel, &dirfd);
	if (!r)
		r = cgroup_id(dirfd, &id);
	if (r) {
		log_error("cannot open cgroup '%s': %s (looked below %s)", path, strerror(-r),
			  cgroup_tree_mount(tree));
		return EXIT_USAGE;
	}
	r = check_limit(guards, policy, rel, path, EXIT_USAGE) ?: check_charged(guards, rel, path);
	if (r)
		return r;
	guard.cgroup = rel;
	return add(guards, policy, &guard,
		   &(struct resolved){.cgroup_id = id, .pidfd = -1, .rel = TAKE_PTR(rel)});
}

struct pod_search {
	const char *uid;
	char *rel, *other; /* NULL: there is none */
};

static int visit_pod(int dirfd, const char *path, void *userdata)
{
	struct pod_search *search = userdata;
	char **found;

	(void)dirfd;
	if (!pod_is_at(path, search->uid))
		return 0;
	found = search->rel ? &search->other : &search->rel;
	*found = strdup(path);
	return !*found ? -ENOMEM : search->other ? 1 : 0;
}

/* Who has a part of the tree to himself can call a cgroup there as that of a pod. */
static int refuse_pod(const struct cgroup_tree *tree, const struct pod_search *search, int r)
{
	if (search->other)
		log_error(
			"cannot tell which cgroup is that of pod '%s': %s or %s: give one of them "
			"as --cgroup",
			search->uid, search->rel, search->other);
	else
		log_error(
			"cannot find pod '%s': %s below %s: give the pod's metadata.uid, and in a "
			"container mount /sys/fs/cgroup of the host",
			search->uid, r < 0 ? strerror(-r) : "it has no cgroup",
			cgroup_tree_mount(tree));
	return EXIT_USAGE;
}

int guards_add_pod(struct guards *guards, const struct policy *policy, const char *uid)
{
	const struct cgroup_tree *tree = guards->config.tree;
	struct pod_search search = {.uid = uid};
	_cleanup_close_ int dirfd = -1;
	int r = cgroup_open(tree, "/", &dirfd) ?: cgroup_walk(dirfd, visit_pod, &search);

	if (search.other || !search.rel)
		r = refuse_pod(tree, &search, r);
	else
		r = guards_add_cgroup(guards, policy, search.rel);
	free(search.rel);
	free(search.other);
	return r;
}

/* Whether the process can be guarded, and the cgroup it is in. */
static int check_pid(const struct guards *guards, const struct policy *policy, pid_t pid,
		     char **ret_rel)
{
	_cleanup_free_ char *rel = NULL;
	char what[32];
	int r = cgroup_path_of_pid(guards->config.tree, guards->config.proc_fd, pid, &rel);

	if (r == -ESRCH) {
		log_error("no process %d: give the pid of a running process", pid);
		return EXIT_USAGE;
	}
	if (r) {
		log_error("cannot tell the cgroup of process %d: %s", pid, strerror(-r));
		return EXIT_CANNOT;
	}
	if (pid == 1 && guards->config.initial_pid_ns) {
		log_error("process 1 is the machine's init, which is never signalled: give another "
			  "pid");
		return EXIT_USAGE;
	}
	if (proc_is_kernel_thread(guards->config.proc_fd, pid)) {
		log_error("process %d is a kernel thread: give the pid of a program", pid);
		return EXIT_USAGE;
	}
	snprintf(what, sizeof(what), "process %d", pid);
	r = check_limit(guards, policy, rel, what, EXIT_USAGE);
	if (!r)
		*ret_rel = TAKE_PTR(rel);
	return r;
}

int guards_add_pid(struct guards *guards, const struct policy *policy, pid_t pid)
{
	/* Opened first: the facts that are read below are this process's, or it has ended. */
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	_cleanup_free_ char *rel = NULL;
	struct apo_rss rss;
	int r = check_pid(guards, policy, pid, &rel);

	if (r)
		return r;
	r = rss_read(pid, guards->config.pid_ns, guards->config.cpu_ids, &rss);
	if (r == -ESRCH) {
		log_error("process %d has ended: give the pid of a running process", pid);
		return EXIT_USAGE;
	}
	if (r && !guards->config.may_look)
		return EXIT_CANNOT; /* logged by source_rss() */
	if (r)
		rss.tgid = 0;
	return add(guards, policy, &(const struct guard){.kind = GUARD_PID, .pid = pid},
		   &(struct resolved){
			   .host_pid = rss.tgid, .pidfd = TAKE_FD(pidfd), .rel = TAKE_PTR(rel)});
}

int guards_add_children(struct guards *guards, const struct policy *policy)
{
	_cleanup_free_ char *rel = NULL;
	int r = cgroup_path_of_pid(guards->config.tree, guards->config.proc_fd, getpid(), &rel);

	if (r) {
		log_error("cannot tell our own memory cgroup: %s", strerror(-r));
		return EXIT_CANNOT;
	}
	r = check_limit(guards, policy, rel, "the cgroup this command runs in", EXIT_CANNOT);
	if (r)
		return r;
	return add(guards, policy, &(const struct guard){.kind = GUARD_CHILDREN},
		   &(struct resolved){.pidfd = -1, .rel = TAKE_PTR(rel)});
}

int guards_add_all(struct guards *guards, const struct policy *policy)
{
	return add(guards, policy, &(const struct guard){.kind = GUARD_ALL},
		   &(struct resolved){.pidfd = -1});
}

int guards_add_config(struct guards *guards, struct config *config)
{
	size_t last = config_guards(config) - 1, host = config_host(config);
	int r = 0;

	guards->workloads = workloads_new(guards->config.tree);
	if (!guards->workloads) {
		log_error("out of memory for what runs in cgroups");
		return EXIT_RUNTIME;
	}
	guards->configuration = config;
	config_look_with(config, workloads_look, guards->workloads);
	policy_set_renumber(guards->policies, config_fingerprint(config));
	for (size_t i = 0; !r && i < last; i++)
		r = add(guards, &config_guard(config, i)->policy,
			&(const struct guard){
				.kind = GUARD_CONFIGURED, .config = config, .index = i},
			&(struct resolved){.pidfd = -1});
	if (!r)
		r = guards_add_all(guards, &config_guard(config, last)->policy);
	if (!r && host)
		r = add(guards, &config_guard(config, host)->policy,
			&(const struct guard){.kind = GUARD_HOST, .config = config, .index = host},
			&(struct resolved){.pidfd = -1});
	return r;
}

/* --- what there is ------------------------------------------------------------------------- */

const struct policy_set *guards_policies(const struct guards *guards)
{
	return guards->policies;
}

struct workloads *guards_workloads(const struct guards *guards)
{
	return guards->workloads;
}

const char *guards_cgroup(const struct guards *guards, uint32_t id)
{
	return guards->resolved[id].rel;
}

int guards_pidfd(const struct guards *guards, uint32_t id)
{
	return guards->resolved[id].pidfd;
}

void guards_lend_nothing(struct guards *guards)
{
	policy_set_lend_nothing(guards->policies);
}

/*
 * Others may fill a limit above what is guarded, or that of the cgroup that a guarded process is in. What
 * cannot be looked at is left out.
 */
static int apply_above(const struct guards *guards, uint32_t id, struct source *source)
{
	const struct cgroup_tree *tree = guards->config.tree;
	const char *rel = guards->resolved[id].rel;
	bool is_covered = policy_set_guard(guards->policies, id)->kind == GUARD_CGROUP;
	_cleanup_free_ char *path = rel ? strdup(rel) : NULL;
	int r = rel && !path ? -ENOMEM : 0;

	while (!r && path && *path && strcmp(path, "/") != 0) {
		_cleanup_close_ int dirfd = -1;
		uint64_t cgroup;

		if (!is_covered && !cgroup_open(tree, path, &dirfd) && !cgroup_id(dirfd, &cgroup))
			r = source_guard_above(source, cgroup, id);
		is_covered = false;
		*strrchr(path, '/') = '\0';
	}
	return r;
}

static int apply(const struct guards *guards, uint32_t id, struct source *source,
		 uint64_t page_bytes)
{
	const struct guard *guard = policy_set_guard(guards->policies, id);
	const struct resolved *resolved = &guards->resolved[id];
	struct apo_policy kernel;
	int r;

	policy_kernel(policy_set_policy(guards->policies, id), page_bytes, &kernel);
	r = source_set_policy(source, id, &kernel);
	if (!r)
		r = apply_above(guards, id, source);
	if (r)
		return r;
	switch (guard->kind) {
	case GUARD_ALL:
		return source_guard_all(source, id);
	case GUARD_CGROUP:
		return source_guard_cgroup(source, resolved->cgroup_id, id);
	case GUARD_PID:
		if (!source_is_looking(source) && !resolved->host_pid)
			return -ESRCH; /* it could not be found out */
		return source_guard_pid(
			source, source_is_looking(source) ? guard->pid : resolved->host_pid, id);
	case GUARD_CHILDREN:
		return source_guard_children(source, id);
	case GUARD_HOST:
		return host_memory_guard(source, id, guards->configuration, page_bytes);
	case GUARD_CONFIGURED:
		return 0; /* by cgroup, see apply_config() */
	}
	return -EINVAL;
}

/* --- guards of a configuration ------------------------------------------------------------- */

/* Its guards are the first policies, in their order. */
static uint32_t configured_policy(const struct guards *guards, size_t guard)
{
	return config_guard(guards->configuration, guard)->is_enabled ? (uint32_t)guard
								      : APO_POLICY_NONE;
}

/* If a guard is for it, and another one than for what is above it. */
static int apply_cgroup(const struct guards *guards, struct source *source, const char *rel,
			uint64_t id)
{
	const struct config *config = guards->configuration;
	_cleanup_free_ char *above = strdup(rel);
	size_t guard = config_find(config, rel), length;

	if (!above)
		return -ENOMEM;
	*strrchr(above, '/') = '\0';
	if (guard == config_guards(config) - 1 ||
	    config_covering(config, above, &length) == guard) {
		source_unguard_cgroup(source, id); /* its owner may have asked for another before */
		return 0;
	}
	return source_guard_cgroup(source, id, configured_policy(guards, guard));
}

struct walk {
	const struct guards *guards;
	struct source *source;
};

static int visit(int dirfd, const char *path, void *userdata)
{
	const struct walk *walk = userdata;
	uint64_t id;
	int r = cgroup_id(dirfd, &id);

	return r ?: apply_cgroup(walk->guards, walk->source, path, id);
}

/* First it is told of what is made from now on, so that nothing is missed in between. */
static int apply_config(const struct guards *guards, struct source *source)
{
	struct walk walk = {guards, source};
	_cleanup_close_ int dirfd = -1;
	int r = cgroup_open(guards->config.tree, "/", &dirfd);

	source_tell_cgroups(source);
	return r ?: cgroup_walk(dirfd, visit, &walk);
}

void guards_on_cgroup(const struct guards *guards, struct source *source, uint64_t id)
{
	_cleanup_free_ char *rel = NULL;
	int r = guards->configuration ? cgroup_path_of_id(guards->config.tree, id, &rel) : -ENOENT;

	if (!r)
		r = apply_cgroup(guards, source, rel, id);
	if (r && rel)
		log_warn("cgroup %s cannot be given its guard: %s: it has that of what is above it",
			 rel, strerror(-r));
}

/* --- all of them --------------------------------------------------------------------------- */

int guards_apply(const struct guards *guards, struct source *source, uint64_t page_bytes)
{
	int r = 0;

	for (uint32_t id = 0; !r && id < policy_set_count(guards->policies); id++)
		r = apply(guards, id, source, page_bytes);
	if (!r && guards->configuration)
		r = apply_config(guards, source);
	return r ?: source_set_generation(source, policy_set_generation(guards->policies));
}

/* --- cgroups that are removed and made anew ------------------------------------------------ */

bool guards_have_cgroup(const struct guards *guards)
{
	for (uint32_t id = 0; id < policy_set_count(guards->policies); id++)
		if (policy_set_guard(guards->policies, id)->kind == GUARD_CGROUP)
			return true;
	return false;
}

/* Each directory above a path that is there, from the mount on. */
static void each_dir_above(const struct cgroup_tree *tree, const char *rel,
			   void (*fn)(int dirfd, void *userdata), void *userdata)
{
	_cleanup_free_ char *path = strdup(rel);

	for (char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		_cleanup_close_ int dirfd = -1;

		*slash = '\0';
		if (cgroup_open(tree, path, &dirfd))
			return; /* what is below it cannot be there */
		fn(dirfd, userdata);
		*slash = '/';
	}
}

void guards_each_dir_above(const struct guards *guards, void (*fn)(int dirfd, void *userdata),
			   void *userdata)
{
	for (uint32_t id = 0; id < policy_set_count(guards->policies); id++)
		if (policy_set_guard(guards->policies, id)->kind == GUARD_CGROUP)
			each_dir_above(guards->config.tree, guards->resolved[id].rel, fn, userdata);
}

/* The cgroup that is at the path of a guard now; 0: none. False: that cannot be told. */
static bool find_again(const struct guards *guards, uint32_t id, uint64_t *ret)
{
	_cleanup_close_ int dirfd = -1;
	int r = cgroup_open(guards->config.tree, guards->resolved[id].rel, &dirfd);

	if (!r)
		r = cgroup_id(dirfd, ret);
	if (r == -ENOENT || r == -ENODEV) {
		*ret = 0;
		return true;
	}
	return !r;
}

/* The guard is that of another cgroup from now on, or of none. */
static int move_guard(struct guards *guards, uint32_t id, uint64_t cgroup, struct source *source)
{
	struct resolved *resolved = &guards->resolved[id];
	int r = 0;

	if (resolved->cgroup_id)
		source_unguard_cgroup(source, resolved->cgroup_id);
	resolved->cgroup_id = cgroup;
	if (cgroup)
		r = apply_above(guards, id, source) ?: source_guard_cgroup(source, cgroup, id);
	return r;
}

void guards_look_again(struct guards *guards, struct source *source)
{
	for (uint32_t id = 0; id < policy_set_count(guards->policies); id++) {
		const char *rel = guards->resolved[id].rel;
		uint64_t now;
		int r;

		if (policy_set_guard(guards->policies, id)->kind != GUARD_CGROUP ||
		    !find_again(guards, id, &now) || now == guards->resolved[id].cgroup_id)
			continue;
		r = move_guard(guards, id, now, source);
		if (r)
			log_warn("cgroup %s is made anew and cannot be guarded: %s", rel,
				 strerror(-r));
		else if (now)
			log_info("cgroup %s is made anew, and guarded again", rel);
		else
			log_info("cgroup %s is removed: it is guarded again when it is made anew",
				 rel);
	}
}

bool guards_is_gone(const struct guards *guards, uint32_t id)
{
	return policy_set_guard(guards->policies, id)->kind == GUARD_CGROUP &&
	       !guards->resolved[id].cgroup_id;
}
