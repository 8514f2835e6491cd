/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This kernel's structures and tracepoints, one by one: a field that is read from the wrong place,
 * or a hook that is gone, fails here by name and not somewhere as a spike that was not caught.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "apoptosis/abi.h"
#include "base/parse.h"
#include "base/util.h"
#include "core/hooks.h"
#include "counting.skel.h"
#include "events.h"

TestSuite(kernel, .init = live_setup, .fini = live_teardown, .timeout = 300);

/* What doctor found out; belongs to the caller. */
static json_t *doctor(void)
{
	struct live_process *tool = live_tool("doctor", "--json");
	json_t *report = json_loads(tool->output[0] ? tool->output[0] : "", 0, NULL);

	live_check(report, "doctor did not print JSON");
	return report;
}

/* One of the report's; fails the test if it is not there. */
static const json_t *finding_of(const json_t *report, const char *name)
{
	json_t *finding;
	size_t i;

	json_array_foreach (json_object_get(report, "findings"), i, finding)
		if (strcmp(live_text(finding, "name"), name) == 0)
			return finding;
	live_fatal("doctor says nothing of %s", name);
}

static bool doctor_finds(const char *name)
{
	json_t *report = doctor();
	bool ok = live_bool(finding_of(report, name), "ok");

	json_decref(report);
	return ok;
}

/*
 * They do not where a field that they read is not there and nobody asked whether it is; nor where a
 * program has no row in core/hooks.c, or a row no program.
 */
Test(kernel, programs_load)
{
	json_t *report = doctor();
	const json_t *error = json_object_get(json_object_get(report, "machine"), "load_error");

	live_check(json_is_null(error), "the programs do not load: %s",
		   json_is_string(error) ? json_string_value(error) : "unknown");
	json_decref(report);
}

Test(kernel, every_tracepoint_is_there)
{
	json_t *report = doctor();

	for (size_t i = 0; i < hook_count; i++) {
		const json_t *finding = finding_of(report, hooks[i].point);

		if (hooks[i].probe != HOOK_FEXIT)
			live_check(live_bool(finding, "ok"), "tracepoint %s is not there: lost %s",
				   hooks[i].point, live_text(finding, "lost"));
	}
	json_decref(report);
}

/*
 * The table, what the kernel has attached and what the guard says of itself are the same; but for the growth
 * trigger, which comes and goes (test_arming.c), and may go while this looks.
 */
Test(kernel, each_hook_in_use_is_attached_once)
{
	struct live_process *guard = live_watch("--all");
	const json_t *ready = live_event(guard, "ready", 0);
	bool there[HOOKS_MAX] = {}, used[HOOKS_MAX];
	size_t tracepoints = 0, functions = 0, growths = 0, all;
	struct trigger_names triggers;
	json_t *report = doctor();

	for (size_t i = 0; i < hook_count; i++)
		there[i] = live_bool(finding_of(report, hooks[i].point), "ok");
	json_decref(report);
	hooks_choose(there, used);
	for (size_t i = 0; i < hook_count; i++) {
		size_t links;

		if (hooks[i].probe == HOOK_FEXIT) {
			functions += used[i];
			continue;
		}
		links = live_count_links(guard, live_format("tp_name:\t%s\n", hooks[i].point));
		if (hooks[i].number == APO_TRIGGER_GROWTH) {
			growths += used[i];
			live_check(links <= growths, "%zu links to %s", links, hooks[i].point);
			continue;
		}
		tracepoints += used[i];
		live_check(links == used[i], "%zu links to %s", links, hooks[i].point);
	}
	all = live_count_links(guard, "link_type:\traw_tracepoint\n");
	live_check(all >= tracepoints && all <= tracepoints + growths, "%zu links, and %zu hooks",
		   all, tracepoints + growths);
	live_check(live_count_links(guard, "link_type:\ttracing\n") == functions,
		   "fexit: %zu are in use", functions);
	hooks_triggers(used, &triggers);
	live_check(json_array_size(json_object_get(ready, "triggers")) == triggers.count,
		   "%zu triggers are in use", triggers.count);
	for (size_t i = 0; i < triggers.count; i++)
		live_expect_text(ready, live_format("triggers.%zu", i), triggers.names[i]);
	live_stop(guard);
}

/*
 * The verifier follows every way through a program, some in each order of its branches: one loop in
 * the wrong place makes it five times as many, and the tool's start as slow. Linux 6.1 with 12 CPUs needs most, 49,189.
 */
Test(kernel, programs_are_soon_verified)
{
	enum { INSTRUCTIONS_MAX = 52 * 1024 };
	struct live_process *guard = live_watch("--all", "--report-dir", live_path("reports"));
	const char *dir = live_format("/proc/%d/fdinfo", (int)guard->pid);
	DIR *fds = opendir(dir);
	const struct dirent *fd;
	size_t programs = 0;

	live_check(fds, "%s: %m", dir);
	while ((fd = readdir(fds))) {
		const char *info = live_read(live_format("%s/%s", dir, fd->d_name));
		uint64_t instructions;

		if (!parse_field(info, "prog_jited")) /* a map, a link */
			continue;
		if (parse_field_u64(info, "verified_insns", &instructions))
			live_skip("verified_insns",
				  "this kernel does not tell how much it verified");
		live_check(instructions <= INSTRUCTIONS_MAX,
			   "program %.20s took the verifier %" PRIu64 " instructions",
			   parse_field(info, "prog_id"), instructions);
		programs++;
	}
	closedir(fds);
	live_check(programs > 0, "the guard has no programs open");
	live_stop(guard);
}

/* While the kernel counts how long programs run. */
Test(kernel, what_programs_cost_is_in_the_status)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", 64 * MIB);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel), *victim;
	int counting = bpf_enable_stats(BPF_STATS_RUN_TIME);
	const json_t *status, *program;
	bool has_growth = false;
	size_t i;

	live_check(counting >= 0, "cannot have the kernel count: %m");
	victim = live_victim(cgroup, "--kind", "anon");
	live_expect_victim_saved(guard, victim, cgroup);
	status = live_stop(guard);
	close(counting);
	json_array_foreach (json_object_get(status, "programs"), i, program) {
		if (strcmp(live_text(program, "name"), "on_rss_stat") != 0)
			continue;
		has_growth = true;
		live_check(live_bool(program, "attached"), "it is not attached near the limit");
		live_check(live_int(program, "runs") > 200, "it ran %lld times",
			   (long long)live_int(program, "runs"));
		live_check(live_int(program, "ns") >= live_int(program, "runs"),
			   "it took less than a nanosecond a run");
	}
	live_check(has_growth, "the growth trigger is not in the status");
	live_check(json_real_value(json_object_get(status, "checks_per_s")) > 0, "no checks");
}

/* Differs from the file by what CPUs keep in stock, and what grows meanwhile. */
static void expect_near(const json_t *event, const char *member, uint64_t file_bytes)
{
	uint64_t bytes = live_int(event, member), slack = 4 * MIB;

	live_check(bytes + slack >= file_bytes && file_bytes + slack >= bytes,
		   "%s is %" PRIu64 ", the kernel's file says %" PRIu64, member, bytes, file_bytes);
}

/* Page cache beside anonymous memory, so that every part of the reading has something to show. */
Test(kernel, memory_of_a_cgroup_is_what_its_files_say)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "reading", 96 * MIB);
	const char *dir = live_disk_dir();
	struct live_process *guard, *reader, *victim;
	struct cgroup_memory memory;
	const json_t *trip;

	guard = live_watch("--dry-run", "--reserve", "32M", "--cgroup", cgroup->rel);
	reader = live_victim(cgroup, "--kind", "file-read", "--dir", dir, "--file-size", "24M",
			     "--max", "24M", "--hold"); /* its file is gone when it ends */
	live_wait_ready(reader);
	victim = live_victim(cgroup, "--max", "64M", "--hold");
	trip = live_event(guard, "trip", victim->pid);
	live_wait_ready(victim);
	memory = live_memory(cgroup);
	/* Beside the page cache there is room for this below the limit: nothing was reclaimed. */
	expect_near(trip, "memory.limit_bytes", memory.limit_bytes);
	expect_near(trip, "memory.usage_bytes", memory.usage_bytes);
	expect_near(trip, "memory.reclaimable_bytes", memory.file_bytes);
	live_check(memory.file_bytes > 16 * MIB, "only %" PRIu64 " bytes of page cache were left",
		   memory.file_bytes);
	live_signal(victim, SIGTERM);
	live_signal(reader, SIGTERM);
	live_wait_exit(victim);
	live_wait_exit(reader);
	live_stop(guard);
}

/* Never sleeps and has no mm counter that moves: seen at the charge itself, not at a tick. */
Test(kernel, charge_trigger_sees_tmpfs_writes)
{
	enum { ATTEMPTS = 5 }; /* now and then the timer ticks between a charge and its look */
	struct live_process *guard;
	const char *trigger = "";

	if (!doctor_finds("page_counter_try_charge"))
		live_skip("fexit", "this kernel allows no fexit programs");
	guard = live_watch("--all");
	for (int i = 0; i < ATTEMPTS && strcmp(trigger, "charge"); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "charge", 64 * MIB);
		const char *dir = live_tmpfs(256);
		struct live_process *victim = live_victim(cgroup, "--kind", "tmpfs", "--dir", dir);

		trigger = live_text(live_event(guard, "trip", victim->pid), "trigger");
		live_expect_victim_saved(guard, victim, cgroup);
	}
	live_check(strcmp(trigger, "charge") == 0, "the trigger is always '%s'", trigger);
	live_stop(guard);
}

/* --- counters ------------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* Attached, and counting what this thread does. */
static struct counting_bpf *counting_begin(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct counting_bpf *counting;
	int r;

	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* kernels before 5.11 count it for BPF */
	counting = counting_bpf__open_and_load();
	live_check(counting, "the counting programs do not load: %m");
	r = counting_bpf__attach(counting);
	live_check(r == 0, "the counting programs do not attach: %s", strerror(-r));
	r = bpf_prog_test_run_opts(bpf_program__fd(counting->progs.prepare), NULL);
	live_check(r == 0, "cannot run a program: %s", strerror(-r));
	return counting;
}

static uint64_t counted(struct counting_bpf *counting)
{
	const uint32_t stat = APO_STAT_CHECKS;
	int cpus = libbpf_num_possible_cpus();
	uint64_t values[APO_MAX_CPUS], sum = 0;
	int r;

	live_check(cpus > 0 && cpus <= APO_MAX_CPUS, "%d CPUs", cpus);
	r = bpf_map__lookup_elem(counting->maps.stats, &stat, sizeof(stat), values,
				 (size_t)cpus * sizeof(*values), 0);
	live_check(r == 0, "cannot read the counters: %s", strerror(-r));
	for (int cpu = 0; cpu < cpus; cpu++)
		sum += values[cpu];
	return sum;
}

/*
 * The tick's program interrupts any other on its CPU, also between the load and the store of an addition
 * that is not atomic. Everything is counted in this thread: when that stops it, none is under way.
 */
Test(kernel, counts_survive_interrupts)
{
	struct counting_bpf *counting = counting_begin();
	uint64_t expected, deadline = live_deadline(), ticks = live_bulk(1000);

	while (__atomic_load_n(&counting->bss->tick_runs, __ATOMIC_RELAXED) < ticks) {
		syscall(SYS_getppid);
		live_check(now_ns() < deadline, "only %" PRIu64 " of %" PRIu64 " ticks",
			   (uint64_t)counting->bss->tick_runs, ticks);
	}
	__atomic_store_n(&counting->bss->counted_pid, 0, __ATOMIC_SEQ_CST);
	expected = counting->bss->call_runs * counting->rodata->call_adds +
		   counting->bss->tick_runs * counting->rodata->tick_adds;
	live_check(counting->bss->call_runs > ticks, "hardly any calls were counted");
	live_check(counted(counting) == expected, "%" PRIu64 " of %" PRIu64 " were counted",
		   counted(counting), expected);
	counting_bpf__destroy(counting);
}
