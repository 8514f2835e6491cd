// SPDX-License-Identifier: BSD-2-Clause
/*
 * apoptosis-symbols: frames and names for the stacks of an incident. The daemon starts it for one
 * report. It is a program of its own because files and memory of the profiled program are hostile
 * input: it opens them, gives up every privilege, and only then reads them.
 *
 * In:  {"stacks": FD, "codes": FD,
 *       "modules": [{"fd": FD, "debug": FD, "kind": "elf" | "perf-map"}, ...],
 *       "mappings": [[MODULE, START, END, OFFSET], ...]}, the executable ones by address.
 *      Descriptors are inherited: a file of struct apo_stack, one of struct
 *      apo_python_code, and path descriptors (-1: none): of what is mapped, and of where its names are kept apart.
 * Out: {"modules": [{"build_id": .., "error": ..}, ...],
 *       "locations": [{"address": .., "module": .., "offset": .., "script": true | false,
 *                      "functions": [{"name": .., "source": .., "line": ..}, ...]}, ...],
 *       "stacks": [[LOCATION, ...], ...]}, innermost first.
 *
 * Or, with "interpreter": NAME in place of the files, the name of a file that CPython may be in. Out: a
 * struct apo_python, which says what is not understood.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"
#include "symbols/privileges.h"
#include "symbols/python.h"
#include "symbols/symbols.h"

#define MODULES_MAX 256
#define STACKS_MAX 4096
#define CODES_MAX 4096
/* The daemon takes no more (profile/symbols_reply.c); a report holds 4 MiB. */
#define NAMES_BYTES_MAX (4UL << 20) /* places beyond that get none */
#define PLACES_MAX 16384
#define ANSWER_BYTES_MAX (8UL << 20)
#define CPU_S 20 /* the daemon waits for 30 s */

struct module {
	int fd, debug_fd;
	bool is_perf_map, added;
	const char *error;
	uint64_t start; /* of its first mapping */
	struct perf_map *perf_map;
};

struct mapping {
	uint64_t start, end, offset;
	size_t module;
};

struct stack {
	size_t count;
	struct frame frames[FRAMES_MAX];
};

static struct module modules[MODULES_MAX];
static size_t module_count;
static struct mapping *mappings;
static size_t mapping_count;
static struct code *code;
static const struct module *perf_module;
static int stacks_fd, codes_fd;
static struct apo_python_code *codes; /* by address */
static size_t code_count;
static const char *interpreter; /* NULL: names are asked for */

static int fail(const char *what)
{
	fprintf(stderr, "apoptosis-symbols: %s\n", what);
	return 1;
}

/* --- the request --------------------------------------------------------------------------- */

static uint64_t number_at(const json_t *array, size_t index)
{
	return (uint64_t)json_integer_value(json_array_get(array, index));
}

static int fd_of(const json_t *object, const char *name)
{
	const json_t *fd = json_object_get(object, name);

	return json_is_integer(fd) ? (int)json_integer_value(fd) : -1;
}

/* Opens the file, deleted or not, that a path descriptor keeps. */
static int reopen(int fd, const char **ret_error)
{
	struct stat info;
	char path[40];

	if (fd < 0)
		return -1;
	/* Opening anything but a regular file can block, or make a device do something. */
	if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
		*ret_error = "it is no file that can be read";
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		*ret_error = strerror(errno);
	return fd;
}

static void open_module(const json_t *item, struct module *ret)
{
	const char *kind = json_string_value(json_object_get(item, "kind")), *ignored;

	ret->is_perf_map = kind && strcmp(kind, "perf-map") == 0;
	ret->fd = reopen(fd_of(item, "fd"), &ret->error);
	ret->debug_fd = reopen(fd_of(item, "debug"), &ignored);
}

static bool read_request(const json_t *request)
{
	const json_t *list = json_object_get(request, "mappings"), *item;
	size_t i;

	stacks_fd = fd_of(request, "stacks");
	codes_fd = fd_of(request, "codes");
	interpreter = json_string_value(json_object_get(request, "interpreter"));
	module_count =
		MIN(json_array_size(json_object_get(request, "modules")), (size_t)MODULES_MAX);
	json_array_foreach (json_object_get(request, "modules"), i, item) {
		if (i < module_count)
			open_module(item, &modules[i]);
	}
	mappings = calloc(json_array_size(list) + 1, sizeof(*mappings));
	json_array_foreach (list, i, item) {
		uint64_t module = number_at(item, 0);

		if (mappings && module < module_count)
			mappings[mapping_count++] = (struct mapping){
				.module = (size_t)module,
				.start = number_at(item, 1),
				.end = number_at(item, 2),
				.offset = number_at(item, 3),
			};
	}
	return mappings;
}

/* What an inherited file holds of things that large, `most` at most. NULL: there is no memory for it. */
static void *read_things(int fd, size_t size, size_t most, size_t *ret_count)
{
	struct stat info;
	void *things;
	ssize_t n;

	*ret_count = 0;
	if (fd >= 0 && fstat(fd, &info) == 0)
		*ret_count = MIN((size_t)info.st_size / size, most);
	things = calloc(*ret_count + 1, size);
	n = things && *ret_count ? pread(fd, things, *ret_count * size, 0) : 0;
	*ret_count = n > 0 ? (size_t)n / size : 0;
	return things;
}

/* --- what it may take ---------------------------------------------------------------------- */

#define OWN_BYTES (256ULL << 20)	/* address space, without any file */
#define PER_FILE_BYTE 4			/* mapped, and debug information in it may be compressed */
#define MEMORY_BYTES_LEAST (2ULL << 30) /* Chromium with line tables has 1.3 GB */
#define MEMORY_BYTES_MOST (4ULL << 30)

/*
 * As much as the files call for, which is little but for very large ones, and at most a quarter of the
 * machine: two of these programs may run, and two that look for an interpreter. A sparse file counts as what it holds.
 */
static uint64_t memory_bytes(void)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t most = MIN(MAX(machine / 4, MEMORY_BYTES_LEAST), MEMORY_BYTES_MOST);
	uint64_t files = 0;
	struct stat info;

	for (size_t i = 0; i < 2 * module_count; i++) {
		int fd = i % 2 ? modules[i / 2].debug_fd : modules[i / 2].fd;

		if (fd >= 0 && fstat(fd, &info) == 0)
			files = sat_add(files, MIN((uint64_t)info.st_size,
						   (uint64_t)info.st_blocks * 512));
	}
	return MIN(sat_add(OWN_BYTES, sat_mul(files, PER_FILE_BYTE)), most);
}

static bool give_up_privileges(void)
{
	const struct privileges_bounds bounds = {
		.memory_bytes = memory_bytes(),
		.answer_bytes = ANSWER_BYTES_MAX,
		.cpu_s = CPU_S,
	};
	int kept[2 * MODULES_MAX + 4] = {STDOUT_FILENO, STDERR_FILENO, stacks_fd, codes_fd};

	for (size_t i = 0; i < module_count; i++) {
		kept[4 + 2 * i] = modules[i].fd;
		kept[5 + 2 * i] = modules[i].debug_fd;
	}
	return privileges_close_others(kept, 4 + 2 * module_count) && privileges_drop(&bounds);
}

/* --- the work ------------------------------------------------------------------------------ */

static int by_range(const void *key, const void *item)
{
	uint64_t address = *(const uint64_t *)key;
	const struct mapping *mapping = item;

	return address < mapping->start ? -1 : address >= mapping->end;
}

static const struct mapping *mapping_at(uint64_t address)
{
	return bsearch(&address, mappings, mapping_count, sizeof(*mappings), by_range);
}

/* What a runtime has compiled; a process has one perf map, or none. */
static bool in_perf_map(uint64_t address, struct symbol *ret)
{
	return perf_module && perf_map_find(perf_module->perf_map, address, ret);
}

/*
 * A runtime may take away execute permission while it changes its code. Mappings that were read in
 * that time lack the code, and the perf map still has it.
 */
static bool is_code(uint64_t address, const void *userdata)
{
	static struct symbol symbol;

	(void)userdata;
	return mapping_at(address) || in_perf_map(address, &symbol);
}

/* NULL: in none. *ret_offset: in its file, or the address where it has no file. */
static const struct module *module_at(uint64_t address, uint64_t *ret_offset)
{
	const struct mapping *mapping = mapping_at(address);
	const struct module *module = mapping ? &modules[mapping->module] : NULL;
	static struct symbol symbol;

	*ret_offset = address;
	if (!module)
		return in_perf_map(address, &symbol) ? perf_module : NULL;
	if (!module->is_perf_map)
		*ret_offset = address - mapping->start + mapping->offset;
	return module;
}

static void open_modules(void)
{
	for (size_t i = 0; i < module_count; i++) {
		if (!modules[i].is_perf_map || modules[i].fd < 0 || perf_module)
			continue;
		modules[i].perf_map = perf_map_open(TAKE_FD(modules[i].fd), &modules[i].error);
		if (modules[i].perf_map)
			perf_module = &modules[i];
	}
	for (size_t i = 0; i < mapping_count; i++) {
		struct module *module = &modules[mappings[i].module];

		if (module->fd < 0 || module->is_perf_map)
			continue;
		module->start = mappings[i].start;
		module->added = code_add(code, TAKE_FD(module->fd), mappings[i].start,
					 mappings[i].offset, &module->error);
		if (module->added)
			code_add_debug(code, TAKE_FD(module->debug_fd));
	}
}

static int by_code_address(const void *a, const void *b)
{
	const struct apo_python_code *one = a, *other = b;

	return one->address < other->address ? -1 : one->address > other->address;
}

static void find_python(const struct frame *frame, struct symbol_list *ret)
{
	static struct apo_python_code key;
	const struct apo_python_code *found;

	key.address = frame->address;
	found = bsearch(&key, codes, code_count, sizeof(*codes), by_code_address);
	ret->count = found != NULL;
	if (found)
		python_name(found, frame->at, &ret->symbols[0]);
}

static void find(const struct frame *frame, struct symbol_list *ret)
{
	uint64_t address = frame->address - frame->is_return, offset;
	const struct module *module = module_at(address, &offset);

	*ret = (struct symbol_list){};
	if (frame->is_python)
		find_python(frame, ret);
	else if (module && module->is_perf_map)
		ret->count = in_perf_map(address, &ret->symbols[0]);
	else
		code_find(code, frame, ret);
}

static int by_address(const void *a, const void *b)
{
	const struct frame *one = a, *other = b;

	if (one->address != other->address)
		return one->address < other->address ? -1 : 1;
	if (one->at != other->at)
		return one->at < other->at ? -1 : 1;
	return (one->is_return - other->is_return) * 2 + one->is_python - other->is_python;
}

/* Every place once, sorted. */
static struct frame *collect(const struct stack *stacks, size_t count, size_t *ret_count)
{
	struct frame *places = calloc(count * FRAMES_MAX + 1, sizeof(*places));
	size_t n = 0, kept = 0;

	for (size_t i = 0; places && i < count; i++)
		for (size_t j = 0; j < stacks[i].count; j++)
			places[n++] = stacks[i].frames[j];
	if (n)
		qsort(places, n, sizeof(*places), by_address);
	for (size_t i = 0; i < n; i++)
		if (!kept || by_address(&places[kept - 1], &places[i]) != 0)
			places[kept++] = places[i];
	*ret_count = kept;
	return places;
}

/* The places of all stacks; if these are too many, those of the heaviest, and the others have none. */
static struct frame *collect_some(struct stack *stacks, size_t count, size_t *ret_count)
{
	struct frame *places = collect(stacks, count, ret_count);

	for (size_t some = count / 2; places && *ret_count > PLACES_MAX; some /= 2) {
		for (size_t i = some; i < count; i++)
			stacks[i].count = 0;
		free(places);
		places = collect(stacks, some, ret_count);
	}
	return places;
}

/* --- the reply ----------------------------------------------------------------------------- */

/* Names are any bytes; JSON is UTF-8. */
static json_t *text_json(const char *raw)
{
	_cleanup_free_ char *safe = raw && *raw ? text_utf8(raw) : NULL;

	return safe ? json_string(safe) : json_null();
}

static json_t *modules_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < module_count; i++) {
		json_t *object = json_object();

		json_object_set_new(
			object, "build_id",
			text_json(modules[i].added ? code_build_id(code, modules[i].start) : NULL));
		json_object_set_new(object, "error", text_json(modules[i].error));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *functions_json(const struct symbol_list *found)
{
	json_t *list = json_array();

	for (size_t i = 0; i < found->count; i++) {
		json_t *object = json_object();

		json_object_set_new(object, "name", text_json(found->symbols[i].function));
		json_object_set_new(object, "source", text_json(found->symbols[i].source));
		json_object_set_new(object, "line", json_integer(found->symbols[i].line));
		json_array_append_new(list, object);
	}
	return list;
}

/* Whether these names fit into the reply; takes their room. */
static bool have_room(const struct symbol_list *found, size_t *room)
{
	size_t bytes = 0;

	for (size_t i = 0; i < found->count; i++)
		bytes += text_json_size(found->symbols[i].function) +
			 text_json_size(found->symbols[i].source) + 64;
	if (bytes > *room)
		return false;
	*room -= bytes;
	return true;
}

static json_t *locations_json(const struct frame *places, size_t count)
{
	static struct symbol_list found;
	size_t room = NAMES_BYTES_MAX;
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		uint64_t address = places[i].address - places[i].is_return, offset;
		const struct module *module = module_at(address, &offset);
		json_t *object = json_object();

		if (places[i].is_python)
			module = NULL;
		find(&places[i], &found);
		if (!have_room(&found, &room))
			found.count = 0;
		json_object_set_new(object, "address", json_integer((json_int_t)address));
		json_object_set_new(object, "module",
				    json_integer(module ? (json_int_t)(module - modules) : -1));
		json_object_set_new(object, "offset", json_integer((json_int_t)offset));
		json_object_set_new(object, "script", json_boolean(places[i].is_python));
		json_object_set_new(object, "functions", functions_json(&found));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *stacks_json(const struct stack *stacks, size_t count, const struct frame *places,
			   size_t place_count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *indices = json_array();

		for (size_t j = 0; j < stacks[i].count; j++) {
			const struct frame *place = bsearch(&stacks[i].frames[j], places,
							    place_count, sizeof(*places),
							    by_address);

			json_array_append_new(indices, json_integer(place - places));
		}
		json_array_append_new(list, indices);
	}
	return list;
}

/* With -X perf each of CPython's functions has a piece of machine code of its own, which says nothing new. */
static size_t drop_trampolines(struct frame frames[FRAMES_MAX], size_t count)
{
	static struct symbol symbol;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (frames[i].is_python || !in_perf_map(frames[i].address - 1, &symbol) ||
		    !text_starts_with(symbol.function, "py::"))
			frames[kept++] = frames[i];
	return kept;
}

static size_t find_frames(const struct apo_stack *raw, struct frame frames[FRAMES_MAX])
{
	size_t count = code_unwind(code, raw, is_code, NULL, frames);

	if (!raw->python_count)
		return count;
	return drop_trampolines(frames, python_merge(code, raw, frames, count));
}

static json_t *make_reply(const struct apo_stack *raw, size_t count)
{
	struct stack *stacks = calloc(count + 1, sizeof(*stacks));
	struct frame *places = NULL;
	size_t place_count = 0;

	code = code_new();
	if (!code || !stacks)
		return NULL;
	open_modules();
	for (size_t i = 0; i < count; i++)
		stacks[i].count = find_frames(&raw[i], stacks[i].frames);
	places = collect_some(stacks, count, &place_count);
	if (!places)
		return NULL;
	return json_pack("{s:o, s:o, s:o}", "modules", modules_json(), "locations",
			 locations_json(places, place_count), "stacks",
			 stacks_json(stacks, count, places, place_count));
}

static int answer_names(void)
{
	struct apo_stack *stacks;
	json_t *reply;
	size_t count;

	stacks = read_things(stacks_fd, sizeof(*stacks), STACKS_MAX, &count);
	codes = read_things(codes_fd, sizeof(*codes), CODES_MAX, &code_count);
	if (codes)
		qsort(codes, code_count, sizeof(*codes), by_code_address);
	reply = stacks && codes ? make_reply(stacks, count) : NULL;
	if (!reply)
		return fail("out of memory");
	if (json_dumpf(reply, stdout, JSON_COMPACT) || fflush(stdout))
		return fail("cannot write the answer");
	return 0;
}

static int answer_interpreter(void)
{
	struct apo_python found;

	code = code_new();
	if (!code)
		return fail("out of memory");
	open_modules();
	python_find(code, interpreter, &found);
	if (write(STDOUT_FILENO, &found, sizeof(found)) != sizeof(found))
		return fail("cannot write the answer");
	return 0;
}

int main(void)
{
	const struct sched_param none = {.sched_priority = 0};
	json_t *request = json_loadf(stdin, 0, NULL);

	if (!request)
		return fail("bad request: it is started by apoptosis, for a report");
	if (!read_request(request))
		return fail("out of memory");
	/* Names are for who reads the report: the shutdown comes first. What the interpreter is, is asked before. */
	if (!interpreter)
		sched_setscheduler(0, SCHED_IDLE, &none);
	if (!give_up_privileges())
		return fail("cannot give up privileges: looking at nothing");
	return interpreter ? answer_interpreter() : answer_names();
}
