/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real containers, made by crun: `run` as the entry point of one, `watch` as the sidecar of
 * another. The root file system holds this machine's own binaries and the libraries they need.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

#define LIMIT (128 * MIB)
#define MAX_CONTAINERS 24

static struct live_spawn crun_spec;
static const char *crun, *crun_root;
static const char *containers[MAX_CONTAINERS];
static size_t container_count;

#define run_crun(...) run_crun_argv((const char *const[]){__VA_ARGS__, NULL})

/* crun with the options every call needs. */
static struct live_process *start_crun(enum live_events events, const char *const args[])
{
	const char *argv[16] = {crun, "--root", crun_root, "--cgroup-manager=cgroupfs"};
	struct live_spawn spec = crun_spec;
	size_t n = 4;

	for (size_t i = 0; args[i]; i++)
		argv[n++] = args[i];
	argv[n] = NULL;
	spec.events = events;
	return live_spawn_argv(&spec, argv);
}

static struct live_process *run_crun_argv(const char *const args[])
{
	struct live_process *process = start_crun(EVENTS_NOWHERE, args);

	live_wait_exit(process);
	return process;
}

static void container_teardown(void)
{
	while (container_count > 0)
		run_crun("delete", "--force", containers[--container_count]);
	live_teardown();
}

TestSuite(image, .init = live_setup, .fini = container_teardown, .timeout = 300);
TestSuite(container, .init = live_setup, .fini = container_teardown, .timeout = 300);

static void make_dirs(const char *path)
{
	char *copy = live_format("%s", path);

	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(copy, 0755);
		*slash = '/';
	}
}

static void copy_file(const char *from, const char *to)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	ssize_t n;

	make_dirs(to);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	live_check(in >= 0 && out >= 0, "copy %s to %s: %m", from, to);
	while ((n = sendfile(out, in, NULL, 1 << 30)) > 0)
		;
	live_check(n == 0, "copy %s to %s: %m", from, to);
}

/* What ldd lists: "libc.so.6 => /lib/x.so (0x1)" and "/lib64/ld-linux.so.2 (0x1)". */
static void copy_libraries(const char *program, const char *rootfs)
{
	const char *ldd = live_program("ldd");
	struct live_process *process;

	if (!ldd)
		live_skip("container", "no ldd in $PATH");
	process = live_start(NULL, ldd, program);
	live_wait_exit(process);
	if (live_exit_code(process) != 0)
		return; /* a static program */
	for (char *line = strtok(process->output[0], "\n"); line; line = strtok(NULL, "\n")) {
		char *path = strchr(line, '/');

		if (!path)
			continue;
		path[strcspn(path, " ")] = '\0';
		copy_file(path, live_format("%s%s", rootfs, path));
	}
}

static const char *tool(void)
{
	const char *path = getenv("APOPTOSIS");

	return path ? path : "build/apoptosis";
}

static const char *make_rootfs(void)
{
	static const char *const dirs[] = {"proc", "sys", "dev", "tmp", "out"};
	const char *rootfs = live_path("rootfs");

	mkdir(rootfs, 0755);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		mkdir(live_format("%s/%s", rootfs, dirs[i]), 0755);
	copy_file(tool(), live_format("%s/bin/apoptosis", rootfs));
	copy_file(live_workload("victim"), live_format("%s/bin/victim", rootfs));
	copy_libraries(tool(), rootfs);
	return rootfs;
}

struct privileges {
	bool has_capabilities;	/* those of deploy/, */
	const char *but;	/* without this one; NULL: all */
	bool sees_host_cgroups; /* of the host */
	bool sees_host_pids;
};
#define NOTHING ((struct privileges){})
#define CAPABILITIES ((struct privileges){.has_capabilities = true})
#define SIDECAR               \
	((struct privileges){ \
		.has_capabilities = true, .sees_host_cgroups = true, .sees_host_pids = true})

/* Those of deploy/, as far as this machine has them to give. */
static json_t *capabilities(const char *but)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} wanted[] = {{"CAP_DAC_READ_SEARCH", 2}, {"CAP_KILL", 5},     {"CAP_SYS_PTRACE", 19},
		      {"CAP_SYS_RESOURCE", 24},	  {"CAP_PERFMON", 38}, {"CAP_BPF", 39}};
	const char *line = strstr(live_read("/proc/self/status"), "CapBnd:");
	uint64_t mask = line ? strtoull(line + strlen("CapBnd:"), NULL, 16) : 0;
	json_t *names = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (mask >> wanted[i].bit & 1 && (!but || strcmp(but, wanted[i].name) != 0))
			json_array_append_new(names, json_string(wanted[i].name));
	return json_pack("{s:O, s:O, s:o}", "bounding", names, "effective", names, "permitted",
			 names);
}

static json_t *mounts(const char *out, bool host_cgroups)
{
	json_t *list = json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s, s:[s, s, s, s]},"
				 " {s:s, s:s, s:s, s:[s, s]}]",
				 "destination", "/proc", "type", "proc", "source", "proc",
				 "destination", "/sys", "type", "sysfs", "source", "sysfs",
				 "options", "nosuid", "noexec", "nodev", "ro", "destination",
				 "/out", "type", "bind", "source", out, "options", "rbind", "rw");

	if (host_cgroups)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:[s, s]}", "destination",
						      "/sys/fs/cgroup", "type", "bind", "source",
						      "/sys/fs/cgroup", "options", "rbind", "ro"));
	else
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:[s]}", "destination",
						      "/sys/fs/cgroup", "type", "cgroup", "source",
						      "cgroup", "options", "ro"));
	return list;
}

struct container {
	const char *id; /* 64 hexadecimal digits */
	const char *cgroup;
	const char *bundle;
};

/* Writes the bundle. */
static struct container define(const char *rootfs, const char *out, struct privileges privileges,
			       const char *const args[])
{
	static unsigned int serial;
	struct container c = {.bundle = live_path("bundle")};
	json_t *config, *argv = json_array(),
			*namespaces = json_pack("[{s:s}, {s:s}]", "type", "mount", "type", "ipc");

	c.id = live_format("%056x%08x", (unsigned int)getpid(), serial++);
	/* One level, so that nothing is left when crun has removed it. */
	c.cgroup = live_format("/crio-%s.scope", c.id);
	for (size_t i = 0; args[i]; i++)
		json_array_append_new(argv, json_string(args[i]));
	if (!privileges.sees_host_pids)
		json_array_append_new(namespaces, json_pack("{s:s}", "type", "pid"));
	config = json_pack(
		"{s:s, s:{s:b, s:{s:i, s:i}, s:o, s:[s], s:s, s:o, s:b}, s:{s:s, s:b}, s:o,"
		" s:{s:s, s:{s:{s:I}}, s:o}}",
		"ociVersion", "1.0.0", "process", "terminal", 0, "user", "uid", 0, "gid", 0, "args",
		argv, "env", "PATH=/bin", "cwd", "/", "capabilities",
		privileges.has_capabilities ? capabilities(privileges.but) : json_object(),
		"noNewPrivileges", 1, "root", "path", rootfs, "readonly", 0, "mounts",
		mounts(out, privileges.sees_host_cgroups), "linux", "cgroupsPath", c.cgroup,
		"resources", "memory", "limit", (json_int_t)LIMIT, "namespaces", namespaces);
	live_check(config, "cannot build a config.json");
	mkdir(c.bundle, 0700);
	live_check(json_dump_file(config, live_format("%s/config.json", c.bundle),
				  JSON_INDENT(1)) == 0,
		   "cannot write a config.json");
	json_decref(config);
	live_check(container_count < MAX_CONTAINERS, "too many containers");
	containers[container_count++] = c.id;
	return c;
}

/* Finds out how crun works here, if it does. */
static const char *set_up_crun(void)
{
	const char *rootfs;
	struct container probe;
	struct live_process *process;

	crun = live_program("crun");
	if (!crun)
		live_skip("container", "no crun in $PATH");
	crun_root = live_path("crun");
	/* crun refuses a hybrid machine whose unified hierarchy has a controller, as this may be. */
	crun_spec.hide_unified = cgroup_tree_hybrid(live_tree()) &&
				 access("/sys/fs/cgroup/unified", F_OK) == 0;
	rootfs = make_rootfs();
	probe = define(rootfs, rootfs, CAPABILITIES,
		       (const char *const[]){"/bin/victim", "--noop", NULL});
	process = run_crun("run", "--bundle", probe.bundle, probe.id);
	if (live_exit_code(process) != 0)
		live_skip("container", "crun cannot run a container here: %s",
			  process->output[1] ? process->output[1] : "");
	return rootfs;
}

Test(container, run_as_the_entry_point)
{
	const char *rootfs = set_up_crun(), *out = live_path("out");
	struct live_process *process;
	struct container c;
	json_t *verdict;

	live_check(mkdir(out, 0700) == 0, "mkdir %s: %m", out);
	c = define(rootfs, out, CAPABILITIES,
		   (const char *const[]){"/bin/apoptosis", "run", "--json", "--", "/bin/victim",
					 "--rate", "400", "--state", "/out/state", NULL});
	process = start_crun(EVENTS_ON_STDERR,
			     (const char *const[]){"run", "--bundle", c.bundle, c.id, NULL});
	live_wait_exit(process);
	live_check(live_exit_code(process) == ENDED_BY_TRIP, "the container ended with %d",
		   live_exit_code(process));
	verdict = live_event(process, "verdict", 0);
	live_expect_text(verdict, "verdict", "saved");
	live_expect_text(verdict, "process.comm", "victim");
	live_expect_sane_trip(live_event(process, "trip", 0), LIMIT);
	/* What `run` says of itself is in the container's own numbers. */
	live_expect_int(live_event(process, "ready", 0), "pid", 1);
	live_expect_int(verdict, "process.ns_pid",
			live_int(live_event(process, "ready", 0), "child"));
	live_check(live_state_reason(live_format("%s/state", out)), "no whole state file");
}

/* It fails open, and is not as late as the kernel's OOM killer. */
Test(container, run_as_the_entry_point_without_any_privilege)
{
	static const char *const rates[] = {"100", "400"};
	const char *rootfs = set_up_crun();

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		const char *out = live_path("out");
		struct live_process *process;
		struct container c;

		live_check(mkdir(out, 0700) == 0, "mkdir %s: %m", out);
		c = define(rootfs, out, NOTHING,
			   (const char *const[]){"/bin/apoptosis", "run", "--reserve", "40%", "--",
						 "/bin/victim", "--rate", rates[i], "--state",
						 "/out/state", NULL});
		process = run_crun("run", "--bundle", c.bundle, c.id);
		live_check(live_exit_code(process) == ENDED_BY_TRIP, "the container ended with %d",
			   live_exit_code(process));
		live_check(live_state_reason(live_format("%s/state", out)), "no whole state file");
	}
}

static void create(const struct container *application)
{
	struct live_process *process =
		run_crun("create", "--bundle", application->bundle, application->id);

	live_check(live_exit_code(process) == 0, "crun create failed");
}

/* The sidecar, and then, when it guards, what was created. */
static struct live_process *start_beside(const struct container *application,
					 const struct container *sidecar)
{
	struct live_process *process, *guard;

	guard = start_crun(EVENTS_ON_STDOUT,
			   (const char *const[]){"run", "--bundle", sidecar->bundle, sidecar->id,
						 NULL});
	live_event(guard, "ready", 0);
	process = run_crun("start", application->id);
	live_check(live_exit_code(process) == 0, "crun start failed");
	return guard;
}

Test(container, watch_as_the_sidecar)
{
	const char *rootfs = set_up_crun(), *out = live_path("out");
	struct live_process *process, *guard;
	struct container application, sidecar;
	json_t *verdict;

	live_check(mkdir(out, 0700) == 0, "mkdir %s: %m", out);
	application = define(rootfs, out, CAPABILITIES,
			     (const char *const[]){"/bin/victim", "--rate", "400", "--state",
						   "/out/state", NULL});
	create(&application);
	sidecar = define(rootfs, out, SIDECAR,
			 (const char *const[]){"/bin/apoptosis", "watch", "--json", "--cgroup",
					       application.cgroup, NULL});
	guard = start_beside(&application, &sidecar);

	verdict = live_event(guard, "verdict", 0);
	live_expect_text(verdict, "verdict", "saved");
	live_expect_text(verdict, "process.comm", "victim");
	live_expect_text(verdict, "process.cgroup", application.cgroup);
	live_expect_text(verdict, "process.container_id", application.id);
	live_expect_int(verdict, "process.ns_pid", 1);
	live_expect_int(verdict, "exit.code", 0);
	live_check(live_state_reason(live_format("%s/state", out)), "no whole state file");
	process = run_crun("kill", sidecar.id, "TERM");
	live_check(live_exit_code(process) == 0, "crun kill failed");
	live_wait_exit(guard);
	live_check(live_exit_code(guard) == 0, "the sidecar ended with %d", live_exit_code(guard));
	live_check(live_find_event(guard, "status", 0, 0), "no status at the end");
}

/* An application that is started by hand, and a sidecar with those privileges; ends both. What the sidecar has said. */
static struct live_process *guard_by(const char *rootfs, struct privileges privileges,
				     const char **ret_out)
{
	const char *out = live_path("out");
	struct live_process *guard;
	struct container application, sidecar;

	live_check(mkdir(out, 0700) == 0, "mkdir %s: %m", out);
	application = define(rootfs, out, CAPABILITIES,
			     (const char *const[]){"/bin/victim", "--rate", "50", "--max", "512M",
						   "--state", "/out/state", NULL});
	create(&application);
	sidecar = define(rootfs, out, privileges,
			 (const char *const[]){"/bin/apoptosis", "watch", "--json", "--airbag",
					       "off", "--reserve", "40%", "--cgroup",
					       application.cgroup, NULL});
	guard = start_beside(&application, &sidecar);
	live_event(guard, "verdict", 0);
	run_crun("kill", sidecar.id, "TERM");
	live_wait_exit(guard);
	*ret_out = out;
	return guard;
}

/* Each that is missing is told in one line, and what is left guards. */
Test(container, sidecar_with_one_privilege_less)
{
	static const struct {
		const char *but;
		const char *trigger; /* that is still there */
		const char *says;
	} cases[] = {
		{"CAP_BPF", "look", "needs CAP_BPF and CAP_PERFMON"},
		{"CAP_PERFMON", "look", "needs CAP_BPF and CAP_PERFMON"},
		{"CAP_KILL", "growth", ""},
		{"CAP_SYS_PTRACE", "growth", ""},
		{"CAP_DAC_READ_SEARCH", "growth", ""},
		{"CAP_SYS_RESOURCE", "growth", ""},
	};
	const char *rootfs = set_up_crun();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct privileges privileges = SIDECAR;
		struct live_process *guard;
		const char *out;
		char *triggers;

		privileges.but = cases[i].but;
		guard = guard_by(rootfs, privileges, &out);
		triggers =
			json_dumps(json_object_get(live_event(guard, "ready", 0), "triggers"), 0);
		live_check(triggers && strstr(triggers, cases[i].trigger), "without %s: %s",
			   cases[i].but, triggers);
		free(triggers);
		live_check(strstr(guard->output[1], cases[i].says), "without %s: %s", cases[i].but,
			   guard->output[1]);
		live_check(live_state_reason(live_format("%s/state", out)),
			   "without %s: no whole state file", cases[i].but);
	}
}

/* In a PID namespace of its own the kernel side finds who grows all the same. */
Test(container, sidecar_that_sees_no_processes)
{
	const char *rootfs = set_up_crun(), *out;
	struct privileges privileges = SIDECAR;

	privileges.sees_host_pids = false;
	guard_by(rootfs, privileges, &out);
	live_check(live_state_reason(live_format("%s/state", out)), "no whole state file");
}

/* From the layout that `make image` makes, by another tool than the one that runs it; what is in there is all there is. */
Test(image, runs_from_its_layout)
{
	const char *image = getenv("APOPTOSIS_IMAGE"), *umoci = live_program("umoci"), *rootfs,
		   *out;
	struct live_process *process;
	struct container c;

	if (!umoci || !image)
		live_skip("image", "no umoci in $PATH, or no APOPTOSIS_IMAGE");
	set_up_crun();
	out = live_path("out");
	rootfs = live_path("image");
	live_check(mkdir(out, 0700) == 0, "mkdir %s: %m", out);
	copy_file(live_workload("victim"), live_format("%s/victim", out));
	process = live_start(NULL, umoci, "raw", "unpack", "--image", image, rootfs);
	live_wait_exit(process);
	live_check(live_exit_code(process) == 0, "%s is no image: %s", image, process->output[1]);
	live_check(access(live_format("%s/bin/sh", rootfs), F_OK) != 0, "there is a shell in it");
	mkdir(live_format("%s/out", rootfs), 0755);
	c = define(rootfs, out, CAPABILITIES,
		   (const char *const[]){"/usr/bin/apoptosis", "run", "--", "/out/victim", "--rate",
					 "400", "--state", "/out/state", NULL});
	process = run_crun("run", "--bundle", c.bundle, c.id);
	live_check(live_exit_code(process) == ENDED_BY_TRIP, "the container ended with %d",
		   live_exit_code(process));
	live_check(live_state_reason(live_format("%s/state", out)), "no whole state file");
}
