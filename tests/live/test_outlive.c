/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a daemon leaves behind when it is killed, and how the next one goes on: its programs stay in the kernel, by a
 * BPF file system, and signal by themselves until then. The same when it reads its configuration anew.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
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
	live_write_config(world->config, text);
}

static struct world world_new(void)
{
	struct world world = {.pins = live_format("%s/apoptosis", live_bpffs()),
			      .config = live_path("apoptosis.conf")};

	say(&world, "");
	return world;
}

static const char *const *daemon_arguments(const struct world *world)
{
	static const char *arguments[6] = {"daemon", "-c", NULL, "--pin-dir", NULL, NULL};

	arguments[2] = world->config;
	arguments[4] = world->pins;
	return arguments;
}

/* It is not ready yet. */
static struct live_process *begin(const struct world *world)
{
	const struct live_spawn spec = {.events = EVENTS_ON_STDOUT};

	return live_tool_argv(&spec, daemon_arguments(world));
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

/* --- reading the configuration anew -------------------------------------------------------- */

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
		live_reload(guard);
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

		live_reload(guard);
		expect_saved(victim, cgroup);
		live_expect_text(live_event(guard, "verdict", victim->pid), "verdict", "saved");
		live_expect_limit_back(cgroup, LIMIT);
	}
	live_stop(guard);
}

/* --- storms -------------------------------------------------------------------------------- */

#define SPIKE_MS 50
#define STRIKE_SPIKES 4

/*
 * Twenty spikes a second, as long as a cgroup is free for one, and every 200 ms something that is done to the daemon,
 * whether it is ready by then or not. APO_REPEAT=15 makes a minute of it.
 */
struct storm {
	struct world world;
	struct cell {
		struct live_cgroup *cgroup;
		struct live_process *victim; /* NULL: it is free */
	} cells[6];
	struct live_process *guard;
	void (*strike)(struct storm *storm, unsigned int round);
	const char *program; /* that is replaced */
	unsigned int spikes;
};

static void reap(struct storm *storm, bool wait)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(storm->cells); i++) {
		struct cell *cell = &storm->cells[i];

		if (!cell->victim || (!cell->victim->exited && !wait))
			continue;
		expect_saved(cell->victim, cell->cgroup);
		live_forget(cell->victim);
		cell->victim = NULL;
	}
}

static void spike(struct storm *storm)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(storm->cells); i++) {
		struct cell *cell = &storm->cells[i];

		if (cell->victim)
			continue;
		cell->victim =
			live_victim(cell->cgroup, "--rate", storm->spikes++ % 2 ? "0" : "1000");
		return;
	}
}

static void wait_until(uint64_t then_ns)
{
	uint64_t deadline = live_deadline();

	while (clock_ns(CLOCK_MONOTONIC) < then_ns)
		live_pump(deadline, "the next spike");
}

static void weather(struct storm *storm)
{
	unsigned int spikes = live_bulk(20) * STRIKE_SPIKES * live_repeat();
	uint64_t begin_ns = clock_ns(CLOCK_MONOTONIC);

	for (unsigned int i = 0; i < ARRAY_SIZE(storm->cells); i++)
		storm->cells[i].cgroup = live_cgroup(NULL, "victim", LIMIT);
	for (unsigned int i = 0; i < spikes; i++) {
		wait_until(begin_ns + i * SPIKE_MS * NSEC_PER_MSEC);
		reap(storm, false);
		spike(storm);
		if (i % STRIKE_SPIKES == 0)
			storm->strike(storm, i / STRIKE_SPIKES);
	}
	reap(storm, true);
	live_check(storm->spikes, "no spike");
	fprintf(stderr, "live: a storm of %u spikes and %u strikes in %.1f s\n", storm->spikes,
		spikes / STRIKE_SPIKES,
		(double)(clock_ns(CLOCK_MONOTONIC) - begin_ns) / NSEC_PER_SEC);
}

/* It goes on and answers, the limits are as they were, and it leaves nothing. */
static void expect_calm(struct storm *storm)
{
	const struct world *world = &storm->world;
	uint64_t deadline = live_deadline();

	live_reload(storm->guard);
	while (kept(world) != 1)
		live_pump(deadline, "what others have left to be removed");
	for (unsigned int i = 0; i < ARRAY_SIZE(storm->cells); i++)
		live_expect_limit_back(storm->cells[i].cgroup, LIMIT);
	live_stop(storm->guard);
	live_check(kept(world) == 0, "%u instances are kept", kept(world));
	live_check(!live_has_loans(), "a limit is on record as raised");
}

/* Which is at any time of its start, too: that takes some hundred ms. */
static void strike_kill(struct storm *storm, unsigned int round)
{
	(void)round;
	kill_it(storm->guard);
	live_forget(storm->guard);
	storm->guard = begin(&storm->world);
}

Test(outlive, no_save_is_lost_to_kills_at_any_time)
{
	struct storm storm = {.world = world_new(), .strike = strike_kill};

	storm.guard = start(&storm.world);
	weather(&storm);
	live_event(storm.guard, "ready", 0);
	expect_calm(&storm);
}

static void strike_reload(struct storm *storm, unsigned int round)
{
	(void)round;
	live_signal(storm->guard, SIGHUP);
}

Test(outlive, no_save_is_lost_to_reloads_at_any_time)
{
	struct storm storm = {.world = world_new(), .strike = strike_reload};

	storm.guard = start(&storm.world);
	weather(&storm);
	expect_calm(&storm);
}

/* In one step, as package managers do it. */
static void replace(const char *program, const char *by)
{
	struct live_process *copy =
		live_start(NULL, live_program("cp"), by, live_format("%s.new", program));

	live_wait_exit(copy);
	live_check(live_exit_code(copy) == 0 && !rename(live_format("%s.new", program), program),
		   "%s: %m", program);
	live_forget(copy);
}

static void strike_upgrade(struct storm *storm, unsigned int round)
{
	replace(storm->program, round % 2 ? getenv("APOPTOSIS") : live_beside("next"));
	live_signal(storm->guard, SIGHUP);
}

static const char *last_version(struct live_process *guard)
{
	size_t count = live_count_events(guard, "ready", 0);

	return live_text(live_find_event(guard, "ready", 0, count - 1), "version");
}

/* Back and forth between two builds, what one has pinned being nothing to the other. */
Test(outlive, no_save_is_lost_to_upgrades_at_any_time)
{
	const struct live_spawn spec = {.events = EVENTS_ON_STDOUT};
	const char *argv[8] = {live_path("apoptosis")};
	struct storm storm = {.world = world_new(), .strike = strike_upgrade, .program = argv[0]};
	uint64_t deadline;

	memcpy(argv + 1, daemon_arguments(&storm.world), 6 * sizeof(*argv));
	replace(storm.program, getenv("APOPTOSIS"));
	storm.guard = live_spawn_argv(&spec, argv);
	live_event(storm.guard, "ready", 0);
	weather(&storm);
	deadline = live_deadline();
	replace(storm.program, live_beside("next"));
	live_signal(storm.guard, SIGHUP);
	/* An instance that a strike has started may be ready only now. */
	while (strcmp(last_version(storm.guard), "next") != 0)
		live_pump(deadline, "the next version to be ready");
	expect_calm(&storm);
}

/* --- what is left ----------------------------------------------------------------------------- */

/* Programs, and a limit that stood raised. */
Test(outlive, detach_all_leaves_nothing)
{
	struct world world = world_new();
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_cgroup *raised = live_cgroup(NULL, "raised", LIMIT);
	struct live_process *guard = start(&world), *victim, *borrower;
	uint64_t deadline = live_deadline();

	borrower = live_borrower(raised, LIMIT);
	while (live_limit(raised) == LIMIT)
		live_pump(deadline, "the limit to be raised");
	kill_it(guard);
	live_check(live_limit(raised) > LIMIT && live_has_loans(), "it is put back already");
	live_tool("daemon", "--detach-all", "--pin-dir", world.pins);
	live_check(kept(&world) == 0, "%u instances are kept", kept(&world));
	live_check(live_limit(raised) == LIMIT && !live_has_loans(), "the limit stays raised");
	live_expect_ended_as_told(borrower);
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
