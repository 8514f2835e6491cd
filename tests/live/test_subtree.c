/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of the cgroup v2 tree: subtrees delegated to a user, cgroups that are not charged because
 * they are threaded or lack the controller, and cgroup namespaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(subtree, .init = live_setup_v2, .fini = live_teardown, .timeout = 600);

#define LIMIT (128 * MIB)
#define USAGE 2
#define CANNOT 3

static const char *path_of(const struct live_cgroup *cgroup)
{
	return live_format("%s%s", cgroup_tree_mount(live_tree()), cgroup->rel);
}

/* A cgroup below the parent without the memory controller: its memory is charged to the parent. */
static const char *plain_child(const struct live_cgroup *parent, const char *name)
{
	live_check(mkdirat(parent->fd, name, 0755) == 0, "mkdir %s below %s: %m", name,
		   parent->rel);
	return live_format("%s/%s", parent->rel, name);
}

/* Delegation: the domain belongs to a user, who makes a cgroup in it and moves there. */

#define USER 12345

static struct live_cgroup *delegated_domain(void)
{
	struct live_cgroup *domain = live_cgroup(NULL, "domain", LIMIT);
	const char *const files[] = {".", "cgroup.procs", "cgroup.subtree_control",
				     "cgroup.threads"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		live_check(fchownat(domain->fd, files[i], USER, USER, 0) == 0, "chown %s: %m",
			   files[i]);
	return domain;
}

/*
 * As the user, in DOMAIN/job. A user reaches neither the build nor the test's directory: a copy of
 * the victim is in the directory where it starts.
 */
static struct live_process *users_victim(const struct live_cgroup *domain, const char *how)
{
	const char *dir = live_path("home");
	const struct live_spawn spec = {.cgroup = domain, .user = USER, .directory = dir};
	struct live_process *victim;

	live_check(mkdir(dir, 0700) == 0, "mkdir %s: %m", dir);
	live_wait_exit(live_start(NULL, "/bin/sh", "-c", "cp \"$0\" \"$1\"/victim",
				  live_workload("victim"), dir));
	live_check(chown(dir, USER, USER) == 0 &&
			   chown(live_format("%s/victim", dir), USER, USER) == 0,
		   "chown %s: %m", dir);
	victim = live_spawn_argv(
		&spec,
		(const char *const[]){"/bin/sh", "-ec",
				      live_format("mkdir $0/job; echo $$ > $0/job/cgroup.procs;"
						  " echo +memory > $0/cgroup.subtree_control;"
						  " exec ./victim --state state --result result"
						  " --ready-fd 9 %s",
						  how),
				      path_of(domain), NULL});
	victim->state = live_format("%s/state", dir);
	victim->result = live_format("%s/result", dir);
	return victim;
}

Test(subtree, delegated_subtree)
{
	struct live_cgroup *domain = delegated_domain();
	struct live_process *guard = live_watch("--cgroup", domain->rel);
	struct live_process *victim = users_victim(domain, "--rate 200");
	json_t *verdict = live_expect_victim_saved(guard, victim, domain);

	live_expect_text(verdict, "memory.limit_cgroup", domain->rel);
	live_expect_text(verdict, "process.cgroup", live_format("%s/job", domain->rel));
	live_stop(guard);
}

/* Our own cgroup has processes, us: the new one is beside it, within the domain. */
Test(subtree, run_with_a_limit_in_a_delegated_subtree)
{
	struct live_cgroup *domain = delegated_domain();
	struct live_process *neighbour = users_victim(domain, "--max 4M --hold"), *run;
	const char *state = live_path("state"), *cgroup;
	struct live_spawn spec = {0};
	json_t *ready;
	int fd;

	live_wait_ready(neighbour);
	spec.cgroup = live_cgroup(domain, "ops", 0);
	run = live_run(&spec, "--limit", "64M", "--", live_workload("victim"), "--rate", "200",
		       "--state", state);
	ready = live_event(run, "ready", 0);
	cgroup = live_text(ready, "guard.cgroup");
	live_check(strstr(cgroup, live_format("%s/apoptosis-run-", domain->rel)) == cgroup,
		   "the cgroup is %s", cgroup);
	live_wait_exit(run);
	live_check(live_exit_code(run) == ENDED_BY_TRIP, "it ended with %d", live_exit_code(run));
	live_expect_sane_trip(live_event(run, "trip", (pid_t)live_int(ready, "child")), 64 * MIB);
	live_expect_saved(run, (pid_t)live_int(ready, "child"), state, domain);
	live_check(cgroup_open(live_tree(), cgroup, &fd) == -ENOENT, "cgroup %s is left", cgroup);
	live_expect_ended_as_told(neighbour);
}

/*
 * Cgroups without a memory controller of their own: threaded ones, which cannot have it, and plain
 * ones. What is in them is charged to the nearest ancestor that has it.
 */

static const char *threaded_child(const struct live_cgroup *domain)
{
	const char *rel = plain_child(domain, "threads");

	live_set(domain, "threads/cgroup.type", "threaded");
	return rel;
}

/* Two threads; the process's first one, which grows too, is moved to the threaded cgroup. */
static struct live_process *split_victim(const struct live_cgroup *domain)
{
	struct live_process *victim =
		live_victim(domain, "--threads", "2", "--rate", "100", "--mark", "16M");

	live_wait_ready(victim);
	live_set(domain, "threads/cgroup.threads", live_format("%d", (int)victim->pid));
	return victim;
}

Test(subtree, thread_in_a_threaded_cgroup)
{
	struct live_cgroup *domain = live_cgroup(NULL, "domain", LIMIT);
	struct live_process *guard, *victim;
	json_t *verdict;

	threaded_child(domain);
	guard = live_watch("--cgroup", domain->rel);
	victim = split_victim(domain);
	verdict = live_expect_victim_saved(guard, victim, domain);
	live_expect_text(verdict, "memory.limit_cgroup", domain->rel);
	live_expect_int(verdict, "process.cgroup_id", (json_int_t)domain->id);
	live_expect_sane_trip(live_event(guard, "trip", victim->pid), LIMIT);
	live_stop(guard);
}

/* The processes of a threaded cgroup are listed by its domain only. */
Test(subtree, all_of_a_threaded_domain)
{
	struct live_cgroup *domain = live_cgroup(NULL, "domain", LIMIT);
	struct live_process *guard, *idle, *victim;

	threaded_child(domain);
	guard = live_watch("--target", "all", "--cgroup", domain->rel);
	idle = live_victim(domain, "--max", "4M", "--hold");
	live_wait_ready(idle);
	live_set(domain, "threads/cgroup.procs", live_format("%d", (int)idle->pid));
	victim = split_victim(domain);
	live_expect_int(live_expect_victim_saved(guard, victim, domain), "target.signalled", 2);
	live_wait_exit(idle);
	live_expect_int(live_result(idle), "handler_count", 1);
	live_stop(guard);
}

/* Nothing is ever charged to it: a guard of it would watch nothing, and say nothing. */
static void expect_not_watched(const struct live_cgroup *domain, const char *rel)
{
	struct live_process *tool = live_tool("watch", "--cgroup", rel);

	live_check(live_exit_code(tool) == USAGE, "it ended with %d", live_exit_code(tool));
	live_check(tool->output[1] && strstr(tool->output[1], rel) &&
			   strstr(tool->output[1], domain->rel),
		   "it does not name both %s and %s: %s", rel, domain->rel,
		   tool->output[1] ? tool->output[1] : "");
}

Test(subtree, watch_of_a_cgroup_without_the_memory_controller)
{
	struct live_cgroup *plain = live_cgroup(NULL, "plain", LIMIT);
	struct live_cgroup *domain = live_cgroup(NULL, "domain", LIMIT);

	expect_not_watched(plain, plain_child(plain, "child"));
	expect_not_watched(domain, threaded_child(domain));
}

/* By its pid it can be watched wherever it is. */
Test(subtree, process_in_a_cgroup_without_the_memory_controller)
{
	struct live_cgroup *domain = live_cgroup(NULL, "domain", LIMIT);
	const struct live_spawn spec = {.cgroup = domain, .wants_stdin = true};
	struct live_process *guard, *victim;

	plain_child(domain, "child");
	victim = live_victim_argv(&spec,
				  (const char *const[]){"--wait-stdin", "--rate", "200", NULL});
	live_set(domain, "child/cgroup.procs", live_format("%d", (int)victim->pid));
	guard = live_watch("--pid", live_format("%d", (int)victim->pid));
	live_release(victim);
	live_expect_text(live_expect_victim_saved(guard, victim, domain), "memory.limit_cgroup",
			 domain->rel);
	live_stop(guard);
}

/* Cgroup namespaces: what is outside has no name, and the namespace's own cgroup is "/". */

/*
 * The tool as a container's manager would start it: in a leaf of the namespace's root, so that
 * the root can have other children.
 */
static struct live_process *tool_in_namespace(const struct live_cgroup *root,
					      enum live_events events, const char *const args[])
{
	const char *tool = getenv("APOPTOSIS"), *mount = cgroup_tree_mount(live_tree());
	const struct live_spawn spec = {.cgroup = root, .cgroup_namespace = true, .events = events};
	const char *argv[24] = {"/bin/sh", "-ec",
				"mkdir $0/tool; echo $$ > $0/tool/cgroup.procs; exec \"$@\"", mount,
				tool ? tool : "build/apoptosis"};
	struct live_process *process;
	size_t n = 5;

	for (size_t i = 0; args[i]; i++)
		argv[n++] = args[i];
	process = live_spawn_argv(&spec, argv);
	live_event(process, "ready", 0);
	return process;
}

Test(subtree, watch_of_the_root_of_a_cgroup_namespace)
{
	struct live_cgroup *root = live_cgroup(NULL, "container", LIMIT), *child;
	struct live_process *guard =
		tool_in_namespace(root, EVENTS_ON_STDOUT,
				  (const char *const[]){"watch", "--json", "--cgroup", "/", NULL});
	const json_t *ready = live_event(guard, "ready", 0);
	json_t *verdict;

	live_expect_text(ready, "guard.cgroup", "/");
	live_expect_text(ready, "guard.limit_cgroup", "/");
	live_expect_int(ready, "guard.limit_bytes", (json_int_t)LIMIT);
	child = live_cgroup(root, "child", 0);
	verdict = live_expect_victim_saved(guard, live_victim(child, "--rate", "200"), root);
	live_expect_text(verdict, "memory.limit_cgroup", "/");
	live_expect_text(verdict, "process.cgroup", strrchr(child->rel, '/'));
	live_expect_int(verdict, "kernel.oom_kills_after", 0);
	live_expect_text(json_array_get(json_object_get(live_stop(guard), "limits"), 0), "cgroup",
			 "/");
}

/* --all is the whole machine's: a cgroup outside is guarded too, and has no name here. */
Test(subtree, watch_of_all_in_a_cgroup_namespace)
{
	struct live_cgroup *root = live_cgroup(NULL, "container", 0);
	struct live_cgroup *outside = live_cgroup(NULL, "outside", 64 * MIB), *inside;
	struct live_process *guard = tool_in_namespace(
		root, EVENTS_ON_STDOUT, (const char *const[]){"watch", "--json", "--all", NULL});
	json_t *verdict;

	inside = live_cgroup(root, "inside", 64 * MIB);
	verdict = live_expect_victim_saved(guard, live_victim(inside, "--rate", "200"), inside);
	live_expect_text(verdict, "memory.limit_cgroup", strrchr(inside->rel, '/'));
	live_expect_text(verdict, "process.cgroup", strrchr(inside->rel, '/'));
	verdict = live_expect_victim_saved(guard, live_victim(outside, "--rate", "200"), outside);
	live_check(json_is_null(live_member(verdict, "memory.limit_cgroup")) &&
			   json_is_null(live_member(verdict, "process.cgroup")),
		   "a name for what is out of sight");
	live_expect_int(verdict, "process.cgroup_id", (json_int_t)outside->id);
	live_stop(guard);
}

Test(subtree, run_with_a_limit_in_a_cgroup_namespace)
{
	struct live_cgroup *root = live_cgroup(NULL, "container", LIMIT);
	const char *state = live_path("state"), *cgroup;
	struct live_process *run = tool_in_namespace(
		root, EVENTS_ON_STDERR,
		(const char *const[]){"run", "--json", "--limit", "64M", "--airbag", "off", "--",
				      live_workload("victim"), "--rate", "200", "--state", state,
				      NULL});
	json_t *ready = live_event(run, "ready", 0);
	pid_t child = (pid_t)live_int(ready, "child");
	json_t *verdict;
	int fd;

	cgroup = live_text(ready, "guard.cgroup");
	live_check(strncmp(cgroup, "/apoptosis-run-", 15) == 0, "the cgroup is %s", cgroup);
	live_wait_exit(run);
	live_check(live_exit_code(run) == ENDED_BY_TRIP, "it ended with %d", live_exit_code(run));
	verdict = live_expect_saved(run, child, state, root);
	live_expect_text(verdict, "process.cgroup", cgroup);
	live_expect_text(verdict, "memory.limit_cgroup", cgroup);
	live_expect_sane_trip(live_event(run, "trip", child), 64 * MIB);
	live_check(cgroup_open(live_tree(), live_format("%s%s", root->rel, cgroup), &fd) == -ENOENT,
		   "cgroup %s is left", cgroup);
}

/* Where `run` is alone in a cgroup that is its owner's it steps aside, and the limits above hold for the command, too. */
static void expect_below(const struct live_cgroup *root, bool cgroup_namespace)
{
	const struct live_spawn spec = {.cgroup = root, .cgroup_namespace = cgroup_namespace};
	const char *state = live_path("state"), *above = live_path("above");
	struct live_process *run;
	struct stat st;

	run = live_tool_argv(&spec,
			     (const char *const[]){"run", "--limit", "64M", "--", "/bin/sh", "-c",
						   "cat /proc/self/cgroup > \"$0\"; exec \"$@\"",
						   above, live_workload("victim"), "--rate", "200",
						   "--state", state, NULL});
	live_wait_exit(run);
	live_check(live_exit_code(run) == ENDED_BY_TRIP, "it ended with %d: %s",
		   live_exit_code(run), run->output[1]);
	live_check(live_state_reason(state) != NULL, "its shutdown did not run to its end");
	live_check(strstr(live_read(above), cgroup_namespace
						    ? "::/apoptosis-run-"
						    : live_format("%s/apoptosis-run-", root->rel)),
		   "it ran in %s", live_read(above));
	live_check(!strstr(run->output[1], "leaves cgroup"), "%s", run->output[1]);
	live_check(!*live_get(root, "cgroup.subtree_control") ||
			   !strcmp(live_get(root, "cgroup.subtree_control"), "\n"),
		   "a controller is left: %s", live_get(root, "cgroup.subtree_control"));
	live_check(fstat(root->fd, &st) == 0 && st.st_nlink == 2, "a cgroup is left");
}

Test(subtree, run_with_a_limit_alone_in_a_container)
{
	expect_below(live_cgroup(NULL, "container", LIMIT), true);
}

/* As systemd marks a unit with Delegate=. */
Test(subtree, run_with_a_limit_in_a_unit_that_is_delegated)
{
	struct live_cgroup *root = live_cgroup(NULL, "unit", LIMIT);

	live_check(fsetxattr(root->fd, "trusted.delegate", "1", 1, 0) == 0, "setxattr: %m");
	expect_below(root, false);
}

/* Nowhere to make a cgroup: the namespace's root, all that is in sight, has other processes as well. */
Test(subtree, run_with_a_limit_where_no_cgroup_can_be_made)
{
	struct live_cgroup *root = live_cgroup(NULL, "container", LIMIT);
	const struct live_spawn spec = {.cgroup = root, .cgroup_namespace = true};
	const char *result = live_path("result"), *said;
	struct stat st;
	struct live_process *other = live_victim(root, "--max", "1M", "--hold"), *run;

	live_wait_ready(other);
	run = live_tool_argv(&spec, (const char *const[]){"run", "--limit", "64M", "--",
							  live_workload("victim"), "--max", "1M",
							  "--result", result, NULL});

	live_wait_exit(run);
	said = run->output[1] ? run->output[1] : "";
	live_check(live_exit_code(run) == CANNOT, "it ended with %d", live_exit_code(run));
	live_check(strchr(said, '\n') && strchr(said, '\n')[1] == '\0', "not one line: '%s'", said);
	live_check(strstr(said, "it has processes"), "it does not say why: %s", said);
	live_check(access(result, F_OK) < 0, "the command was run");
	live_check(strcmp(live_get(root, "cgroup.subtree_control"), "\n") == 0 ||
			   !*live_get(root, "cgroup.subtree_control"),
		   "a controller was enabled: %s", live_get(root, "cgroup.subtree_control"));
	live_check(fstat(root->fd, &st) == 0 && st.st_nlink == 2, "a cgroup is left");
}
