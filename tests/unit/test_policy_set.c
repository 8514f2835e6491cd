/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose policy: the guard that covers a process or a limit, and the set that guards are kept in. */
#include "core/policy_set.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define GENERATION 7
#define NOBODY (-1)

static struct policy_set *set;

static void set_up(void)
{
	set = policy_set_new(GENERATION);
	cr_assert(set);
}

static void tear_down(void)
{
	set = policy_set_free(set);
}

TestSuite(policy_set, .init = set_up, .fini = tear_down);

static int add(const struct guard *guard)
{
	const struct policy policy = {.signal = 15};

	return policy_set_add(set, &policy, guard);
}

static int add_cgroup(const char *cgroup)
{
	return add(&(const struct guard){.kind = GUARD_CGROUP, .cgroup = cgroup});
}

static int found(const struct policy_subject *subject)
{
	const struct guard *guard = policy_set_find(set, subject);

	return guard ? (int)guard->policy : NOBODY;
}

static int of_cgroup(const char *cgroup)
{
	return found(&(const struct policy_subject){.cgroup = cgroup});
}

struct row {
	const char *cgroup;
	int policy;
};

static void expect_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(of_cgroup(rows[i].cgroup), rows[i].policy, "%s: %d, not %d",
			     rows[i].cgroup, of_cgroup(rows[i].cgroup), rows[i].policy);
}

/* The order in which they were added means nothing. */
Test(policy_set, nearest_guard_wins)
{
	static const struct row rows[] = {
		{"/a", 1},   {"/a/b", 0},   {"/a/b/c", 2},  {"/a/b/c/d/e", 2}, {"/a/b/d", 0},
		{"/a/c", 1}, {"/", NOBODY}, {"/b", NOBODY}, {"/b/a", NOBODY},
	};

	add_cgroup("/a/b");
	add_cgroup("/a");
	add_cgroup("/a/b/c");
	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(policy_set, prefix_of_a_name_is_no_ancestor)
{
	static const struct row rows[] = {
		{"/a", 0}, {"/a/b", 0}, {"/ab", NOBODY}, {"/ab/c", NOBODY}, {"/", NOBODY},
	};

	add_cgroup("/a");
	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(policy_set, root_is_above_everything_and_farthest)
{
	static const struct row rows[] = {{"/", 0}, {"/b", 0}, {"/a", 1}, {"/a/b", 1}, {"/ab", 0}};

	add_cgroup("/");
	add_cgroup("/a");
	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(policy_set, all_is_for_what_no_nearer_guard_covers)
{
	static const struct row rows[] = {{"/", 0}, {"/b", 0}, {"/a", 1}, {"/a/b", 1}, {NULL, 0}};

	add(&(const struct guard){.kind = GUARD_ALL});
	add_cgroup("/a");
	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(policy_set, pid_comes_before_any_cgroup)
{
	const struct policy_subject it = {.cgroup = "/a/b", .pid = 17};
	const struct policy_subject another = {.cgroup = "/a/b", .pid = 18};
	const struct policy_subject nameless = {.pid = 17};

	add(&(const struct guard){.kind = GUARD_PID, .pid = 17});
	add_cgroup("/a/b");
	add(&(const struct guard){.kind = GUARD_ALL});
	cr_expect_eq(found(&it), 0);
	cr_expect_eq(found(&another), 1);
	cr_expect_eq(found(&nameless), 0);
}

Test(policy_set, children_come_before_any_cgroup)
{
	const struct policy_subject child = {.cgroup = "/a", .pid = 17, .is_our_child = true};
	const struct policy_subject another = {.cgroup = "/a", .pid = 18};

	add_cgroup("/a");
	add(&(const struct guard){.kind = GUARD_CHILDREN});
	cr_expect_eq(found(&child), 1);
	cr_expect_eq(found(&another), 0);
}

/* Lines and loans are the limit's: those who guard processes have no say in them. */
Test(policy_set, limit_is_covered_by_no_guard_of_a_process)
{
	add(&(const struct guard){.kind = GUARD_PID, .pid = 17});
	add(&(const struct guard){.kind = GUARD_CHILDREN});
	add_cgroup("/a/b");
	cr_expect_eq(of_cgroup("/a"), NOBODY, "a limit above the guards");
	cr_expect_eq(of_cgroup("/a/b"), 2);
	cr_expect_eq(found(&(const struct policy_subject){.cgroup = "/a", .is_our_child = true}),
		     NOBODY);
}

Test(policy_set, empty_set_covers_nothing)
{
	cr_expect_eq(of_cgroup("/a"), NOBODY);
	cr_expect_eq(policy_set_count(set), 0);
}

static void expect_why(const struct policy_subject *subject, const char *expected)
{
	char *why = policy_set_why(policy_set_find(set, subject), subject);

	cr_expect_str_eq(why, expected);
	free(why);
}

Test(policy_set, why_names_the_guard_and_the_rule)
{
	add_cgroup("/a");
	add(&(const struct guard){.kind = GUARD_PID, .pid = 17});
	add(&(const struct guard){.kind = GUARD_CHILDREN});
	expect_why(&(const struct policy_subject){.cgroup = "/b"}, "no guard covers it");
	expect_why(&(const struct policy_subject){.cgroup = "/a/b"},
		   "--cgroup /a, the nearest guard at or above /a/b");
	expect_why(&(const struct policy_subject){.cgroup = "/a/b", .pid = 17},
		   "--pid 17, which comes before any cgroup");
	expect_why(&(const struct policy_subject){.pid = 18, .is_our_child = true},
		   "run, which started it");
	add(&(const struct guard){.kind = GUARD_ALL});
	expect_why(&(const struct policy_subject){.cgroup = "/b"},
		   "--all, since no nearer guard covers /b");
	expect_why(&(const struct policy_subject){.pid = 18},
		   "--all, since no nearer guard covers it");
}

Test(policy_set, ids_count_up_and_lead_to_policy_and_guard)
{
	const struct policy policy = {.signal = 10, .reserve_bytes = 4096};
	char cgroup[] = "/b";
	const struct guard guard = {.kind = GUARD_CGROUP, .policy = 99, .cgroup = cgroup};

	cr_expect_eq(add_cgroup("/a"), 0);
	cr_expect_eq(policy_set_add(set, &policy, &guard), 1);
	cgroup[1] = 'x'; /* the set has its own */
	cr_expect_eq(policy_set_count(set), 2);
	cr_expect_eq(policy_set_policy(set, 1)->signal, 10);
	cr_expect_eq(policy_set_policy(set, 1)->reserve_bytes, 4096);
	cr_expect_eq(policy_set_guard(set, 1)->policy, 1);
	cr_expect_str_eq(policy_set_guard(set, 1)->cgroup, "/b");
	cr_expect_str_eq(policy_set_guard(set, 0)->cgroup, "/a");
}

Test(policy_set, record_of_another_generation_has_no_policy)
{
	add_cgroup("/a");
	cr_expect_eq(policy_set_generation(set), GENERATION);
	cr_expect_eq(policy_set_of_record(set, 0, GENERATION), policy_set_policy(set, 0));
	cr_expect_null(policy_set_of_record(set, 0, GENERATION - 1));
	cr_expect_null(policy_set_of_record(set, 0, GENERATION + 1));
	cr_expect_null(policy_set_of_record(set, 1, GENERATION));
	cr_expect_null(policy_set_of_record(set, APO_POLICY_NONE, GENERATION));
}

Test(policy_set, more_than_the_kernel_side_holds_are_refused)
{
	for (int id = 0; id < APO_MAX_POLICIES; id++)
		cr_assert_eq(add_cgroup("/a"), id);
	cr_expect_eq(add_cgroup("/b"), -ENOSPC);
	cr_expect_eq(policy_set_count(set), APO_MAX_POLICIES);
	cr_expect_eq(of_cgroup("/b"), NOBODY);
}
