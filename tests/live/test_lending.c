/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lending first, as is the default: who stays below the limit is not signalled and does not notice; who
 * passes it is; and nobody gets more than the bound.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(lending, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (256 * MIB)

/* --- below the limit ------------------------------------------------------------------------- */

/* Grows to that, stays a while, and ends by itself. */
static void expect_left_alone(const char *const args[])
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "near", LIMIT);
		struct live_process *guard = live_watch_lending(cgroup);
		struct live_process *victim =
			live_victim_argv(&(struct live_spawn){.cgroup = cgroup}, args);

		live_expect_undisturbed(victim);
		live_check(live_kernel_events(cgroup).oom_kills == 0, "an OOM kill");
		live_expect_limit_back(cgroup, LIMIT);
		live_expect_quiet(guard);
	}
}

#define LEFT_ALONE(name, ...)                                                \
	Test(lending, left_alone_##name)                                     \
	{                                                                    \
		expect_left_alone((const char *const[]){__VA_ARGS__, NULL}); \
	}

/* The victim is told what to allocate; it and its libraries have up to 2 MiB themselves. */
LEFT_ALONE(at_99_percent, "--max", "251M")
LEFT_ALONE(at_99_percent_slowly, "--max", "251M", "--rate", "200")
LEFT_ALONE(at_98_percent_by_4_threads, "--max", "249M", "--threads", "4")
LEFT_ALONE(at_95_percent, "--max", "241M")
LEFT_ALONE(in_shared_memory, "--kind", "shmem", "--max", "250M")
LEFT_ALONE(in_huge_pages, "--kind", "thp", "--max", "248M")
LEFT_ALONE(populating_at_once, "--kind", "populate", "--chunk", "64M", "--max", "248M")

/* A service that lives near its limit for good: the loan stands, and nobody hears of it. */
Test(lending, service_that_lives_near_its_limit_lives_on)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim =
		live_victim(cgroup, "--sawtooth", "244M:250M", "--cycles", "200");

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_check(live_kernel_events(cgroup).oom_kills == 0, "an OOM kill");
	live_expect_limit_back(cgroup, LIMIT);
	live_expect_quiet(guard);
}

/* The limit is raised, and back when need has fallen, with the process alive. */
Test(lending, first_loan_is_silent_and_goes_back)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "silent", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim = live_borrower(cgroup, LIMIT);

	live_check(live_limit(cgroup) <= LIMIT + LIMIT / 4, "it is raised to %" PRIu64,
		   live_limit(cgroup));
	live_expect_ended_as_told(victim);
	live_expect_limit_back(cgroup, LIMIT);
	live_expect_quiet(guard);
}

/* Without a guard again, the limit is the one there was. */
Test(lending, guard_that_stops_takes_its_loans_back)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "stop", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim = live_borrower(cgroup, LIMIT);

	live_expect_quiet(guard);
	live_check(live_limit(cgroup) == LIMIT, "the limit is %" PRIu64, live_limit(cgroup));
	live_expect_ended_as_told(victim);
}

/* --- beyond it ------------------------------------------------------------------------------- */

Test(lending, trip_comes_when_need_passes_the_limit)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "passes", LIMIT);
		struct live_process *guard = live_watch_lending(cgroup);
		struct live_process *victim = live_victim(cgroup, "--rate", "400");
		json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);

		live_expect_int(verdict, "memory.limit_bytes", LIMIT);
		live_expect_int(verdict, "memory.reserve_bytes", 0);
		live_check(live_int(verdict, "memory.need_bytes") > (int64_t)LIMIT, "need was %lld",
			   (long long)live_int(verdict, "memory.need_bytes"));
		live_check(live_int(verdict, "memory.headroom_bytes") < 0, "headroom was left");
		live_expect_text(verdict, "airbag.result", "raised");
		live_expect_limit_back(cgroup, LIMIT);
		live_stop(guard);
	}
}

/* What somebody else sets while a loan stands is the limit from then on. */
Test(lending, limit_that_is_raised_by_its_owner_counts)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "owner", 64 * MIB);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim = live_victim(cgroup, "--max", "200M", "--mark", "62M",
						  "--hold-ms", "1", "--rate", "20");
	uint64_t deadline = live_deadline();

	while (live_limit(cgroup) == 64 * MIB)
		live_pump(deadline, "the loan");
	live_set_limit(cgroup, 512 * MIB);
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_expect_quiet(guard);
	live_check(live_limit(cgroup) == 512 * MIB, "the limit is %" PRIu64, live_limit(cgroup));
}

/* --- bounds ---------------------------------------------------------------------------------- */

/* A tenant that traps the signal and fills tmpfs, which outlives it, keeps nothing. */
static void expect_bounded(const char *most, uint64_t bound)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "tenant", 64 * MIB);
	const char *dir = live_tmpfs(2048);
	struct live_process *guard = live_watch("--airbag", "auto", "--airbag-max", most, "--grace",
						"2s", "--cgroup", cgroup->rel);
	struct live_process *tenant = live_start(
		cgroup, "/bin/sh", "-c",
		"trap '' TERM INT; dd if=/dev/zero of=\"$0\"/held bs=1M count=1500", dir);
	uint64_t highest = 0, limit;

	while (!tenant->exited) {
		live_pump(live_deadline(), "the tenant to end");
		limit = live_limit(cgroup);
		highest = MAX(highest, limit);
	}
	live_check(highest <= bound, "the limit was %llu MiB", (unsigned long long)(highest / MIB));
	live_check(highest > 64 * MIB, "nothing was lent");
	live_check(unlink(live_format("%s/held", dir)) == 0, "%s/held: %m", dir);
	live_expect_limit_back(cgroup, 64 * MIB);
	live_stop(guard);
}

Test(lending, hostile_tenant_gets_as_much_again_at_most)
{
	expect_bounded("100%", 128 * MIB);
}

Test(lending, hostile_tenant_gets_what_the_operator_allows)
{
	expect_bounded("16M", 80 * MIB);
}

/* One stays near its limit, and has its loan: what is left of the sum is for the other. */
Test(lending, loans_together_are_within_what_the_operator_allows)
{
	const uint64_t most = 96 * MIB;
	struct live_cgroup *slice = live_cgroup(NULL, "slice", 1024 * MIB);
	struct live_cgroup *first = live_cgroup(slice, "first", LIMIT);
	struct live_cgroup *other = live_cgroup(slice, "other", LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--lend-max", "96M", "--cgroup", slice->rel);
	struct live_process *borrower = live_borrower(first, LIMIT);
	uint64_t lent = live_limit(first) - LIMIT;
	json_t *verdict =
		live_expect_victim_saved(guard, live_victim(other, "--rate", "200"), other);

	live_check(lent >= LIMIT / 8, "it was lent %" PRIu64, lent);
	live_check(lent + (uint64_t)live_int(verdict, "airbag.raised_bytes") <= most,
		   "%" PRIu64 " and %" JSON_INTEGER_FORMAT " were lent", lent,
		   live_int(verdict, "airbag.raised_bytes"));
	live_expect_ended_as_told(borrower);
	live_expect_limit_back(first, LIMIT);
	live_expect_limit_back(other, LIMIT);
	live_stop(guard);
}

/*
 * Who was signalled has ended, and what it has written to tmpfs stays: need is still beyond the limit. It
 * is not taken back from under the next to grow, who is signalled and shuts down in time.
 */
Test(lending, who_is_left_beyond_the_limit_is_signalled_before_it_goes_back)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "left", LIMIT);
	const char *dir = live_tmpfs(512);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *left =
		live_victim(cgroup, "--base", "30M", "--rate", "4", "--mark", "4M");
	struct live_process *writer;
	json_t *verdict;

	live_wait_ready(left);
	writer = live_start(cgroup, "/bin/dd", "if=/dev/zero", live_format("of=%s/held", dir),
			    "bs=1M", "count=400");
	live_wait_exit(writer);
	live_check(!left->exited, "the wrong one was signalled");
	verdict = live_expect_victim_saved(guard, left, cgroup);
	live_expect_int(verdict, "target.pid", left->pid);
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
}

/* Who ignores the signal and stays near the limit does not keep what was lent for the trip. */
Test(lending, loan_for_a_trip_is_not_kept_by_who_stays)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "stays", LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--grace", "2s", "--cgroup", cgroup->rel);
	struct live_process *stays = live_victim(cgroup, "--deaf", "--max", "252M", "--hold");
	struct live_process *other;
	uint64_t deadline = live_deadline();

	live_wait_ready(stays);
	other = live_victim(cgroup, "--max",
			    "20M"); /* with it need passes the limit, for a moment */
	live_wait_exit(other);
	live_event(guard, "verdict", stays->pid);
	live_check(!stays->exited, "it was ended");
	while (live_limit(cgroup) > LIMIT + LIMIT / 4)
		live_pump(deadline, "the loan for the trip to go back");
	live_signal(stays, SIGKILL);
	live_wait_exit(stays);
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
}

/* What somebody writes while a loan stands is the limit, be it the old value: who grows is lent to anew. */
Test(lending, limit_that_somebody_puts_back_ends_the_loan)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "written", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim = live_borrower(cgroup, LIMIT), *other;
	uint64_t deadline = live_deadline();

	live_set_limit(cgroup, LIMIT);
	while (live_has_loans())
		live_pump(deadline, "the loan to be over");
	live_check(live_limit(cgroup) == LIMIT, "the limit is %" PRIu64, live_limit(cgroup));
	other = live_victim(cgroup, "--max", "512K", "--hold");
	live_wait_ready(other);
	while (live_limit(cgroup) == LIMIT)
		live_pump(deadline, "a loan anew");
	live_expect_ended_as_told(other);
	live_expect_ended_as_told(victim);
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
}

/* --- chains of limits ------------------------------------------------------------------------ */

/* A pod and a container in it, both with a limit. */
static void expect_saved_below(uint64_t pod_limit, uint64_t limit)
{
	struct live_cgroup *pod = live_cgroup(NULL, "pod", pod_limit);
	struct live_cgroup *cgroup = live_cgroup(pod, "container", limit);
	struct live_process *guard = live_watch_lending(pod);
	struct live_process *victim =
		live_victim(cgroup, "--rate", "200", "--stubborn", "--shutdown-ms", "200");
	json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);

	live_check(live_int(verdict, "airbag.used_bytes") > 0, "the loan was not used");
	live_expect_limit_back(cgroup, limit);
	live_expect_limit_back(pod, pod_limit);
	live_stop(guard);
}

#define NESTED(pod, container)                                 \
	Test(lending, pod_of_##pod##_container_of_##container) \
	{                                                      \
		expect_saved_below(pod *MIB, container *MIB);  \
	}

NESTED(128, 128)
NESTED(130, 128)
NESTED(160, 128)
NESTED(192, 128)
NESTED(128, 160)

/* --- many ------------------------------------------------------------------------------------ */

#define MANY 200
#define MANY_EMULATED 80
#define SMALL (8 * MIB)

/* All of them stay beyond their limits at once: one who is raised denies nobody else. */
Test(lending, each_of_many_has_a_place)
{
	struct live_cgroup *all = live_cgroup(NULL, "all", 4096 * MIB), *cgroups[MANY];
	struct live_process *guard =
		live_watch("--airbag", "auto", "--airbag-max", "2M", "--grace", "500s", "--cgroup",
			   all->rel); /* for all of them a small machine has enough to spare */
	size_t n = live_slowness() > 1 ? MANY_EMULATED : MANY;
	struct live_process *victims[MANY];

	for (size_t i = 0; i < n; i++)
		cgroups[i] = live_cgroup(all, "one", SMALL);
	for (size_t i = 0; i < n; i++)
		victims[i] =
			live_victim(cgroups[i], "--deaf", "--max", "9M", "--hold", "--rate", "1");
	for (size_t i = 0; i < n; i++)
		live_wait_ready(victims[i]);
	for (size_t i = 0; i < n; i++)
		live_check(live_limit(cgroups[i]) > SMALL, "number %zu was not lent to", i);
	for (size_t i = 0; i < n; i++) {
		live_signal(victims[i], SIGKILL);
		live_wait_exit(victims[i]);
	}
	for (size_t i = 0; i < n; i++)
		live_expect_limit_back(cgroups[i], SMALL);
	live_stop(guard);
}

/* --- need that looks like cache -------------------------------------------------------------- */

/* Page cache that is spliced into pipes counts as reclaimable, and is not. */
Test(lending, page_cache_in_pipes_is_need)
{
	const char *dir = live_disk_dir();
	struct live_cgroup *cgroup;
	struct live_process *guard, *victim;

	cgroup = live_cgroup(NULL, "pinned", 64 * MIB);
	guard = live_watch_lending(cgroup);
	victim = live_victim(cgroup, "--kind", "spliced", "--dir", dir, "--file-size", "256M",
			     "--rate", "100");
	live_expect_victim_saved(guard, victim, cgroup);
	live_expect_limit_back(cgroup, 64 * MIB);
	live_stop(guard);
}

/* Duplicates of all of its pipes, which keep what is in them when it has ended. */
static void keep_pipes(const struct live_process *victim)
{
	const char *path = live_format("/proc/%d/fd", (int)victim->pid);
	DIR *fds = opendir(path);
	const struct dirent *entry;
	unsigned int kept = 0;
	char target[32];

	live_check(fds, "%s: %m", path);
	while ((entry = readdir(fds))) {
		ssize_t n = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target));

		if (n > 5 && strncmp(target, "pipe:", 5) == 0 && atoi(entry->d_name) > 9)
			kept += syscall(SYS_pidfd_getfd, victim->pidfd, atoi(entry->d_name), 0) >=
				0;
	}
	closedir(fds);
	live_check(kept, "it has no pipes");
}

/* Until it handles SIGTERM. */
static void wait_for_handler(const struct live_process *victim)
{
	const char *path = live_format("/proc/%d/status", (int)victim->pid), *caught;
	uint64_t deadline = live_deadline();

	do {
		live_pump(deadline, "it to set up its handlers");
		caught = strstr(live_read(path), "\nSigCgt:");
	} while (!caught || !(strtoull(caught + 8, NULL, 16) & 1ULL << (SIGTERM - 1)));
}

/*
 * As nginx does, whose clients read nothing: what the first has filled stays when it has ended, so that the limit cannot
 * go back (v1) and nothing more is lent. The next one grows until that is used up, and is told, too.
 */
Test(lending, page_cache_in_pipes_is_need_where_the_limit_cannot_go_back)
{
	const char *dir = live_disk_dir();
	struct live_cgroup *cgroup = live_cgroup(NULL, "pinned", 64 * MIB);
	const struct live_spawn waiting = {.cgroup = cgroup, .wants_stdin = true};
	struct live_process *guard = live_watch_lending(cgroup), *first, *second;
	/* What reclaim has tried in vain is known for two seconds. */
	const struct timespec forgotten = {.tv_sec = 3};

	second = live_victim_argv(&waiting, (const char *const[]){"--kind", "spliced", "--dir", dir,
								  "--file-size", "256M", "--rate",
								  "100", "--wait-stdin", NULL});
	wait_for_handler(second);
	first = live_victim(cgroup, "--kind", "spliced", "--dir", dir, "--file-size", "256M",
			    "--rate", "100", "--shutdown-ms", "4000");
	live_wait_shutdown(first);
	keep_pipes(first);
	live_expect_victim_saved(guard, first, cgroup);
	nanosleep(&forgotten, NULL);
	live_release(second);
	live_wait_exit(second);
	live_check(live_exit_code(second) == 0, "it ended with %d", live_exit_code(second));
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed by the kernel");
	live_stop(guard);
}

/*
 * Page cache that is read over and over has no room beside need, which stays below the limit: the kernel
 * drops and reads it again without end. It is lent room, and nobody is signalled.
 */
static void expect_lent_when_stalled(const char *base, const char *hot, uint64_t least)
{
	const char *dir = live_disk_dir();
	struct live_cgroup *cgroup = live_cgroup(NULL, "stalled", 64 * MIB);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim = live_victim(cgroup, "--base", base, "--kind", "file-hot",
						  "--dir", dir, "--file-size", hot, "--max",
						  "1000G");
	uint64_t deadline = live_deadline();

	while (live_limit(cgroup) < least)
		live_pump(deadline, "the loan");
	live_expect_ended_as_told(victim);
	live_expect_limit_back(cgroup, 64 * MIB);
	live_expect_quiet(guard);
}

Test(lending, who_is_stalled_at_its_limit_is_lent_to)
{
	expect_lent_when_stalled("40M", "28M", 64 * MIB + 1);
}

/* The first loan is 8 MiB. */
Test(lending, who_is_stalled_with_a_loan_is_lent_more)
{
	expect_lent_when_stalled("52M", "28M", 78 * MIB);
}

/* --- who is to blame -------------------------------------------------------------------------- */

#define SHARED_MIB 100
#define READERS 3

/* Readers map what was charged long ago, as new PostgreSQL backends do. It is the other that leaks. */
Test(lending, mapping_what_is_charged_already_is_no_growth)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "shared", LIMIT);
	const char *dir = live_tmpfs(512);
	struct live_process *guard = live_watch_lending(cgroup), *leaker, *readers[READERS], *maker;
	json_t *verdict;

	maker = live_start(cgroup, "/bin/dd", "if=/dev/zero", live_format("of=%s/shared", dir),
			   "bs=1M", live_format("count=%d", SHARED_MIB));
	live_wait_exit(maker);
	leaker = live_victim(cgroup, "--base", "130M", "--rate", "4", "--mark", "8M");
	live_wait_ready(leaker);
	for (size_t i = 0; i < READERS; i++)
		readers[i] = live_victim(cgroup, "--kind", "shared", "--dir", dir, "--rate", "200",
					 "--max", "1000G");
	verdict = live_expect_victim_saved(guard, leaker, cgroup);
	live_expect_int(verdict, "target.pid", leaker->pid);
	for (size_t i = 0; i < READERS; i++)
		live_expect_ended_as_told(readers[i]);
	live_check(live_count_events(guard, "trip", 0) == 1, "another trip");
	live_stop(guard);
}

/* Page cache is no need: who maps files, however fast, is not the one that leaks. */
Test(lending, who_maps_files_is_not_taken_for_the_leaker)
{
	const char *dir = live_disk_dir();
	struct live_cgroup *cgroup = live_cgroup(NULL, "maps", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup), *leaker, *reader;
	json_t *verdict;

	leaker = live_victim(cgroup, "--kind", "thp", "--rate", "200", "--mark", "60M");
	live_wait_ready(leaker);
	reader = live_victim(cgroup, "--kind", "file-hot", "--dir", dir, "--file-size", "150M",
			     "--max", "1000G");
	verdict = live_expect_victim_saved(guard, leaker, cgroup);
	live_expect_int(verdict, "target.pid", leaker->pid);
	live_expect_ended_as_told(reader);
	live_check(live_count_events(guard, "trip", 0) == 1, "another trip");
	live_stop(guard);
}

/* Whatever the cooldown is: half of what is lent is used up again before it has ended. */
Test(lending, who_shuts_down_is_not_signalled_twice)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "twice", LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--cooldown", "100ms", "--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "150", "--stubborn", "--hold",
						  "--max", "450M", "--shutdown-ms", "5000");

	live_expect_victim_saved(guard, victim, cgroup); /* which wants one handler to have run */
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
}

/* Somebody else has sent it the signal. A second one ends many a program at once: it only gets room. */
Test(lending, who_shuts_down_already_is_not_told_again)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "told", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim = live_victim(cgroup, "--rate", "100", "--mark", "180M",
						  "--max", "300M", "--hold", "--stubborn",
						  "--shutdown-ms", "6000");
	json_t *verdict;

	live_wait_ready(victim);
	live_signal(victim, SIGTERM);
	verdict = live_expect_victim_saved(guard, victim, cgroup);
	live_expect_text(verdict, "action.result", "told already");
	live_expect_text(verdict, "airbag.result", "raised");
	live_expect_int(live_result(victim), "handler_count", 1);
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
}

/*
 * The responder may get no CPU for a while. A loan that is late is waited for as long as there is room: who
 * grows fast and stays below the limit is through before it may be taken for lost.
 */
Test(lending, a_loan_that_is_late_stops_nobody_who_stays_below)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "late", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup);

	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_process *victim;

		live_signal(guard, SIGSTOP);
		victim = live_victim(cgroup, "--rate", "0", "--max", "252M");
		live_expect_undisturbed(victim);
		live_signal(guard, SIGCONT);
	}
	live_expect_quiet(guard);
}
