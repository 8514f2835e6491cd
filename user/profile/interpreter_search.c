// SPDX-License-Identifier: BSD-2-Clause
#include "profile/interpreter_search.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/util.h"
#include "core/runtime.h"

#define PROGRAM "apoptosis-symbols"
#define PATIENCE_MS 10000
#define RUNNING_MAX 2 /* anybody may be called like an interpreter */

static unsigned int running;

struct interpreter_search {
	interpreter_search_fn done;
	void *userdata;
	int answer_fd; /* memfd */
	struct helper *helper;
};

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A library comes before the program, which may have nothing but main(). */
static const struct mapping *find_file(const struct snapshot *snapshot)
{
	const struct mapping *found = NULL;

	for (size_t i = 0; i < snapshot->mappings.count; i++) {
		const struct mapping *mapping = &snapshot->mappings.list[i];

		if (!mapping->inode || runtime_of_file(mapping->path) != RUNTIME_PYTHON)
			continue;
		if (strncmp(name_of(mapping->path), "lib", 3) == 0)
			return mapping;
		if (!found)
			found = mapping;
	}
	return found;
}

static int write_request(const struct mapping *mapping, int file_fd)
{
	_cleanup_close_ int fd = memfd_create("request", MFD_CLOEXEC);
	json_t *request = json_pack("{s:s, s:[{s:i, s:s}], s:[[i, I, I, I]]}", "interpreter",
				    name_of(mapping->path), "modules", "fd", file_fd, "kind", "elf",
				    "mappings", 0, (json_int_t)mapping->start,
				    (json_int_t)mapping->end, (json_int_t)mapping->offset);
	int r = request && fd >= 0 ? json_dumpfd(request, fd, JSON_COMPACT) : -1;

	json_decref(request);
	if (r || lseek(fd, 0, SEEK_SET))
		return -ENOMEM;
	return TAKE_FD(fd);
}

static void on_done(bool in_time, void *userdata)
{
	struct interpreter_search *search = userdata;
	struct apo_python found;
	bool is_found = in_time &&
			pread(search->answer_fd, &found, sizeof(found), 0) == sizeof(found);

	search->done(is_found ? &found : NULL, search->userdata);
}

static int start(struct interpreter_search *search, uv_loop_t *loop, const char *path,
		 const struct mapping *mapping, int file_fd)
{
	_cleanup_close_ int request_fd = write_request(mapping, file_fd);
	char *const argv[] = {(char[]){PROGRAM}, NULL};

	search->answer_fd = memfd_create("answer", MFD_CLOEXEC);
	if (request_fd < 0 || search->answer_fd < 0)
		return -ENOMEM;
	return helper_start(&search->helper, &(const struct helper_config){
						     .loop = loop,
						     .path = path,
						     .argv = argv,
						     .in = request_fd,
						     .out = search->answer_fd,
						     .kept_fds = &file_fd,
						     .kept_count = 1,
						     .patience_ms = PATIENCE_MS,
						     .on_done = on_done,
						     .userdata = search,
					     });
}

struct interpreter_search *interpreter_search(uv_loop_t *loop, const struct snapshot *snapshot,
					      interpreter_search_fn done, void *userdata)
{
	const struct mapping *mapping = find_file(snapshot);
	_cleanup_close_ int file_fd = mapping ? snapshot_file(snapshot, mapping) : -1;
	struct interpreter_search *search;
	char path[PATH_MAX];

	if (running == RUNNING_MAX || file_fd < 0 || helper_find(PROGRAM, path))
		return NULL;
	search = calloc(1, sizeof(*search));
	if (!search)
		return NULL;
	running++;
	*search = (struct interpreter_search){.done = done, .userdata = userdata, .answer_fd = -1};
	return start(search, loop, path, mapping, file_fd) ? interpreter_search_drop(search)
							   : search;
}

struct interpreter_search *interpreter_search_drop(struct interpreter_search *search)
{
	if (!search)
		return NULL;
	running--;
	helper_free(search->helper);
	close_fd(search->answer_fd);
	free(search);
	return NULL;
}
