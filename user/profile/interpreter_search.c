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

/* "/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so": who loads it has an interpreter. */
static bool is_extension(const char *path)
{
	return strstr(path, "/lib-dynload/") && strstr(path, ".cpython-3");
}

/*
 * A library comes before the program, which may have nothing but main(). Where no file is called so, but extensions
 * are loaded, it is in the program itself, the first that is mapped.
 */
static const struct mapping *find_file(const struct snapshot *snapshot, const char **ret_name)
{
	const struct mapping *found = NULL, *program = NULL;
	const char *extension = NULL;

	for (size_t i = 0; i < snapshot->mappings.count; i++) {
		const struct mapping *mapping = &snapshot->mappings.list[i];

		if (!mapping->inode)
			continue;
		if (!program)
			program = mapping;
		if (runtime_of_file(mapping->path) != RUNTIME_PYTHON)
			continue;
		*ret_name = name_of(mapping->path);
		if (is_extension(mapping->path))
			extension = *ret_name;
		else if (strncmp(*ret_name, "lib", 3) == 0)
			return mapping;
		else if (!found)
			found = mapping;
	}
	*ret_name = found ? name_of(found->path) : extension;
	return found || !extension ? found : program;
}

static int write_request(const struct mapping *mapping, const char *name, int file_fd)
{
	_cleanup_close_ int fd = memfd_create("request", MFD_CLOEXEC);
	json_t *request = json_pack("{s:s, s:[{s:i, s:s}], s:[[i, I, I, I]]}", "interpreter", name,
				    "modules", "fd", file_fd, "kind", "elf", "mappings", 0,
				    (json_int_t)mapping->start, (json_int_t)mapping->end,
				    (json_int_t)mapping->offset);
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
		 int request_fd, int file_fd)
{
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
	const char *name = NULL;
	const struct mapping *mapping = find_file(snapshot, &name);
	_cleanup_close_ int file_fd = mapping ? snapshot_file(snapshot, mapping) : -1;
	_cleanup_close_ int request_fd = file_fd < 0 ? -1 : write_request(mapping, name, file_fd);
	struct interpreter_search *search;
	char path[PATH_MAX];

	if (running == RUNNING_MAX || file_fd < 0 || helper_find(PROGRAM, path))
		return NULL;
	search = calloc(1, sizeof(*search));
	if (!search)
		return NULL;
	running++;
	*search = (struct interpreter_search){.done = done, .userdata = userdata, .answer_fd = -1};
	return start(search, loop, path, request_fd, file_fd) ? interpreter_search_drop(search)
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
