// SPDX-License-Identifier: BSD-2-Clause
#include "sense/mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"

/*
 * START-END PERMS OFFSET MAJOR:MINOR INODE [PATH], the first numbers in base 16. A blank in place of the
 * line break is the end of the last number; a line that is cut within that is none.
 */
static bool parse_line(char *line, struct mapping *ret, bool *ret_executable)
{
	char *line_break = strchr(line, '\n');
	const char *at = line;

	*ret = (struct mapping){};
	if (line_break)
		*line_break = ' ';
	at = parse_number(at, 16, '-', &ret->start);
	at = at ? parse_number(at, 16, ' ', &ret->end) : NULL;
	if (!at || strcspn(at, " ") != 4 || at[4] != ' ')
		return false;
	*ret_executable = at[2] == 'x';
	at = parse_number(at + 5, 16, ' ', &ret->offset);
	at = at ? parse_number(at, 16, ':', &ret->major) : NULL;
	at = at ? parse_number(at, 16, ' ', &ret->minor) : NULL;
	at = at ? parse_number(at, 10, ' ', &ret->inode) : NULL;
	if (!at)
		return false;
	ret->path = line + (at - line) + strspn(at, " ");
	for (size_t length = strlen(ret->path); length && ret->path[length - 1] == ' '; length--)
		ret->path[length - 1] = '\0';
	if (text_ends_with(ret->path, " (deleted)"))
		ret->path[strlen(ret->path) - strlen(" (deleted)")] = '\0';
	return true;
}

static int append(struct mappings *mappings, size_t *room, const struct mapping *mapping)
{
	struct mapping *added;

	if (mappings->count == *room) {
		size_t larger = *room ? *room * 2 : 64;
		struct mapping *grown = reallocarray(mappings->list, larger, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		mappings->list = grown;
		*room = larger;
	}
	added = &mappings->list[mappings->count];
	*added = *mapping;
	added->path = strdup(mapping->path);
	if (!added->path)
		return -ENOMEM;
	mappings->count++;
	return 0;
}

int mappings_parse(FILE *file, struct mappings *ret)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0, room = 0, paths = 0;
	struct mapping mapping;
	bool executable;
	int r = 0;

	*ret = (struct mappings){};
	while (!r && ret->count < MAPPINGS_MAX && getline(&line, &size, file) > 0) {
		if (!parse_line(line, &mapping, &executable) || !executable)
			continue;
		paths += strlen(mapping.path);
		if (paths > MAPPINGS_PATHS_MAX)
			break;
		r = append(ret, &room, &mapping);
	}
	if (r)
		mappings_clear(ret);
	return r;
}

static FILE *open_file(int pid_dirfd, const char *name)
{
	int fd = openat(pid_dirfd, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (!file)
		close_fd(fd);
	return file;
}

/*
 * The kernel writes a page at a time, and ends where the process lets go of its memory in between: what was read is
 * all if there is still something to read.
 */
static int check_whole(FILE *file)
{
	rewind(file);
	return getc(file) == EOF ? -ESRCH : 0;
}

int mappings_read(int pid_dirfd, struct mappings *ret)
{
	_cleanup_fclose_ FILE *file = open_file(pid_dirfd, "maps");
	int r = file ? mappings_parse(file, ret) : -errno;

	if (r)
		return r;
	r = ret->count ? check_whole(file) : -ESRCH;
	if (r)
		mappings_clear(ret);
	return r;
}

void mappings_write(const struct mappings *mappings, FILE *file)
{
	for (size_t i = 0; i < mappings->count; i++) {
		const struct mapping *mapping = &mappings->list[i];

		fprintf(file,
			"%" PRIx64 "-%" PRIx64 " r-xp %" PRIx64 " %" PRIx64 ":%" PRIx64 " %" PRIu64
			" %s\n",
			mapping->start, mapping->end, mapping->offset, mapping->major,
			mapping->minor, mapping->inode, mapping->path);
	}
}

void mappings_clear(struct mappings *mappings)
{
	for (size_t i = 0; i < mappings->count; i++)
		free(mappings->list[i].path);
	free(mappings->list);
	*mappings = (struct mappings){};
}

static int by_address(const void *key, const void *item)
{
	uint64_t address = *(const uint64_t *)key;
	const struct mapping *mapping = item;

	if (address < mapping->start)
		return -1;
	return address >= mapping->end;
}

const struct mapping *mappings_find(const struct mappings *mappings, uint64_t address)
{
	if (!mappings->count)
		return NULL;
	return bsearch(&address, mappings->list, mappings->count, sizeof(*mappings->list),
		       by_address);
}

/* --- sums ---------------------------------------------------------------------------------- */

/* The sum for the pages of a mapping. The caller counts anonymous pages of a file mapping apart. */
static uint64_t *kind_of(const struct mapping *mapping, struct mapping_sums *sums)
{
	if (strcmp(mapping->path, "[heap]") == 0)
		return &sums->heap;
	if (text_starts_with(mapping->path, "[stack"))
		return &sums->stack;
	if (text_starts_with(mapping->path, "/dev/shm/") ||
	    text_starts_with(mapping->path, "/dev/zero") ||
	    text_starts_with(mapping->path, "/memfd:") ||
	    text_starts_with(mapping->path, "/SYSV") ||
	    text_starts_with(mapping->path, "[anon_shmem"))
		return &sums->shmem;
	return mapping->inode ? &sums->file : &sums->anon;
}

struct groups {
	struct mapping_group *list;
	size_t count, room;
};

/* Another mapping with anything resident. Neighbours often have one name. -ENOMEM. */
static int add_to_groups(struct groups *groups, const char *name, uint64_t bytes)
{
	size_t length = strlen(name);
	const char *end = name + length - MIN(length, MAPPING_NAME_MAX - 1);
	struct mapping_group *last = groups->count ? &groups->list[groups->count - 1] : NULL;

	if (!last || strcmp(last->name, end) != 0) {
		if (groups->count == groups->room) {
			size_t larger = groups->room ? groups->room * 2 : 64;

			last = reallocarray(groups->list, larger, sizeof(*last));
			if (!last)
				return -ENOMEM;
			groups->list = last;
			groups->room = larger;
		}
		last = &groups->list[groups->count++];
		*last = (struct mapping_group){};
		snprintf(last->name, sizeof(last->name), "%s", end);
	}
	last->bytes += bytes;
	last->largest_bytes = MAX(last->largest_bytes, bytes);
	last->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct mapping_group *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static int by_bytes(const void *a, const void *b)
{
	const struct mapping_group *one = a, *other = b;

	return one->bytes > other->bytes ? -1 : one->bytes < other->bytes;
}

/* One for each name, and the largest of them. */
static void choose_groups(struct groups *groups, struct mapping_sums *ret)
{
	size_t count = 0;

	if (!groups->count)
		return;
	qsort(groups->list, groups->count, sizeof(*groups->list), by_name);
	for (size_t i = 1; i < groups->count; i++) {
		struct mapping_group *last = &groups->list[count];
		const struct mapping_group *group = &groups->list[i];

		if (strcmp(group->name, last->name) != 0) {
			groups->list[++count] = *group;
			continue;
		}
		last->bytes += group->bytes;
		last->largest_bytes = MAX(last->largest_bytes, group->largest_bytes);
		last->count += group->count;
	}
	count++;
	qsort(groups->list, count, sizeof(*groups->list), by_bytes);
	ret->group_count = MIN(count, (size_t)MAPPING_GROUPS_MAX);
	memcpy(ret->groups, groups->list, ret->group_count * sizeof(*ret->groups));
}

int mapping_sums_parse(FILE *file, struct mapping_sums *ret)
{
	_cleanup_free_ char *line = NULL, *name = NULL;
	uint64_t *kind = NULL, resident_kib = 0, kib;
	struct groups groups = {};
	struct mapping mapping;
	size_t size = 0;
	bool executable;
	int r = 0;

	*ret = (struct mapping_sums){};
	while (!r && getline(&line, &size, file) > 0) {
		if (parse_line(line, &mapping, &executable)) {
			kind = kind_of(&mapping, ret);
			free(name);
			name = strdup(mapping.path);
			r = name ? 0 : -ENOMEM;
		} else if (kind && !parse_field_u64(line, "Rss", &kib)) {
			resident_kib = kib;
			*kind += kib * 1024;
			r = kib ? add_to_groups(&groups, name, kib * 1024) : 0;
		} else if (kind == &ret->file && !parse_field_u64(line, "Anonymous", &kib)) {
			kib = MIN(kib, resident_kib);
			ret->file -= kib * 1024;
			ret->anon += kib * 1024;
		}
	}
	if (!r)
		choose_groups(&groups, ret);
	free(groups.list);
	return r;
}

int mapping_sums_read(int pid_dirfd, struct mapping_sums *ret)
{
	_cleanup_fclose_ FILE *file = open_file(pid_dirfd, "smaps");

	if (!file)
		return -errno;
	return mapping_sums_parse(file, ret) ?: check_whole(file);
}
