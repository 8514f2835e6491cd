/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/handover.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "unit/fixture.h"

#define NAME "trip-000000000000ab12"

static int proc_fd;

static void setup(void)
{
	fixture_make();
	setenv("RUNTIME_DIRECTORY", fixture_path(), 1);
	proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void teardown(void)
{
	close(proc_fd);
	fixture_remove();
}

TestSuite(handover, .init = setup, .fini = teardown);

static struct incident open_trip(void)
{
	return (struct incident){
		.id = 0xab12,
		.realtime_ns = 5,
		.trigger = APO_TRIGGER_CHARGE,
		.rule = APO_RULE_FORECAST,
		.level = 2,
		.grower = {.pid = 7,
			   .ns_pid = 3,
			   .comm = "a b\n\xff",
			   .cgroup_id = 11,
			   .start_boottime_ns = 12,
			   .disposition = APO_DISP_HANDLED},
		.target = {.pid = 8,
			   .ns_pid = 4,
			   .comm = "exactly15 bytes",
			   .cgroup_id = 13,
			   .start_boottime_ns = 14,
			   .disposition = APO_DISP_BLOCKED},
		.target_policy = APO_TARGET_LEADER,
		.targets_signalled = 1,
		.limit_bytes = 100,
		.need_bytes = 90,
		.reserve_bytes = 20,
		.headroom_bytes = -10,
		.least_headroom_bytes = INT64_MIN,
		.forecast_ns = APO_UNLIMITED,
		.rss_bytes = {1, 2, 3, 4},
		.wanted_signal = SIGTERM,
		.signal = SIGINT,
		.action = APO_ACT_SENT_RESPONDER,
		.error = -EPERM,
		.grace_ns = 77,
		.crossed_ns = 0xab12,
		.signal_ns = 21,
		.generated_ns = 22,
		.delivered_ns = 23,
		.before = {.known = true, .oom_kills = 31, .at_limit = 32, .at_high = 33},
	};
}

static struct handover *handover(void)
{
	struct handover *handover = NULL;

	cr_assert_eq(handover_new(&handover, proc_fd), 0);
	return handover;
}

static void write_trip(const struct incident *trip)
{
	struct incident incident = *trip;
	const struct handover_entry entry = {
		.incident = &incident, .limit_cgroup = 41, .target_pid = 42};
	struct handover *ours = handover();

	handover_write(ours, &entry);
	handover_free(ours);
}

/* As an instance does that is gone by now. */
static void write_and_die(const struct incident *trip)
{
	pid_t pid = fork();

	if (pid == 0) {
		write_trip(trip);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

struct taken {
	struct incident *incident;
	uint64_t limit_cgroup, target_pid;
	size_t count;
};

static void keep(const struct handover_entry *entry, void *userdata)
{
	struct taken *taken = userdata;

	incident_free(taken->incident);
	taken->incident = entry->incident;
	taken->limit_cgroup = entry->limit_cgroup;
	taken->target_pid = entry->target_pid;
	taken->count++;
}

static struct taken take_all(void)
{
	struct handover *ours = handover();
	struct taken taken = {.count = 0};

	handover_take(ours, keep, &taken);
	handover_free(ours);
	return taken;
}

static bool is_there(const char *name)
{
	return faccessat(fixture_root(), name, F_OK, 0) == 0;
}

Test(handover, what_an_instance_left_that_is_gone_is_taken_over_whole)
{
	struct incident trip = open_trip(), *found;
	struct taken taken;

	write_and_die(&trip);
	cr_expect(is_there(NAME));
	taken = take_all();
	cr_assert_eq(taken.count, 1);
	cr_expect_not(is_there(NAME), "another one would take it over too");
	cr_expect_eq(taken.limit_cgroup, 41);
	cr_expect_eq(taken.target_pid, 42);
	found = taken.incident;
	cr_expect_str_eq(found->grower.comm, trip.grower.comm);
	cr_expect_str_eq(found->target.comm, trip.target.comm);
	cr_expect_null(found->grower.cmdline);
	cr_expect_eq(found->exit.code, -1);
	cr_expect_eq(found->grower.pid, 7);
	cr_expect_eq(found->grower.start_boottime_ns, 12);
	cr_expect_eq(found->target.cgroup_id, 13);
	cr_expect_eq(found->target.disposition, APO_DISP_BLOCKED);
	cr_expect_eq(found->headroom_bytes, -10);
	cr_expect_eq(found->least_headroom_bytes, INT64_MIN);
	cr_expect_eq(found->forecast_ns, APO_UNLIMITED);
	cr_expect_eq(found->rss_bytes[APO_SHMEM], 4);
	cr_expect_eq(found->signal, SIGINT);
	cr_expect_eq(found->action, APO_ACT_SENT_RESPONDER);
	cr_expect_eq(found->error, -EPERM);
	cr_expect_eq(found->delivered_ns, 23);
	cr_expect_eq(found->before.at_high, 33);
	cr_expect(found->before.known);
	cr_expect_not(found->killed_after_grace);
	incident_free(found);
}

Test(handover, a_later_entry_covers_the_one_before)
{
	struct incident trip = open_trip();
	_cleanup_free_ char *first = NULL, *second = NULL;
	struct taken taken;
	size_t size, later;

	trip.grower.comm = NULL;
	write_and_die(&trip);
	cr_assert_eq(file_read(fixture_root(), NAME, &first, &size), 0);
	trip.forecast_ns = 1;
	trip.delivered_ns = UINT64_MAX;
	trip.killed_after_grace = true;
	trip.grower.comm = "longer";
	write_and_die(&trip);
	cr_assert_eq(file_read(fixture_root(), NAME, &second, &later), 0);
	cr_expect_eq(size, later);
	taken = take_all();
	cr_assert_eq(taken.count, 1);
	cr_expect_eq(taken.incident->delivered_ns, UINT64_MAX);
	cr_expect(taken.incident->killed_after_grace);
	cr_expect_str_eq(taken.incident->grower.comm, "longer");
	incident_free(taken.incident);
}

Test(handover, what_an_instance_has_open_that_lives_is_left_alone)
{
	struct incident trip = open_trip();
	int written[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(written), 0);
	pid = fork();
	if (pid == 0) {
		write_trip(&trip);
		cr_assert_eq(write(written[1], "", 1), 1);
		for (;;)
			pause();
	}
	cr_assert_eq(read(written[0], &byte, 1), 1);
	cr_expect_eq(take_all().count, 0);
	cr_expect(is_there(NAME));
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

/* The program started anew in this process. */
Test(handover, what_this_process_has_left_open_is_taken)
{
	struct incident trip = open_trip();
	struct taken taken;

	write_trip(&trip);
	taken = take_all();
	cr_expect_eq(taken.count, 1);
	cr_expect_not(is_there(NAME));
	incident_free(taken.incident);
}

Test(handover, what_is_closed_is_removed)
{
	struct incident trip = open_trip();
	struct handover *ours = handover();

	write_trip(&trip);
	handover_remove(ours, trip.id);
	cr_expect_not(is_there(NAME));
	handover_free(ours);
}

Test(handover, what_was_cut_short_is_removed_and_what_is_not_understood_stays)
{
	struct incident trip = open_trip();
	_cleanup_free_ char *whole = NULL;
	char *number;
	size_t size;

	write_and_die(&trip);
	cr_assert_eq(file_read(fixture_root(), NAME, &whole, &size), 0);
	fixture_bytes("trip-0000000000000001", whole, size / 2);
	fixture_bytes("trip-0000000000000002", whole, size - 1);
	fixture_file("trip-0000000000000003", whole); /* under another name than its own */
	fixture_file("trip-0000000000000004", "");
	fixture_file("trip-zz", "trip of another version\n");
	fixture_file("limit-0000000000000001", "not ours\n");
	number = strstr(whole, " action ");
	cr_assert_not_null(number);
	memcpy(number + strlen(" action "), "00000000000000000099", 20);
	fixture_file("trip-0000000000000005", whole);
	memcpy(number + strlen(" action "), "00000000000000000001", 20);
	number = strstr(whole, " error ");
	cr_assert_not_null(number);
	memcpy(number + strlen(" error "), "00000000002147483648", 20); /* INT_MIN */
	fixture_file("trip-0000000000000006", whole);
	memcpy(number + strlen(" error "), "00000000000000000001", 20);
	fixture_file("trip-0000000000000007", whole);
	cr_assert_eq(unlinkat(fixture_root(), NAME, 0), 0);

	cr_expect_eq(take_all().count, 0);
	cr_expect_not(is_there("trip-0000000000000001"));
	cr_expect_not(is_there("trip-0000000000000002"));
	cr_expect_not(is_there("trip-0000000000000003"));
	cr_expect_not(is_there("trip-0000000000000004"));
	cr_expect(is_there("trip-0000000000000005"), "an action there is not");
	cr_expect(is_there("trip-0000000000000006"), "an error that has no number");
	cr_expect(is_there("trip-0000000000000007"), "an error that is none");
	cr_expect(is_there("trip-zz"));
	cr_expect(is_there("limit-0000000000000001"));
}

Test(handover, without_a_directory_nothing_is_kept)
{
	struct incident trip = open_trip();

	setenv("RUNTIME_DIRECTORY", "/proc/nowhere", 1);
	write_trip(&trip);
	cr_expect_eq(take_all().count, 0);
	cr_expect_null(handover_free(NULL));
}
