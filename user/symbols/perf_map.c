// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/util.h"
#include "symbols/symbols.h"

#define ENTRIES_MAX 1000000
#define LINES_MAX 2000000	     /* a sparse file may have any number of them */
#define NAMES_BYTES_MAX (64UL << 20) /* of all entries; the map of a large program has a few MiB */
#define LINE_ROOM (SYMBOL_NAME_MAX + 64)

struct entry {
	uint64_t start, size;
	uint32_t order; /* of its line: later is newer */
	char *name;
};

struct perf_map {
	struct entry *entries;
	size_t count, room;
	size_t names_bytes;
};

static bool append(struct perf_map *map, const char *line)
{
	struct entry entry = {.order = (uint32_t)map->count};
	const char *name = parse_number(line, 16, ' ', &entry.start);

	name = name ? parse_number(name, 16, ' ', &entry.size) : NULL;
	if (!name || !entry.size || !*name)
		return true; /* not an entry; a line may be half written */
	if (map->count == map->room) {
		size_t larger = map->room ? map->room * 2 : 1024;
		struct entry *grown = reallocarray(map->entries, larger, sizeof(*grown));

		if (!grown)
			return false;
		map->entries = grown;
		map->room = larger;
	}
	entry.name = strndup(name, strcspn(name, "\n"));
	if (!entry.name)
		return false;
	map->entries[map->count++] = entry;
	map->names_bytes += strlen(entry.name) + 1;
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct entry *one = a, *other = b;

	if (one->start != other->start)
		return one->start < other->start ? -1 : 1;
	return one->order < other->order ? -1 : one->order > other->order;
}

static bool is_full(const struct perf_map *map)
{
	return map->count == ENTRIES_MAX || map->names_bytes >= NAMES_BYTES_MAX;
}

struct perf_map *perf_map_open(int fd, const char **ret_error)
{
	struct perf_map *map = calloc(1, sizeof(*map));
	FILE *file = fdopen(fd, "r");
	char line[LINE_ROOM];
	bool whole = true, ok = map && file;

	for (size_t lines = 0;
	     ok && lines < LINES_MAX && !is_full(map) && fgets(line, sizeof(line), file); lines++) {
		if (whole) /* else the rest of a line that is too long */
			ok = append(map, line);
		whole = strchr(line, '\n');
	}
	if (file)
		fclose(file);
	else
		close_fd(fd);
	if (!ok) {
		*ret_error = "out of memory";
		perf_map_close(map);
		return NULL;
	}
	if (map->count)
		qsort(map->entries, map->count, sizeof(*map->entries), by_start);
	return map;
}

void perf_map_close(struct perf_map *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->count; i++)
		free(map->entries[i].name);
	free(map->entries);
	free(map);
}

/*
 * V8 compiles a function again as it gets hot, and marks the name with how: "JS:~name" interpreted,
 * "^" baseline, "+" and "*" optimized. The mark is dropped, since it is one function.
 */
static void copy_name(const char *name, char ret[SYMBOL_NAME_MAX])
{
	size_t prefix = strcspn(name, ":") + 1;
	bool marked = prefix < strlen(name) && strchr("~^+*", name[prefix]) &&
		      memchr(name, ' ', prefix) == NULL;

	if (marked)
		snprintf(ret, SYMBOL_NAME_MAX, "%.*s%s", (int)prefix, name, name + prefix + 1);
	else
		snprintf(ret, SYMBOL_NAME_MAX, "%s", name);
}

/* Code is freed and its memory reused, so ranges overlap: the newest of this many wins. */
#define OVERLAPS 64

bool perf_map_find(const struct perf_map *map, uint64_t address, struct symbol *ret)
{
	const struct entry *best = NULL;
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i > 0 && low - i < OVERLAPS; i--) {
		const struct entry *entry = &map->entries[i - 1];

		if (address - entry->start < entry->size && (!best || entry->order > best->order))
			best = entry;
	}
	if (!best)
		return false;
	*ret = (struct symbol){};
	copy_name(best->name, ret->function);
	return true;
}
