/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/report_memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/document.h"
#include "output/format.h"
#include "output/json.h"

#define SHARE_LEAST 100 /* a part of the whole that explains nothing */
#define PARTS_MAX 16	/* in a document */
#define NAMED_MAX 2	/* files in a sentence */

static const struct {
	const char *part;
	const char *words;    /* of a row */
	const char *sentence; /* "... of that are"; NULL: it is what everybody expects */
	const char *advice;
} kinds[] = {
	{"anon", "anonymous: heaps, stacks, mappings without a file", NULL, NULL},
	{"shmem", "files on tmpfs, shared memory", "files on tmpfs and shared memory",
	 "Most of what fills the limit are files on tmpfs or shared memory. They stay when a "
	 "program ends: remove them, mount that tmpfs with size=, or write to a disk."},
	{"file", "page cache of files on disks, which can be dropped", NULL, NULL},
	{"swap", "swapped out", "swapped out", NULL},
	{"page_tables", "the kernel's: page tables", "page tables of the kernel",
	 "Most of what fills the limit are page tables: of many processes that share memory, or of "
	 "memory touched far apart. Use huge pages, or fewer processes."},
	{"kernel_stack", "the kernel's: stacks of threads",
	 "stacks that the kernel has for threads",
	 "Most of what fills the limit are stacks of threads in the kernel: bound the number of "
	 "threads."},
	{"slab", "the kernel's: its objects, as of files, pipes, timers",
	 "objects of the kernel, as of files, pipes, timers",
	 "Most of what fills the limit are objects of the kernel: look for descriptors, timers or "
	 "watches that are made and not closed (slabtop names the kind)."},
	{"sock", "the kernel's: what waits in sockets", "data that waits in sockets of the kernel",
	 "Most of what fills the limit waits in sockets: look for who writes faster than the other "
	 "end reads."},
	{"kernel", "the kernel's: all else", "memory that the kernel has for its processes",
	 "Most of what fills the limit is memory that the kernel has for the processes: page "
	 "tables, pipes, sockets, files. Look for many processes or threads, and for descriptors "
	 "that are not closed."},
	{"other", "not told: given back before it was read, or held ahead", NULL, NULL},
};

static size_t kind_of(const json_t *part)
{
	const char *name = document_text(part, "part") ?: "";
	size_t i = 0;

	while (i < ARRAY_SIZE(kinds) && strcmp(kinds[i].part, name) != 0)
		i++;
	return i;
}

static uint64_t bytes_of(const json_t *object, const char *member)
{
	return (uint64_t)MAX(json_integer_value(document_at(object, member)), 0);
}

/* --- a table ------------------------------------------------------------------------------- */

struct part {
	const json_t *json;
	uint64_t bytes;
};

static int by_bytes(const void *a, const void *b)
{
	const struct part *one = a, *other = b;

	return one->bytes > other->bytes ? -1 : one->bytes < other->bytes;
}

/* Those that are understood, largest first; at most PARTS_MAX. Returns their sum. */
static uint64_t sort_parts(const json_t *document, struct part *parts, size_t *ret_count)
{
	uint64_t sum = 0;
	const json_t *part;
	size_t i, count = 0;

	json_array_foreach (document_at(document, "memory.parts"), i, part) {
		if (count == PARTS_MAX || kind_of(part) == ARRAY_SIZE(kinds))
			continue;
		parts[count++] = (struct part){.json = part, .bytes = bytes_of(part, "bytes")};
		sum = sat_add(sum, parts[count - 1].bytes);
	}
	qsort(parts, count, sizeof(*parts), by_bytes);
	*ret_count = count;
	return sum;
}

/* v1 has one number for all of the kernel's. */
static const char *words_of(const struct part *part, const struct part *parts, size_t count)
{
	size_t kind = kind_of(part->json);
	bool is_split = false;

	for (size_t i = 0; i < count; i++)
		is_split |= document_is_text(parts[i].json, "part", "page_tables");
	if (!is_split && strcmp(kinds[kind].part, "kernel") == 0)
		return "the kernel's: page tables, stacks of threads, pipes, objects";
	return kinds[kind].words;
}

static json_t *change_json(const struct part *part)
{
	int64_t change = sat_diff(part->bytes, bytes_of(part->json, "before_bytes"));
	char size[20], text[24];

	if (!document_is_known(part->json, "before_bytes"))
		return json_string("");
	format_size(size, sizeof(size), (uint64_t)(change < 0 ? -change : change));
	snprintf(text, sizeof(text), "%c%s", change < 0 ? '-' : '+', size);
	return json_string(change ? text : "");
}

static bool is_owned(const json_t *document)
{
	return json_is_true(document_at(document, "memory.files_owned"));
}

/* Where nobody may know what a file is charged to (CAP_SYS_ADMIN), it may be a neighbour's: that is said. */
static json_t *file_json(const json_t *file, bool owned)
{
	_cleanup_free_ char *path = text_escape_line(document_text(file, "path") ?: "?");
	bool is_unlinked = json_is_true(document_at(file, "unlinked"));
	char size[20];

	format_size(size, sizeof(size), bytes_of(file, "bytes"));
	return json_pack(
		"[s, n, o]", size,
		json_sprintf("%s%s%s%s", path ?: "?", is_unlinked ? ", removed but open" : "",
			     json_is_true(document_at(file, "older")) ? ", older than the process"
								      : "",
			     owned ? "" : ", whoever's it is"));
}

static int add_files(json_t *list, const json_t *document)
{
	const json_t *file;
	size_t i;
	int r = 0;

	json_array_foreach (document_at(document, "memory.files"), i, file)
		if (i < 4)
			r |= json_array_append_new(list, file_json(file, is_owned(document)));
	return r;
}

/* "12 mappings of libx.so, the largest 3.0 MiB". */
static json_t *mapping_json(const json_t *mapping)
{
	const char *name = document_text(mapping, "name") ?: "";
	_cleanup_free_ char *escaped = text_escape_line(name);
	uint64_t count = bytes_of(mapping, "count");
	char size[20], largest[40] = "", many[40] = "";

	format_size(size, sizeof(size), bytes_of(mapping, "bytes"));
	if (count > 1) {
		char most[20];

		format_size(most, sizeof(most), bytes_of(mapping, "largest_bytes"));
		snprintf(largest, sizeof(largest), ", the largest %s", most);
		snprintf(many, sizeof(many), "%" PRIu64 " mappings ", count);
	}
	if (!*name)
		return json_pack("[s, n, o]", size,
				 json_sprintf("%swithout a name%s", count > 1 ? many : "a mapping ",
					      largest));
	return json_pack("[s, n, o]", size,
			 json_sprintf("%s%s%s%s", many, count > 1 ? "of " : "", escaped ?: "?",
				      largest));
}

/* What the process that grew had mapped, where that was recorded. */
static int add_mappings(json_t *list, const json_t *document)
{
	static const char *const sums[] = {"heap", "stack", "anon", "file", "shmem"};
	const json_t *mappings = document_at(document, "recording.mappings"), *item;
	_cleanup_free_ char *comm =
		text_escape_line(document_text(document, "process.comm") ?: "?");
	uint64_t sum = 0;
	char size[20];
	size_t i;
	int r;

	if (!json_array_size(document_at(mappings, "largest")))
		return 0;
	for (i = 0; i < ARRAY_SIZE(sums); i++)
		sum = sat_add(sum, bytes_of(mappings, sums[i]));
	format_size(size, sizeof(size), sum);
	r = json_array_append_new(
		list, json_pack("[s, s, o]", size, "",
				json_sprintf("resident in %s just after, by what is mapped",
					     comm ?: "?")));
	json_array_foreach (document_at(mappings, "largest"), i, item)
		if (bytes_of(item, "bytes") >= sum / SHARE_LEAST)
			r |= json_array_append_new(list, mapping_json(item));
	return r;
}

json_t *report_memory(const json_t *document)
{
	struct part parts[PARTS_MAX];
	size_t count;
	uint64_t sum = sort_parts(document, parts, &count);
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		char size[20];

		if (!parts[i].bytes || parts[i].bytes < sum / SHARE_LEAST)
			continue;
		format_size(size, sizeof(size), parts[i].bytes);
		r |= json_array_append_new(list,
					   json_pack("[s, o, s]", size, change_json(&parts[i]),
						     words_of(&parts[i], parts, count)));
		if (document_is_text(parts[i].json, "part", "shmem"))
			r |= add_files(list, document);
	}
	if (json_array_size(list))
		r |= add_mappings(list, document);
	return json_finish(list, r);
}

char *report_memory_time(const json_t *document)
{
	double before_ms = -json_number_value(document_at(document, "memory.parts_before_ms"));
	char time[20];
	char *text;
	int r;

	format_duration(time, sizeof(time),
			before_ms > 0 && before_ms < 1e12 ? (uint64_t)(before_ms * 1e6) : 0);
	if (before_ms > 0)
		r = asprintf(&text,
			     "All of the limit's cgroup, and what has changed in the last %s "
			     "before the line.",
			     time);
	else
		r = asprintf(&text, "All of the limit's cgroup.");
	return r < 0 ? NULL : text;
}

/* --- sentences ----------------------------------------------------------------------------- */

/* The part that is most of what is needed, if that is one to tell of. NULL: there is none. */
static const json_t *find_main(const json_t *document)
{
	struct part parts[PARTS_MAX];
	uint64_t sum = 0;
	size_t count, main = 0;

	sort_parts(document, parts, &count);
	while (main < count && document_is_text(parts[main].json, "part", "file"))
		main++;
	for (size_t i = main; i < count; i++)
		sum = sat_add(sum,
			      document_is_text(parts[i].json, "part", "file") ? 0 : parts[i].bytes);
	if (main == count || parts[main].bytes <= sum / 2 ||
	    !kinds[kind_of(parts[main].json)].sentence)
		return NULL;
	return parts[main].json;
}

static void tell_files(FILE *file, const json_t *document)
{
	const json_t *files = document_at(document, "memory.files"), *item;
	size_t count = json_array_size(files), i, older = 0;

	json_array_foreach (files, i, item) {
		older += json_is_true(document_at(item, "older"));
		if (i < NAMED_MAX)
			document_print(file, item, i == 0 ? ": %t (%s)" : ", %t (%s)",
				       PATHS("path", "bytes"));
	}
	if (count > NAMED_MAX)
		fprintf(file, " and more");
	if (count && older == count)
		fputs(", left there before it began", file);
}

const char *report_memory_main(const json_t *document)
{
	const json_t *part = find_main(document);

	return part ? kinds[kind_of(part)].sentence : "";
}

void report_memory_tell(FILE *file, const json_t *document)
{
	const json_t *part = find_main(document);
	char size[20];

	if (!part)
		return;
	/* Read a little later, when it may have grown beyond. */
	format_size(size, sizeof(size),
		    MIN(bytes_of(part, "bytes"),
			bytes_of(document, "memory.need_bytes") ?: UINT64_MAX));
	fprintf(file, " %s of ", size);
	document_print(file, document, "these %s are ", PATHS("memory.need_bytes"));
	fputs(kinds[kind_of(part)].sentence, file);
	if (document_is_text(part, "part", "shmem") && is_owned(document))
		tell_files(file, document);
	fputc('.', file);
}

const char *report_memory_advice(const json_t *document)
{
	const json_t *part = find_main(document);

	return part ? kinds[kind_of(part)].advice : NULL;
}
