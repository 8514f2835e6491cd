// SPDX-License-Identifier: BSD-2-Clause
/*
 * How the owner of a container has declared that it is stopped. Podman's are real. For the others processes and
 * cgroups are, and what the runtime would have on disk is written by the test, in its place. Units of systemd are
 * tried where systemd runs: tests/vm/systemd-guest.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

#define LIMIT (192 * MIB)
#define STORAGE "/run/containers/storage/overlay-containers"

static char id[65], directory[sizeof(STORAGE) + 80];

/* A random one, as those of containers are. */
static void setup(void)
{
	unsigned char bytes[(sizeof(id) - 1) / 2];

	live_setup();
	live_check(!getentropy(bytes, sizeof(bytes)), "getentropy: %m");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	snprintf(directory, sizeof(directory), STORAGE "/%s", id);
}

/* Those above it go with it where this has made them. */
static void teardown(void)
{
	unlink(live_format("%s/userdata/config.json", directory));
	rmdir(live_format("%s/userdata", directory));
	rmdir(directory);
	rmdir(STORAGE);
	rmdir("/run/containers/storage");
	rmdir("/run/containers");
	live_teardown();
}

TestSuite(declared, .init = setup, .fini = teardown, .timeout = 600);

static void make_directories(const char *path)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
		live_check(!mkdir(live_format("%.*s", (int)(slash - path), path), 0755) ||
				   errno == EEXIST,
			   "mkdir %s: %m", path);
}

/* The cgroup of a container whose stop signal is that, and of a pod. */
static struct live_cgroup *container(const char *signal)
{
	const char *file = live_format("%s/userdata/config.json", directory);
	FILE *out;

	make_directories(file);
	out = fopen(file, "w");
	live_check(out, "%s: %m", file);
	fprintf(out,
		"{\"ociVersion\":\"1.0.2\",\"annotations\":{"
		"\"io.kubernetes.container.name\":\"till\",\"io.kubernetes.pod.name\":\"till-7f\","
		"\"io.kubernetes.pod.namespace\":\"shop\","
		"\"org.opencontainers.image.stopSignal\":\"%s\"}}",
		signal);
	fclose(out);
	return live_cgroup(NULL, live_format("slice:cri-containerd:%s", id), LIMIT);
}

/* declared: NULL: nothing is said to be. */
static void expect_stopped_by(struct live_process *guard, const struct live_cgroup *cgroup,
			      struct live_process *victim, int signal, const char *declared)
{
	json_t *verdict = live_event(guard, "verdict", victim->pid);

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_check(!live_kernel_events(cgroup).oom_kills, "the kernel killed it");
	live_expect_int(live_result(victim), "handler_signal", signal);
	live_expect_text(verdict, "verdict", "saved");
	if (declared)
		live_expect_text(verdict, "action.declared", declared);
	else
		live_check(json_is_null(live_member(verdict, "action.declared")),
			   "something was declared");
	live_expect_limit_back(cgroup, LIMIT);
}

/* --- Podman -------------------------------------------------------------------------------- */

/* No systemd, no network, and no limits of its own, which may not be raised everywhere. */
#define PODMAN_RUN                                                                            \
	live_program("podman"), "--cgroup-manager=cgroupfs", "--events-backend=none", "run",  \
		"--runtime=runc", "--network=none", "--ulimit=nofile=1024:1024",              \
		"--ulimit=nproc=1000:1000", "--log-driver=none", "--rm", "--stop-signal=INT", \
		"--memory=192m", "--rootfs"

/* A file system with the victim in it, which needs no library. */
static const char *victim_rootfs(void)
{
	static const char *const places[] = {"bin", "dev", "proc", "sys", "tmp"};
	const char *rootfs = live_path("rootfs");
	struct live_process *copy;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		make_directories(live_format("%s/%s/", rootfs, places[i]));
	copy = live_start(NULL, "/bin/cp", live_workload("victim"), live_format("%s/bin/", rootfs));
	live_wait_exit(copy);
	live_check(live_exit_code(copy) == 0, "cannot copy the victim");
	return rootfs;
}

/* What is left of its cgroups in each hierarchy, which it does not remove. */
static void remove_podmans_cgroups(void)
{
	live_wait_exit(live_start(NULL, "/bin/sh", "-c",
				  "find /sys/fs/cgroup -depth -path '*/libpod_parent*' -type d "
				  "-exec rmdir {} ';' 2>/dev/null; :"));
}

static void expect_stopped_by_podmans_signal(struct live_process *guard, const char *rootfs,
					     const char *rate)
{
	const char *result = live_format("%s/result", rootfs);
	struct live_process *container = live_start(NULL, PODMAN_RUN, rootfs, "/bin/victim",
						    "--handle-int", "--rate", rate, "--state",
						    "/state", "--result", "/result");
	json_t *verdict = live_event(guard, "verdict", 0);

	live_wait_exit(container);
	live_check(live_exit_code(container) == 0, "it ended with %d", live_exit_code(container));
	live_check(strstr(live_read(result), live_format("\"handler_signal\":%d,", SIGINT)),
		   "its signal: %s", live_read(result));
	live_expect_text(verdict, "verdict", "saved");
	live_expect_text(verdict, "action.declared", "container");
	live_check(!unlink(result), "%s: %m", result);
}

/* A root file system that it can run something in. */
static const char *need_podman(void)
{
	struct live_process *probe;
	const char *rootfs;

	if (!live_program("podman") || !live_program("runc"))
		live_skip("podman", "there is no podman, or no runc");
	rootfs = victim_rootfs();
	probe = live_start(NULL, PODMAN_RUN, rootfs, "/bin/victim", "--max", "1M");
	live_wait_exit(probe);
	remove_podmans_cgroups();
	if (live_exit_code(probe))
		live_skip("podman", "it cannot run a container here");
	return rootfs;
}

/* By its name, and by what its environment asks for. */
Test(declared, podman_containers_have_the_guard_that_is_for_them)
{
	static const char *const options[] = {"--name=apoptosis-shop",
					      "--env=APOPTOSIS_GUARD=patient"};
	const char *rootfs = need_podman();
	struct live_process *guard =
		live_daemon("[guard shop]\ncontainer = apoptosis-shop\nsignal = INT\n"
			    "[guard patient]\nselectable = yes\nsignal = INT\n");

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		size_t before = live_count_events(guard, "trip", 0);
		struct live_process *container =
			live_start(NULL, PODMAN_RUN, options[i], "--stop-signal=TERM", rootfs,
				   "/bin/victim", "--handle-int", "--rate", "50");

		live_wait_exit(container);
		while (live_count_events(guard, "trip", 0) == before)
			live_pump(live_deadline(), "its trip");
		live_expect_text(live_find_event(guard, "trip", 0, before), "action.signal", "INT");
	}
	live_stop(guard);
	remove_podmans_cgroups();
}

Test(declared, podman_containers_are_stopped_by_their_stop_signal)
{
	static const char *const rates[] = {"50", "0"};
	const char *rootfs = need_podman();
	struct live_process *guard;

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		guard = live_watch("--all");
		expect_stopped_by_podmans_signal(guard, rootfs, rates[i]);
		live_stop(guard);
	}
	remove_podmans_cgroups();
}

/* --- what others have on disk -------------------------------------------------------------- */

/* At the speed of a leak, and that of a spike. */
Test(declared, stop_signal_of_a_container_is_what_stops_it)
{
	static const char *const rates[] = {"100", "0"};
	struct live_cgroup *cgroup = container("2");

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct live_process *guard = live_watch_lending(cgroup);
		struct live_process *victim =
			live_victim(cgroup, "--handle-int", "--rate", rates[i]);

		expect_stopped_by(guard, cgroup, victim, SIGINT, "container");
		live_stop(guard);
	}
}

static const json_t *limit_of(const json_t *status, const struct live_cgroup *cgroup)
{
	const json_t *limits = live_member(status, "limits"), *limit;
	size_t i;

	json_array_foreach (limits, i, limit)
		if (!strcmp(json_string_value(live_member(limit, "cgroup")) ?: "", cgroup->rel))
			return limit;
	live_fatal("no limit of %s", cgroup->rel);
}

/* In the status, and in the metrics. */
Test(declared, container_and_pod_are_called_by_their_names)
{
	struct live_cgroup *cgroup = container("INT");
	const char *path = live_path("apoptosis.prom"), *text;
	struct live_process *guard = live_daemon(
		live_format("metrics-textfile = %s\n[guard shop]\npod = till-*\n", path));
	struct live_process *victim = live_victim(cgroup, "--handle-int", "--rate", "0");
	uint64_t deadline = live_deadline();
	const json_t *limit;

	expect_stopped_by(guard, cgroup, victim, SIGINT, "container");
	do {
		live_pump(deadline, "its names in the metrics");
		text = access(path, R_OK) < 0 ? "" : live_read(path);
	} while (!strstr(text,
			 live_format("apoptosis_guard_limit_bytes{cgroup=\"%s\",container=\"till\","
				     "guard=\"shop\",namespace=\"shop\",pod=\"till-7f\"} ",
				     cgroup->rel)));
	limit = limit_of(live_stop(guard), cgroup);
	live_expect_text(limit, "container", "till");
	live_expect_text(limit, "pod", "till-7f");
	live_expect_text(limit, "namespace", "shop");
}

/* `explain` says beforehand what is done. */
static void expect_explained(const struct live_process *victim)
{
	struct live_process *tool = live_tool_to_end((const char *const[]){
		"explain", live_format("%d", (int)victim->pid), "--json", NULL});
	json_t *answer = json_loads(tool->output[0], 0, NULL);

	live_check(answer, "no JSON: %s", tool->output[0]);
	live_expect_text(answer, "target.signal", "INT");
	live_expect_text(answer, "target.declared", "container");
	json_decref(answer);
}

/* It ran before the guard did, and has hardly grown since. */
Test(declared, stop_signal_of_one_that_ran_before_is_known)
{
	struct live_cgroup *cgroup = container("SIGINT");
	const struct live_spawn spec = {.cgroup = cgroup, .wants_stdin = true};
	struct live_process *victim = live_victim_argv(
		&spec, (const char *const[]){"--handle-int", "--rate", "0", "--wait-stdin", NULL});
	struct live_process *guard = live_watch_lending(cgroup);

	expect_explained(victim);
	live_release(victim);
	expect_stopped_by(guard, cgroup, victim, SIGINT, "container");
	live_stop(guard);
}

Test(declared, the_operator_comes_first)
{
	struct live_cgroup *cgroup = container("SIGINT");
	struct live_process *guard =
		live_watch("--airbag", "auto", "--signal", "TERM", "--cgroup", cgroup->rel);

	expect_stopped_by(guard, cgroup, live_victim(cgroup, "--handle-int", "--rate", "100"),
			  SIGTERM, NULL);
	live_stop(guard);
}

Test(declared, what_would_do_nothing_does_not_count)
{
	struct live_cgroup *cgroup = container("SIGUSR2");
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim = live_start(
		cgroup, "/bin/sh", "-c", "trap '' USR2; exec \"$0\" --rate 100 --state \"$1\"",
		live_workload("victim"), live_path("state"));

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_expect_text(live_event(guard, "verdict", victim->pid), "action.signal", "TERM");
	live_stop(guard);
}

/* It is for the main process: another one that grows is told as everybody is. */
Test(declared, a_child_of_the_main_process_is_told_as_everybody_is)
{
	struct live_cgroup *cgroup = container("SIGINT");
	struct live_process *guard = live_watch_lending(cgroup);
	const char *result = live_path("result");
	struct live_process *leader =
		live_start(cgroup, "/bin/sh", "-c",
			   "\"$0\" --handle-int --rate 100 --state \"$1\" --result \"$2\" & wait",
			   live_workload("victim"), live_path("state"), result);

	live_wait_exit(leader);
	live_check(strstr(live_read(result), live_format("\"handler_signal\":%d,", SIGTERM)),
		   "its signal: %s", live_read(result));
	live_stop(guard);
}
