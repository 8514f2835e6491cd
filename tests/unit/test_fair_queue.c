/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "base/util.h"
#include "core/fair_queue.h"

#define MANY 1000

static struct fair_item items[64];
static size_t item_count;
static struct fair_queue queue;

static void setup(void)
{
	item_count = 0;
	queue = (struct fair_queue){
		.bounds = {.served = 1, .stuck = 2, .waiting = {MANY, MANY, MANY}}};
}

static void teardown(void)
{
	fair_queue_clear(&queue);
}

TestSuite(fair_queue, .init = setup, .fini = teardown);

static struct fair_item *add_holding(const char *cgroup, uint64_t fds, uint64_t bytes)
{
	struct fair_item *item = &items[item_count++];

	cr_assert_leq(item_count, ARRAY_SIZE(items));
	*item = (struct fair_item){.cgroup = cgroup, .holds = {1, fds, bytes}};
	fair_queue_add(&queue, item);
	return item;
}

static struct fair_item *add(const char *cgroup)
{
	return add_holding(cgroup, 0, 0);
}

static void add_times(const char *cgroup, unsigned int times)
{
	while (times--)
		add(cgroup);
}

/* Whom it serves, one after the other: the cgroups, each followed by a space. */
static const char *order(void)
{
	static char text[1024];
	struct fair_item *item;

	text[0] = '\0';
	while ((item = fair_queue_next(&queue))) {
		strncat(text, item->cgroup, sizeof(text) - strlen(text) - 2);
		strcat(text, " ");
		fair_queue_remove(&queue, item);
	}
	return text;
}

static unsigned int count_of(const char *cgroup)
{
	unsigned int n = 0;

	for (const struct fair_item *item = queue.items; item; item = item->next)
		n += strcmp(item->cgroup, cgroup) == 0;
	return n;
}

static void send_excess_away(void)
{
	struct fair_item *item;

	while ((item = fair_queue_excess(&queue)))
		fair_queue_remove(&queue, item);
}

/* --- serving ------------------------------------------------------------------------------- */

Test(fair_queue, those_of_one_cgroup_are_served_as_they_came)
{
	struct fair_item *first = add("/a"), *second = add("/a"), *third = add("/a");

	cr_expect_eq(fair_queue_next(&queue), first);
	fair_queue_remove(&queue, first);
	cr_expect_eq(fair_queue_next(&queue), second);
	fair_queue_remove(&queue, second);
	cr_expect_eq(fair_queue_next(&queue), third);
	fair_queue_remove(&queue, third);
	cr_expect_null(fair_queue_next(&queue));
}

Test(fair_queue, no_more_are_served_at_once_than_may)
{
	queue.bounds.served = 2;
	add("/a");
	add("/b");
	add("/c");
	cr_expect_str_eq(fair_queue_next(&queue)->cgroup, "/a");
	cr_expect_str_eq(fair_queue_next(&queue)->cgroup, "/b");
	cr_expect_null(fair_queue_next(&queue));
}

Test(fair_queue, a_cgroup_has_one_place_though_others_are_free)
{
	struct fair_item *first = add("/a"), *second = add("/a");

	queue.bounds.served = 3;
	cr_expect_eq(fair_queue_next(&queue), first);
	cr_expect_null(fair_queue_next(&queue));
	add("/b");
	cr_expect_str_eq(fair_queue_next(&queue)->cgroup, "/b");
	cr_expect_null(fair_queue_next(&queue));
	fair_queue_remove(&queue, first);
	cr_expect_eq(fair_queue_next(&queue), second);
}

Test(fair_queue, cgroups_take_turns)
{
	add_times("/a", 3);
	add_times("/b", 3);
	add_times("/c", 1);
	cr_expect_str_eq(order(), "/a /b /c /a /b /a /b ");
}

Test(fair_queue, one_that_comes_late_goes_before_the_many_of_another)
{
	struct fair_item *first;

	add_times("/a", 10);
	first = fair_queue_next(&queue);
	add("/b");
	fair_queue_remove(&queue, first);
	cr_expect_str_eq(fair_queue_next(&queue)->cgroup, "/b");
}

Test(fair_queue, one_that_was_served_longest_ago_goes_first)
{
	add("/a");
	add("/b");
	order();
	add("/b");
	add("/a");
	cr_expect_str_eq(order(), "/a /b ");
}

/* Fair at each level: a tenant with eight cgroups has the turns of one. */
Test(fair_queue, nobody_gains_by_dividing_his_cgroup)
{
	static const char *const parts[] = {"/t/1", "/t/2", "/t/3", "/t/4/x", "/t/4/y"};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		add(parts[i]);
	add_times("/u", 3);
	cr_expect_str_eq(order(), "/t/1 /u /t/2 /u /t/3 /u /t/4/x /t/4/y ");
}

Test(fair_queue, one_above_takes_turns_with_each_below_it)
{
	add_times("/a", 2);
	add_times("/a/b", 2);
	add_times("/a/c", 1);
	add_times("/", 1);
	cr_expect_str_eq(order(), "/a / /a/b /a/c /a /a/b ");
}

Test(fair_queue, names_that_begin_alike_are_of_different_cgroups)
{
	add_times("/a", 2);
	add_times("/ab", 2);
	add_times("/a/b", 1);
	cr_expect_str_eq(order(), "/a /ab /a/b /ab /a ");
}

Test(fair_queue, who_was_served_is_forgotten_after_many)
{
	add("/a");
	order();
	for (unsigned int i = 0; i < FAIR_REMEMBERED; i++) {
		item_count = 0;
		add("/b");
		order();
	}
	add("/a");
	add("/c");
	cr_expect_str_eq(order(), "/a /c ", "as if it had never been served");
}

/* --- sending away -------------------------------------------------------------------------- */

Test(fair_queue, as_many_wait_as_may)
{
	queue.bounds.waiting[FAIR_ITEMS] = 4;
	add_times("/a", 2);
	add_times("/b", 2);
	cr_expect_null(fair_queue_excess(&queue));
}

Test(fair_queue, beyond_that_the_last_of_who_has_most_goes)
{
	struct fair_item *last;

	queue.bounds.waiting[FAIR_ITEMS] = 8;
	add_times("/a", 3);
	last = add("/a");
	add_times("/b", 3);
	add("/c");
	cr_expect_null(fair_queue_excess(&queue));
	add("/d");
	cr_expect_eq(fair_queue_excess(&queue), last);
	fair_queue_remove(&queue, last);
	cr_expect_null(fair_queue_excess(&queue));
}

/* Though others have left room. */
Test(fair_queue, a_cgroup_has_half_of_it_at_most)
{
	queue.bounds.waiting[FAIR_ITEMS] = 8;
	add_times("/a", 7);
	send_excess_away();
	cr_expect_eq(count_of("/a"), 4);
	cr_expect_eq(queue.items, &items[0], "the first that came stay");
}

Test(fair_queue, a_divided_cgroup_is_sent_away_as_one)
{
	queue.bounds.waiting[FAIR_ITEMS] = 4;
	add_times("/u", 1);
	add("/t/1");
	add("/t/2");
	add("/t/3");
	add("/t/4");
	add("/v");
	send_excess_away();
	cr_expect_eq(count_of("/u"), 1);
	cr_expect_eq(count_of("/v"), 1);
	cr_expect_eq(count_of("/t/1") + count_of("/t/2"), 2);
}

/* The few large ones, not the many small ones. */
Test(fair_queue, what_is_held_counts)
{
	struct fair_item *large;

	queue.bounds.waiting[FAIR_FDS] = 100;
	for (unsigned int i = 0; i < 5; i++)
		add_holding("/small", 6, 0);
	add_holding("/large", 40, 0);
	large = add_holding("/large2", 40, 0);
	cr_expect_eq(fair_queue_excess(&queue), large);
	fair_queue_remove(&queue, large);
	cr_expect_null(fair_queue_excess(&queue));

	queue.bounds.waiting[FAIR_BYTES] = 50;
	add_holding("/small", 0, 20);
	large = add_holding("/large", 0, 31);
	cr_expect_eq(fair_queue_excess(&queue), large, "more than half");
}

Test(fair_queue, what_is_served_does_not_count)
{
	queue.bounds.waiting[FAIR_FDS] = 10;
	add_holding("/a", 1000, 0);
	cr_expect_str_eq(fair_queue_next(&queue)->cgroup, "/a");
	add_holding("/a", 5, 0);
	cr_expect_null(fair_queue_excess(&queue));
}

/* --- what does not end --------------------------------------------------------------------- */

Test(fair_queue, a_stuck_one_holds_the_place_of_its_cgroup_alone)
{
	struct fair_item *stuck = add("/a");

	add("/a");
	add("/b");
	cr_expect_eq(fair_queue_next(&queue), stuck);
	cr_expect_null(fair_queue_next(&queue));
	stuck->state = FAIR_STUCK;
	cr_expect_str_eq(order(), "/b ");
	fair_queue_remove(&queue, stuck);
	cr_expect_str_eq(order(), "/a ");
}

Test(fair_queue, behind_many_stuck_ones_nobody_is_served)
{
	struct fair_item *one = add("/a"), *other = add("/b");

	add("/c");
	one->state = other->state = FAIR_STUCK;
	cr_expect_null(fair_queue_next(&queue));
	fair_queue_remove(&queue, one);
	cr_expect_str_eq(order(), "/c ");
}
