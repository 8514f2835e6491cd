/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a daemon leaves behind when it is killed, and how the next one goes on: its programs stay in the kernel, by a
 * BPF file system, and signal by themselves until then. The same when it reads its configuration anew.
 */
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "events.h"

TestSuite(outlive, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (128 * MIB)

/* What one test has: the place where programs are kept, and the file that says what is guarded. */
struct world {
	const char *pins, *config;
};

static void say(const struct world *world, const char *text)
{
	FILE *file = fopen(world->config, "w");

	live_check(file &&
			   fprintf(file,
				   "[defaults]\nreport-dir = off\nhistory = off\njson = yes\n%s",
				   text) > 0 &&
			   fclose(file) == 0,
		   "%s: %m", world->config);
}

static struct world world_new(void)
{
	struct world world = {.pins = live_format("%s/apoptosis", live_bpffs()),
			      .config = live_path("apoptosis.conf")};

	say(&world, "");
	return world;
}

/* It is not ready yet. */
static struct live_process *begin(const struct world *world)
{
	const struct live_spawn spec = {.events = EVENTS_ON_STDOUT};

	return live_tool_argv(&spec,
			      (const char *const[]){"daemon", "-c", world->config, "--pin-dir",
						    world->pins, (const char *)NULL});
}

static struct live_process *start(const struct world *world)
{
	struct live_process *guard = begin(world);

	live_event(guard, "ready", 0);
	return guard;
}

/* As by a fault of its own, or the machine's OOM killer. */
static void kill_it(struct live_process *guard)
{
	live_signal(guard, SIGKILL);
	live_wait_exit(guard);
}

/* How many instances have left something. */
static unsigned int kept(const struct world *world)
{
	DIR *dir = opendir(world->pins);
	const struct dirent *entry;
	unsigned int count = 0;

	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static void expect_saved(struct live_process *victim, const struct live_cgroup *cgroup)
{
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_check(live_state_reason(victim->state), "its shutdown did not run to its end");
	live_expect_int(live_result(victim), "handler_count", 1);
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed by the kernel");
}

Test(outlive, killed_daemon_leaves_a_guard_and_the_next_one_tells_what_happened)
{
	struct world world = world_new();
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = start(&world), *victim;

	for (unsigned int i = 0; i < live_repeat(); i++) {
		kill_it(guard);
		live_check(kept(&world) == 1, "%u instances are kept", kept(&world));
		victim = live_victim(cgroup, "--rate", "200");
		expect_saved(victim, cgroup);
		guard = start(&world);
		live_expect_text(live_event(guard, "verdict", victim->pid), "verdict", "saved");
		live_check(kept(&world) == 1, "%u instances are kept", kept(&world));
		/* And it guards as ever. */
		victim = live_victim(cgroup, "--rate", "200");
		expect_saved(victim, cgroup);
		live_expect_text(live_event(guard, "verdict", victim->pid), "verdict", "saved");
		live_expect_limit_back(cgroup, LIMIT);
	}
	live_stop(guard);
	live_check(kept(&world) == 0, "%u instances are kept", kept(&world));
}

/* A cgroup that is made while no daemon runs. */
Test(outlive, cgroup_made_without_a_daemon_is_guarded)
{
	struct world world = world_new();
	struct live_process *guard = start(&world), *victim;
	struct live_cgroup *cgroup;

	kill_it(guard);
	cgroup = live_cgroup(NULL, "new", LIMIT);
	victim = live_victim(cgroup, "--rate", "500");
	expect_saved(victim, cgroup);
	guard = start(&world);
	live_expect_text(live_event(guard, "verdict", victim->pid), "verdict", "saved");
	live_stop(guard);
}

Test(outlive, who_shuts_down_is_not_signalled_again)
{
	struct world world = world_new();
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = start(&world), *victim;

	victim = live_victim(cgroup, "--rate", "200", "--shutdown-ms", "3000", "--shutdown-size",
			     "16M");
	live_event(guard, "trip", victim->pid);
	kill_it(guard);
	guard = start(&world);
	expect_saved(victim, cgroup);
	live_expect_text(live_event(guard, "verdict", victim->pid), "verdict", "saved");
	live_check(live_count_events(guard, "verdict", victim->pid) == 1, "not one verdict");
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
}

/* Signalled by the programs alone, and in the midst of its shutdown when the next daemon starts. */
Test(outlive, who_was_signalled_without_a_daemon_is_not_signalled_again)
{
	struct world world = world_new();
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = start(&world), *victim;

	kill_it(guard);
	victim = live_victim(cgroup, "--rate", "200", "--shutdown-ms", "4000", "--shutdown-size",
			     "8M");
	live_wait_shutdown(victim);
	guard = start(&world);
	expect_saved(victim, cgroup);
	live_expect_text(live_event(guard, "verdict", victim->pid), "verdict", "saved");
	live_stop(guard);
}

/* Again and again, beside spikes that come one after the other. */
Test(outlive, no_save_is_lost_to_a_daemon_that_is_killed_all_the_time)
{
	struct world world = world_new();
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = start(&world);

	for (unsigned int i = 0; i < live_bulk(40); i++) {
		struct live_process *victim =
			live_victim(cgroup, "--rate", "1000", "--mark", "64M");

		if (i % 2)
			live_wait_ready(victim); /* half way */
		kill_it(guard);
		guard = start(&world);
		expect_saved(victim, cgroup);
	}
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
	live_check(kept(&world) == 0, "%u instances are kept", kept(&world));
}

static void pause_ms(unsigned int ms)
{
	const struct timespec pause = {.tv_nsec = ms * (long)NSEC_PER_MSEC};

	nanosleep(&pause, NULL);
}

/* At any time of its start, which takes some hundred ms, beside some twenty spikes a second. */
Test(outlive, no_save_is_lost_to_a_daemon_that_is_killed_before_it_is_ready)
{
	enum { AT_ONCE = 4 };
	struct world world = world_new();
	struct live_process *guard = start(&world), *victims[AT_ONCE];
	struct live_cgroup *cgroups[AT_ONCE];

	for (unsigned int i = 0; i < AT_ONCE; i++)
		cgroups[i] = live_cgroup(NULL, "victim", LIMIT);
	for (unsigned int round = 0; round < live_bulk(24); round++) {
		for (unsigned int i = 0; i < AT_ONCE; i++)
			victims[i] = live_victim(cgroups[i], "--rate", i % 2 ? "0" : "1000");
		pause_ms(50 * (round % 8));
		kill_it(guard);
		guard = begin(&world);
		for (unsigned int i = 0; i < AT_ONCE; i++)
			expect_saved(victims[i], cgroups[i]);
	}
	kill_it(guard);
	guard = start(&world);
	live_check(kept(&world) == 1, "%u instances are kept", kept(&world));
	for (unsigned int i = 0; i < AT_ONCE; i++)
		live_expect_limit_back(cgroups[i], LIMIT);
	live_stop(guard);
	live_check(kept(&world) == 0, "%u instances are kept", kept(&world));
	live_check(!live_has_loans(), "a limit is on record as raised");
}

/* --- reading the configuration anew -------------------------------------------------------- */

static void reload(struct live_process *guard)
{
	size_t before = live_count_events(guard, "ready", 0);
	uint64_t deadline = live_deadline();

	live_signal(guard, SIGHUP);
	while (live_count_events(guard, "ready", 0) == before)
		live_pump(deadline, "it to be ready again");
}

static void expect_signal(struct live_process *guard, const struct live_cgroup *cgroup,
			  const char *signal)
{
	struct live_process *victim = live_victim(cgroup, "--rate", "200", "--handle-int");

	live_expect_text(live_event(guard, "trip", victim->pid), "action.signal", signal);
	expect_saved(victim, cgroup);
	live_expect_limit_back(cgroup, LIMIT);
}

Test(outlive, configuration_is_read_anew)
{
	struct world world = world_new();
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = start(&world);
	const char *const *signals = (const char *const[]){"TERM", "INT"};

	expect_signal(guard, cgroup, "TERM");
	for (unsigned int i = 1; i <= 2 * live_repeat(); i++) {
		say(&world, live_format("[guard victim]\ncgroup = *-victim\nsignal = %s\n",
					signals[i % 2]));
		reload(guard);
		live_check(kept(&world) == 1, "%u instances are kept", kept(&world));
		expect_signal(guard, cgroup, signals[i % 2]);
	}
	live_stop(guard);
}

Test(outlive, mistake_leaves_the_configuration_as_it_was)
{
	struct world world = world_new();
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = start(&world);

	say(&world, "[guard victim]\ncgroup = *-victim\nsignal = WHAT\n");
	live_signal(guard, SIGHUP);
	live_wait_output(guard, 1, "the configuration stays as it was");
	expect_signal(guard, cgroup, "TERM");
	live_check(live_count_events(guard, "ready", 0) == 1, "it started anew");
	live_stop(guard);
}

/* A spike in that moment, whenever in it. */
Test(outlive, no_save_is_lost_to_a_reload)
{
	struct world world = world_new();
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = start(&world);

	for (unsigned int i = 0; i < live_bulk(10); i++) {
		struct live_process *victim =
			live_victim(cgroup, "--rate", live_format("%u", 100 + 100 * (i % 8)));

		reload(guard);
		expect_saved(victim, cgroup);
		live_expect_text(live_event(guard, "verdict", victim->pid), "verdict", "saved");
		live_expect_limit_back(cgroup, LIMIT);
	}
	live_stop(guard);
}

/* --- what is left ----------------------------------------------------------------------------- */

Test(outlive, detach_all_leaves_nothing)
{
	struct world world = world_new();
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = start(&world), *victim;

	kill_it(guard);
	live_tool("daemon", "--detach-all", "--pin-dir", world.pins);
	live_check(kept(&world) == 0, "%u instances are kept", kept(&world));
	victim = live_victim(cgroup, "--rate", "500");
	live_wait_exit(victim);
	live_check(live_kernel_events(cgroup).oom_kills == 1, "it was guarded");
}

Test(outlive, second_daemon_is_refused)
{
	struct world world = world_new();
	struct live_process *guard = start(&world), *second;

	second = live_tool_argv(NULL, (const char *const[]){"daemon", "-c", world.config,
							    "--pin-dir", world.pins, NULL});
	live_wait_exit(second);
	live_check(live_exit_code(second) == 1, "it ended with %d", live_exit_code(second));
	live_wait_output(second, 1, "a daemon runs already");
	live_check(kept(&world) == 1, "%u instances are kept", kept(&world));
	live_stop(guard);
}

/* It guards all the same, and says what is not there. */
Test(outlive, without_a_bpf_file_system_it_says_what_that_means)
{
	struct world world = {.pins = live_path("no-bpffs"), .config = live_path("conf")};
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard;

	say(&world, "");
	guard = start(&world);
	live_wait_output(guard, 1, "it is in no BPF file system");
	expect_signal(guard, cgroup, "TERM");
	live_stop(guard);
}
