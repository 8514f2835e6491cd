/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protection does not end silently: cgroups that are made anew, wide and deep trees, and full maps.
 */
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apoptosis/abi.h"
#include "base/file.h"
#include "base/util.h"
#include "events.h"

TestSuite(scale, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (128 * MIB)

/* The gap of a cgroup; NULL: there is none. */
static const json_t *gap_of(const json_t *status, const char *rel)
{
	const json_t *gap;
	size_t i;

	json_array_foreach (json_object_get(status, "gaps"), i, gap)
		if (strcmp(live_text(gap, "cgroup"), rel) == 0)
			return gap;
	return NULL;
}

static void expect_no_gaps(const json_t *status)
{
	const json_t *gaps = json_object_get(status, "gaps");

	live_check(json_array_size(gaps) == 0, "there are gaps: %s", json_dumps(gaps, 0));
}

/* --- made anew ----------------------------------------------------------------------------- */

/* As a service manager does: the limit, then the process, at once. */
Test(scale, cgroup_that_is_made_anew_is_guarded_again_at_once)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup), *victim;

	live_expect_victim_saved(guard, live_victim(cgroup, "--rate", "0"), cgroup);
	for (unsigned int i = 0; i < live_repeat(); i++) {
		json_t *verdict;

		live_expect_limit_back(cgroup, LIMIT);
		live_remove(cgroup);
		live_make_anew(cgroup, LIMIT);
		victim = live_victim(cgroup, "--rate", "0");
		verdict = live_expect_victim_saved(guard, victim, cgroup);
		live_expect_text(verdict, "memory.limit_cgroup", cgroup->rel);
		live_expect_int(verdict, "process.cgroup_id", (json_int_t)cgroup->id);
	}
	expect_no_gaps(live_stop(guard));
}

/* What is above it may go with it: a slice that is empty. The policy is still its own. */
Test(scale, cgroup_that_is_made_anew_with_what_is_above_it_has_its_policy)
{
	struct live_cgroup *slice = live_cgroup(NULL, "slice", 0);
	struct live_cgroup *cgroup = live_cgroup(slice, "service", LIMIT);
	struct live_process *guard = live_watch("--reserve", "24M", "--cgroup", cgroup->rel);
	struct live_process *victim;

	live_remove(cgroup);
	live_remove(slice);
	live_make_anew(slice, 0);
	live_make_anew(cgroup, LIMIT);
	live_wait_output(guard, 1, live_format("%s is made anew, and guarded again", cgroup->rel));
	victim = live_victim(cgroup, "--rate", "200");
	live_expect_int(live_expect_victim_saved(guard, victim, cgroup), "memory.reserve_bytes",
			24 * MIB);
	live_stop(guard);
}

Test(scale, status_says_that_a_guarded_cgroup_is_gone_until_it_is_made_anew)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	const json_t *gap;

	expect_no_gaps(live_status(guard));
	live_remove(cgroup);
	live_wait_output(guard, 1, live_format("%s is removed", cgroup->rel));
	gap = gap_of(live_status(guard), cgroup->rel);
	live_check(gap, "the status does not say that it is gone");
	live_expect_text(gap, "reason", "gone");
	live_check(!live_bool(gap, "partial"), "as if it were guarded in part");
	live_make_anew(cgroup, LIMIT);
	live_wait_output(guard, 1, "is made anew, and guarded again");
	expect_no_gaps(live_stop(guard));
}

/* --- wide and deep ------------------------------------------------------------------------- */

#define CHILDREN 1500	 /* more than are walked: page cache is known by statistics */
#define CHILDREN_FEW 200 /* walked, which takes so long that the sum is kept */

/* A parent with a limit and many children. The last of them. */
static struct live_cgroup *wide(struct live_cgroup *parent, unsigned int children)
{
	char name[32];

	for (unsigned int i = 1; i < children; i++) {
		snprintf(name, sizeof(name), "child-%u", i);
		live_check(mkdirat(parent->fd, name, 0755) == 0, "mkdir %s: %m", name);
	}
	return live_cgroup(parent, "last", 0);
}

Test(scale, spike_in_the_last_of_many_children_is_saved)
{
	struct live_cgroup *parent = live_cgroup(NULL, "parent", LIMIT),
			   *last = wide(parent, CHILDREN);
	struct live_process *guard = live_watch_lending(parent);
	const json_t *gap;
	json_t *verdict;

	for (unsigned int i = 0; i < live_repeat(); i++) {
		verdict = live_expect_victim_saved(guard, live_victim(last, "--rate", "0"), parent);
		live_expect_text(verdict, "memory.limit_cgroup", parent->rel);
		live_expect_text(verdict, "process.cgroup", last->rel);
		live_expect_text(verdict, "airbag.result", "raised");
		live_expect_limit_back(parent, LIMIT);
	}
	gap = gap_of(live_stop(guard), parent->rel);
	live_check(gap, "the status does not say that it is wide");
	live_expect_text(gap, "reason", "wide");
	live_check(live_bool(gap, "partial"), "as if it were not guarded at all");
	live_check(strstr(guard->output[1], parent->rel), "nobody was told");
}

/*
 * Page cache of a sibling fills the limit. It is known by statistics there, or by a sum that was kept, and both
 * lag: it neither trips the guard nor hides the spike that takes its place.
 */
static void spike_in_place_of_page_cache(unsigned int children, const char *airbag,
					 const char *rate)
{
	const char *dir = live_disk_dir();
	struct live_cgroup *parent = live_cgroup(NULL, "parent", LIMIT);
	struct live_cgroup *last = wide(parent, children);
	struct live_cgroup *sibling = live_cgroup(parent, "sibling", 0);
	struct live_process *guard =
		live_watch("--airbag", airbag, "--reserve", "24M", "--cgroup", parent->rel);
	struct live_process *reader = live_victim(sibling, "--kind", "file-read", "--dir", dir,
						  "--file-size", "256M", "--max", "512M", "--hold");
	struct live_process *victim;

	live_wait_ready(reader);
	live_check(live_kernel_events(parent).at_limit > 0, "page cache never met the limit");
	live_check(!live_find_event(guard, "trip", 0, 0), "a trip for page cache");
	victim = live_victim(last, "--rate", rate);
	live_expect_victim_saved(guard, victim, parent);
	live_check(live_count_events(guard, "trip", reader->pid) == 0, "the reader was signalled");
	live_expect_ended_as_told(reader);
	live_check((live_int(live_stop(guard), "counters.subtree_cut") > 0) ==
			   (children == CHILDREN),
		   "%u children are wide, or not", children);
}

Test(scale, page_cache_of_many_children_hides_no_spike_that_is_lent_to)
{
	spike_in_place_of_page_cache(CHILDREN, "auto", "200");
}

Test(scale, page_cache_of_many_children_hides_no_spike_from_the_reserve)
{
	spike_in_place_of_page_cache(CHILDREN, "off", "200");
}

Test(scale, page_cache_of_some_children_hides_no_spike_that_is_lent_to)
{
	spike_in_place_of_page_cache(CHILDREN_FEW, "auto", "0");
}

Test(scale, page_cache_of_some_children_hides_no_spike_from_the_reserve)
{
	spike_in_place_of_page_cache(CHILDREN_FEW, "off", "1024");
}

#define LEVELS 20

/* The lowest of a chain of cgroups. */
static struct live_cgroup *deep(struct live_cgroup *top)
{
	struct live_cgroup *cgroup = top;

	for (unsigned int i = 1; i < LEVELS; i++)
		cgroup = live_cgroup(cgroup, "l", 0);
	return cgroup;
}

Test(scale, spike_far_below_its_limit_is_saved_and_lent_to)
{
	struct live_cgroup *top = live_cgroup(NULL, "top", LIMIT), *bottom = deep(top);
	struct live_process *guard = live_watch_lending(top);
	json_t *verdict;

	for (unsigned int i = 0; i < live_repeat(); i++) {
		verdict = live_expect_victim_saved(guard, live_victim(bottom, "--rate", "0"), top);
		live_expect_text(verdict, "memory.limit_cgroup", top->rel);
		live_expect_text(verdict, "process.cgroup", bottom->rel);
		live_expect_text(verdict, "airbag.result", "raised");
		live_expect_limit_back(top, LIMIT);
	}
	live_stop(guard);
}

/* More levels than the kernel side walks: that is said. */
Test(scale, status_says_which_cgroup_lies_too_deep)
{
	struct live_cgroup *top = live_cgroup(NULL, "top", LIMIT), above = {.rel = top->rel};
	struct live_process *guard = live_watch("--cgroup", top->rel);
	const struct live_cgroup *bottom;
	const json_t *gap;

	for (unsigned int i = 0; i < APO_MAX_DEPTH; i++) {
		above.rel = live_format("%s/l", above.rel);
		live_check(cgroup_create(live_tree(), above.rel) == 0, "create %s", above.rel);
	}
	bottom = live_cgroup(&above, "bottom", 0);
	live_wait_ready(live_victim(bottom, "--max", "8M", "--hold"));
	live_wait_output(guard, 1, live_format("cgroup %s lies more than", bottom->rel));
	gap = gap_of(live_stop(guard), bottom->rel);
	live_check(gap, "the status does not say so");
	live_expect_text(gap, "reason", "deep");
}

/* --- full ---------------------------------------------------------------------------------- */

#define ACCOUNTS "8"
#define LIMITS 24

/* Limits that the kernel side has an account of. */
static size_t count_accounts(const json_t *status)
{
	const json_t *limit;
	size_t i, count = 0;

	json_array_foreach (json_object_get(status, "limits"), i, limit)
		count += live_bool(limit, "checked");
	return count;
}

/* Each limit has been seen, three times as many as there is room for. Idle ones make room for a spike. */
Test(scale, idle_accounts_make_room_for_those_that_are_needed)
{
	struct live_cgroup *parent = live_cgroup(NULL, "parent", 8 * LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--accounts", ACCOUNTS, "--cgroup", parent->rel);
	struct live_cgroup *children[LIMITS];
	json_t *status;

	for (size_t i = 0; i < LIMITS; i++) {
		children[i] = live_cgroup(parent, "child", LIMIT);
		live_wait_exit(live_victim(children[i], "--max", "8M"));
	}
	for (size_t i = 0; i < LIMITS; i += LIMITS - 1) {
		struct live_process *victim = live_victim(children[i], "--rate", "0");

		live_expect_text(live_expect_victim_saved(guard, victim, children[i]),
				 "airbag.result", "raised");
	}
	status = live_stop(guard);
	expect_no_gaps(status);
	live_check(count_accounts(status) <= 8, "more than there is room for");
}

/* All grow and shrink all the time, many more than there is room for: none is idle. */
Test(scale, busy_limits_take_turns_and_a_spike_is_saved_among_them)
{
	struct live_cgroup *parent = live_cgroup(NULL, "parent", 16 * LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--accounts", "2", "--cgroup", parent->rel);
	struct live_cgroup *spiking = live_cgroup(parent, "spiking", LIMIT);
	struct live_process *busy[6];

	for (size_t i = 0; i < ARRAY_SIZE(busy); i++)
		busy[i] = live_victim(live_cgroup(parent, "busy", LIMIT), "--sawtooth", "1M:2M",
				      "--cycles", "1000000000");
	live_wait_output(guard, 1, "take turns");
	live_expect_victim_saved(guard, live_victim(spiking, "--rate", "0"), spiking);
	for (size_t i = 0; i < ARRAY_SIZE(busy); i++)
		live_expect_ended_as_told(busy[i]);
	live_stop(guard);
}

/* It stays beyond its line, where only a dry run leaves it alone: its account cannot go. */
static struct live_process *beyond_its_line(struct live_process *guard,
					    const struct live_cgroup *cgroup, const char *holds)
{
	struct live_process *victim =
		live_victim(cgroup, "--rate", "200", "--max", holds, "--hold");

	live_wait_ready(victim);
	live_event(guard, "trip", victim->pid);
	return victim;
}

Test(scale, status_says_which_limit_has_no_account_until_there_is_room)
{
	struct live_cgroup *parent = live_cgroup(NULL, "parent", 8 * LIMIT);
	struct live_cgroup *first = live_cgroup(parent, "first", LIMIT);
	struct live_cgroup *second = live_cgroup(parent, "second", LIMIT);
	struct live_cgroup *third = live_cgroup(parent, "third", LIMIT);
	struct live_process *guard =
		live_watch("--dry-run", "--accounts", "2", "--cgroup", parent->rel);
	struct live_process *held = beyond_its_line(guard, first, "120M"), *victim;
	const json_t *gap;

	beyond_its_line(guard, second, "120M");
	victim = live_victim(third, "--rate", "200", "--max", "16M", "--hold");
	live_wait_output(guard, 1, live_format("cgroup %s is not guarded", third->rel));
	live_wait_output(guard, 1, "a larger --accounts");
	live_wait_ready(victim);
	gap = gap_of(live_status(guard), third->rel);
	live_check(gap, "the status does not say which");
	live_expect_text(gap, "reason", "no account");
	live_expect_int(gap, "cgroup_id", (json_int_t)third->id);
	live_check(!live_bool(gap, "partial"), "as if it were guarded in part");

	live_expect_ended_as_told(held);
	live_remove(first);
	beyond_its_line(guard, third, "104M");
	expect_no_gaps(live_stop(guard));
}

/* --- descriptors --------------------------------------------------------------------------- */

#define HOLDERS 72 /* more than are left */

static rlim_t count_descriptors(const struct live_process *process)
{
	DIR *dir = opendir(live_format("/proc/%d/fd", (int)process->pid));
	rlim_t count = 0;

	live_check(dir, "cannot count descriptors: %m");
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* What is held open for many cgroups leaves enough for what raises a limit, and puts it back. */
Test(scale, descriptors_are_left_for_the_loan_and_its_payback)
{
	struct live_cgroup *parent = live_cgroup(NULL, "host", 4096 * MIB);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--grace", "2s", "--cgroup", parent->rel);
	struct live_process *victim;
	struct rlimit few;
	uint64_t deadline = live_deadline();

	few.rlim_cur = few.rlim_max = count_descriptors(guard) + FILE_SPARE_DESCRIPTORS + 4;
	live_check(!prlimit(guard->pid, RLIMIT_NOFILE, &few, NULL), "prlimit: %m");
	for (unsigned int i = 0; i < HOLDERS; i++) {
		struct live_cgroup *cgroup = live_cgroup(parent, "holder", 4 * MIB);

		live_wait_ready(live_victim(cgroup, "--max", "2M", "--hold"));
	}
	while (count_descriptors(guard) + FILE_SPARE_DESCRIPTORS + 1 < few.rlim_cur)
		live_pump(deadline, "descriptors to be taken");
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(parent, "tenant", LIMIT);

		victim = live_victim(cgroup, "--rate", "200");
		live_expect_victim_saved(guard, victim, cgroup);
		live_expect_text(live_event(guard, "verdict", victim->pid), "airbag.result",
				 "raised");
		live_expect_limit_back(cgroup, LIMIT);
	}
	live_stop(guard);
}
