/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/memory_parts.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOT_KNOWN UINT64_MAX

static void expect_part(const struct memory_parts *parts, enum memory_part part, uint64_t bytes)
{
	if (bytes == NOT_KNOWN)
		cr_expect(!(parts->known & 1U << part), "%s is known", memory_part_name(part));
	else
		cr_expect(parts->known & 1U << part && parts->bytes[part] == bytes,
			  "%s: %llu of %llu", memory_part_name(part),
			  (unsigned long long)parts->bytes[part], (unsigned long long)bytes);
}

static struct memory_parts parse(const struct memory_parts_text *text)
{
	struct memory_parts parts = {};

	cr_assert_eq(memory_parts_parse(text, &parts), 0);
	return parts;
}

/* The kernel counts tmpfs as page cache; it has no parts of the kernel's own there. */
Test(memory_parts, of_v1)
{
	struct memory_parts parts = parse(&(const struct memory_parts_text){
		.is_v1 = true,
		.stat = "cache 1\nrss 2\nshmem 3\nswap 4\ntotal_cache 700\ntotal_rss 200\n"
			"total_shmem 600\ntotal_swap 50\n",
		.kernel_bytes = 90,
		.usage_bytes = 1000,
		.read_ns = 77,
	});

	cr_expect_eq(parts.read_ns, 77);
	expect_part(&parts, MEMORY_ANON, 200);
	expect_part(&parts, MEMORY_SHMEM, 600);
	expect_part(&parts, MEMORY_FILE, 100);
	expect_part(&parts, MEMORY_KERNEL, 90);
	expect_part(&parts, MEMORY_OTHER, 10);
	expect_part(&parts, MEMORY_SWAP, NOT_KNOWN);
	expect_part(&parts, MEMORY_TABLES, NOT_KNOWN);
}

Test(memory_parts, swap_counts_where_the_limit_is_one_of_both)
{
	struct memory_parts parts = parse(&(const struct memory_parts_text){
		.is_v1 = true,
		.with_swap = true,
		.stat = "total_cache 0\ntotal_rss 200\ntotal_shmem 0\ntotal_swap 50\n",
		.usage_bytes = 250,
	});

	expect_part(&parts, MEMORY_SWAP, 50);
	expect_part(&parts, MEMORY_OTHER, 0);
}

#define V2 "anon 200\nfile 700\nkernel_stack 16\npagetables 32\nsock 8\nshmem 600\nslab 20\n"

Test(memory_parts, of_v2)
{
	struct memory_parts parts = parse(&(const struct memory_parts_text){
		.stat = V2 "kernel 100\npercpu 5\n",
		.usage_bytes = 1010,
	});

	expect_part(&parts, MEMORY_ANON, 200);
	expect_part(&parts, MEMORY_SHMEM, 600);
	expect_part(&parts, MEMORY_FILE, 100);
	expect_part(&parts, MEMORY_TABLES, 32);
	expect_part(&parts, MEMORY_STACKS, 16);
	expect_part(&parts, MEMORY_SLAB, 20);
	expect_part(&parts, MEMORY_SOCKETS, 8);
	expect_part(&parts, MEMORY_KERNEL, 32);
	expect_part(&parts, MEMORY_OTHER, 2);
}

Test(memory_parts, of_v2_before_the_sum_of_the_kernel)
{
	struct memory_parts parts = parse(
		&(const struct memory_parts_text){.stat = V2 "percpu 5\n", .usage_bytes = 1000});

	expect_part(&parts, MEMORY_KERNEL, 5);
	expect_part(&parts, MEMORY_OTHER, 19);
}

/* Counters of CPUs that were not added up yet are beyond what is used. */
Test(memory_parts, more_parts_than_usage_leave_no_rest)
{
	struct memory_parts parts =
		parse(&(const struct memory_parts_text){.stat = V2, .usage_bytes = 10});

	expect_part(&parts, MEMORY_OTHER, 0);
	expect_part(&parts, MEMORY_FILE, 100);
}

Test(memory_parts, without_anonymous_memory_it_is_none)
{
	struct memory_parts parts = {.read_ns = 5};

	cr_expect_eq(memory_parts_parse(&(const struct memory_parts_text){.stat = "file 1\n",
									  .read_ns = 7},
					&parts),
		     -EBADMSG);
	cr_expect_eq(parts.read_ns, 5);
}

struct back {
	uint64_t anon, shmem, other;	     /* as read */
	uint64_t usage, own_anon, own_shmem; /* at the trip */
	uint64_t was_anon, was_shmem, was_other;
};

static void expect_back(const struct back *back)
{
	struct memory_parts parts = {.known = ~0U};

	parts.bytes[MEMORY_ANON] = back->anon;
	parts.bytes[MEMORY_SHMEM] = back->shmem;
	parts.bytes[MEMORY_OTHER] = back->other;
	memory_parts_go_back(&parts, back->usage, back->own_anon, back->own_shmem);
	expect_part(&parts, MEMORY_ANON, back->was_anon);
	expect_part(&parts, MEMORY_SHMEM, back->was_shmem);
	expect_part(&parts, MEMORY_OTHER, back->was_other);
}

Test(memory_parts, what_is_still_there_stays)
{
	expect_back(&(const struct back){200, 50, 10, 260, 150, 0, 200, 50, 10});
}

Test(memory_parts, what_has_grown_since_is_as_read)
{
	expect_back(&(const struct back){300, 50, 10, 260, 150, 0, 300, 50, 10});
}

/* Also where it was not known before: the record of the trip was lost. */
Test(memory_parts, without_a_usage_it_is_as_read)
{
	expect_back(&(const struct back){300, 50, 10, 0, 0, 0, 300, 50, 10});
}

Test(memory_parts, what_the_process_had_is_counted_though_it_is_gone)
{
	expect_back(&(const struct back){0, 50, 10, 260, 200, 0, 200, 50, 10});
}

/* Another process has anonymous memory, too. */
Test(memory_parts, what_others_have_is_not_taken_for_its_own)
{
	expect_back(&(const struct back){100, 50, 0, 350, 200, 0, 300, 50, 0});
}

/* Unmapped already, and not yet given back. */
Test(memory_parts, what_is_on_its_way_back_is_still_its_own)
{
	expect_back(&(const struct back){120, 50, 90, 260, 200, 0, 200, 50, 10});
}

Test(memory_parts, shared_memory_goes_with_who_had_it)
{
	expect_back(&(const struct back){0, 10, 0, 260, 50, 190, 50, 200, 10});
}

Test(memory_parts, what_nobody_is_known_to_have_had_is_not_told)
{
	expect_back(&(const struct back){0, 50, 0, 260, 100, 10, 100, 60, 100});
}

Test(memory_parts, files_are_freed)
{
	struct memory_files files = {.known = true, .count = 1};

	files.list = calloc(1, sizeof(*files.list));
	files.list[0].path = strdup("/dev/shm/a");
	memory_files_clear(&files);
	cr_expect_eq(files.count, 0);
	cr_expect_not(files.known);
}
