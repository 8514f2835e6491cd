// SPDX-License-Identifier: BSD-2-Clause
#include "core/memory_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"
#include "base/util.h"

const char *memory_part_name(enum memory_part part)
{
	static const char *const names[MEMORY_PARTS] = {
		[MEMORY_ANON] = "anon",		 [MEMORY_SHMEM] = "shmem",
		[MEMORY_FILE] = "file",		 [MEMORY_SWAP] = "swap",
		[MEMORY_TABLES] = "page_tables", [MEMORY_STACKS] = "kernel_stack",
		[MEMORY_SLAB] = "slab",		 [MEMORY_SOCKETS] = "sock",
		[MEMORY_KERNEL] = "kernel",	 [MEMORY_OTHER] = "other",
	};

	return names[part];
}

static void set(struct memory_parts *parts, enum memory_part part, uint64_t bytes)
{
	parts->known |= 1U << part;
	parts->bytes[part] = bytes;
}

/* Whether the key is there. */
static bool take(struct memory_parts *parts, enum memory_part part, const char *stat,
		 const char *key)
{
	uint64_t bytes;

	if (parse_field_u64(stat, key, &bytes))
		return false;
	set(parts, part, bytes);
	return true;
}

static void take_v1(const struct memory_parts_text *text, struct memory_parts *parts)
{
	take(parts, MEMORY_ANON, text->stat, "total_rss");
	take(parts, MEMORY_SHMEM, text->stat, "total_shmem");
	take(parts, MEMORY_FILE, text->stat, "total_cache");
	if (text->with_swap)
		take(parts, MEMORY_SWAP, text->stat, "total_swap");
	set(parts, MEMORY_KERNEL, text->kernel_bytes);
}

static void take_v2(const struct memory_parts_text *text, struct memory_parts *parts)
{
	uint64_t *bytes = parts->bytes;

	take(parts, MEMORY_ANON, text->stat, "anon");
	take(parts, MEMORY_SHMEM, text->stat, "shmem");
	take(parts, MEMORY_FILE, text->stat, "file");
	take(parts, MEMORY_TABLES, text->stat, "pagetables");
	take(parts, MEMORY_STACKS, text->stat, "kernel_stack");
	take(parts, MEMORY_SLAB, text->stat, "slab");
	take(parts, MEMORY_SOCKETS, text->stat, "sock");
	/* All of the kernel's without the sockets, from 5.18 on. */
	if (take(parts, MEMORY_KERNEL, text->stat, "kernel"))
		bytes[MEMORY_KERNEL] =
			sat_sub(bytes[MEMORY_KERNEL],
				bytes[MEMORY_TABLES] + bytes[MEMORY_STACKS] + bytes[MEMORY_SLAB]);
	else
		take(parts, MEMORY_KERNEL, text->stat, "percpu");
}

int memory_parts_parse(const struct memory_parts_text *text, struct memory_parts *ret)
{
	struct memory_parts parts = {.read_ns = text->read_ns};
	uint64_t left = text->usage_bytes;

	if (text->is_v1)
		take_v1(text, &parts);
	else
		take_v2(text, &parts);
	if (!(parts.known & 1U << MEMORY_ANON))
		return -EBADMSG;
	/* Page cache as the kernel counts it has tmpfs in it. */
	parts.bytes[MEMORY_FILE] = sat_sub(parts.bytes[MEMORY_FILE], parts.bytes[MEMORY_SHMEM]);
	for (int part = 0; part < MEMORY_OTHER; part++)
		left = sat_sub(left, parts.bytes[part]);
	set(&parts, MEMORY_OTHER, left);
	*ret = parts;
	return 0;
}

static uint64_t sum_of(const struct memory_parts *parts, int count)
{
	uint64_t sum = 0;

	for (int part = 0; part < count; part++)
		sum = sat_add(sum, parts->bytes[part]);
	return sum;
}

void memory_parts_go_back(struct memory_parts *parts, uint64_t usage_bytes, uint64_t anon_bytes,
			  uint64_t shmem_bytes)
{
	uint64_t sum = sum_of(parts, MEMORY_PARTS);
	uint64_t gone = sat_sub(usage_bytes, sum), untold, less, more;

	if (usage_bytes < sum)
		return; /* it has grown since */
	/* Of a process that ends, pages are no part any more before they are not used any more. */
	untold = usage_bytes - sum_of(parts, MEMORY_OTHER);
	less = MIN(untold, sat_sub(anon_bytes, parts->bytes[MEMORY_ANON]));
	more = MIN(sat_sub(gone, less), anon_bytes - less);
	parts->bytes[MEMORY_ANON] += less + more;
	parts->bytes[MEMORY_SHMEM] += MIN(sat_sub(gone, less + more), shmem_bytes);
	parts->bytes[MEMORY_OTHER] = usage_bytes - sum_of(parts, MEMORY_OTHER);
}

void memory_files_clear(struct memory_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->list[i].path);
	free(files->list);
	*files = (struct memory_files){};
}
