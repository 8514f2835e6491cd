// SPDX-License-Identifier: BSD-2-Clause
#include "profile/symbolizer.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/util.h"
#include "profile/symbols_reply.h"

#define PROGRAM "apoptosis-symbols"
#define PATIENCE_MS 30000

struct symbolizer {
	struct capture *capture;
	symbolizer_fn done;
	void *userdata;
	int answer_fd; /* memfd */
	struct helper *helper;
};

/* --- asking -------------------------------------------------------------------------------- */

static json_t *request_json(const struct capture *capture, int stacks_fd, int codes_fd)
{
	json_t *modules = json_array(), *mappings = json_array();

	for (size_t i = 0; i < capture->recording->module_count; i++)
		json_array_append_new(
			modules, json_pack("{s:i, s:s}", "fd", capture->files[i].fd, "kind",
					   capture->files[i].is_perf_map ? "perf-map" : "elf"));
	for (size_t i = 0; i < capture->mapping_count; i++) {
		const struct capture_mapping *mapping = &capture->mappings[i];

		json_array_append_new(
			mappings, json_pack("[I, I, I, I]", (json_int_t)mapping->module,
					    (json_int_t)mapping->start, (json_int_t)mapping->end,
					    (json_int_t)mapping->offset));
	}
	return json_pack("{s:i, s:i, s:o, s:o}", "stacks", stacks_fd, "codes", codes_fd, "modules",
			 modules, "mappings", mappings);
}

static int write_request(const struct capture *capture, int stacks_fd, int codes_fd)
{
	_cleanup_close_ int fd = memfd_create("request", MFD_CLOEXEC);
	json_t *request = fd < 0 ? NULL : request_json(capture, stacks_fd, codes_fd);
	int r = request ? json_dumpfd(request, fd, JSON_COMPACT) : -1;

	json_decref(request);
	if (r || lseek(fd, 0, SEEK_SET))
		return -ENOMEM;
	return TAKE_FD(fd);
}

/* A file with these bytes in it. -ENOMEM. */
static int write_things(const char *name, const void *things, size_t size)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || (size && write(fd, things, size) != (ssize_t)size))
		return -ENOMEM;
	return TAKE_FD(fd);
}

/* --- the whole ----------------------------------------------------------------------------- */

void symbolizer_stop(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	helper_free(symbolizer->helper);
	close_fd(symbolizer->answer_fd);
	free(symbolizer);
}

static void on_done(bool in_time, void *userdata)
{
	struct symbolizer *symbolizer = userdata;
	struct recording *recording = symbolizer->capture->recording;

	if (!in_time || !symbols_reply_read(symbolizer->answer_fd, recording))
		recording->trouble = "the names could not be read: " PROGRAM
				     " took too much time or memory, or failed";
	if (!in_time)
		symbolizer->done(true, symbolizer->userdata);
}

static void on_end(void *userdata)
{
	struct symbolizer *symbolizer = userdata;
	symbolizer_fn done = symbolizer->done;
	void *owner = symbolizer->userdata;

	symbolizer_stop(symbolizer);
	done(false, owner);
}

static int start_helper(struct symbolizer *symbolizer, uv_loop_t *loop, const char *path,
			int request_fd, int stacks_fd, int codes_fd)
{
	const struct capture *capture = symbolizer->capture;
	size_t count = capture->recording->module_count;
	_cleanup_free_ int *kept = calloc(count + 2, sizeof(*kept));
	char *const argv[] = {(char[]){PROGRAM}, NULL};

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		kept[i] = capture->files[i].fd;
	kept[count] = stacks_fd;
	kept[count + 1] = codes_fd;
	return helper_start(&symbolizer->helper, &(const struct helper_config){
							 .loop = loop,
							 .path = path,
							 .argv = argv,
							 .in = request_fd,
							 .out = symbolizer->answer_fd,
							 .kept_fds = kept,
							 .kept_count = count + 2,
							 .patience_ms = PATIENCE_MS,
							 .on_done = on_done,
							 .on_end = on_end,
							 .userdata = symbolizer,
						 });
}

static int start(struct symbolizer *symbolizer, uv_loop_t *loop, const char *path)
{
	const struct capture *capture = symbolizer->capture;
	_cleanup_close_ int stacks_fd = write_things(
		"stacks", capture->raws, capture->recording->stack_count * sizeof(*capture->raws));
	_cleanup_close_ int codes_fd = write_things("codes", capture->codes,
						    capture->code_count * sizeof(*capture->codes));
	_cleanup_close_ int request_fd = stacks_fd < 0 || codes_fd < 0
						 ? -ENOMEM
						 : write_request(capture, stacks_fd, codes_fd);

	if (request_fd < 0)
		return request_fd;
	symbolizer->answer_fd = memfd_create("answer", MFD_CLOEXEC);
	return symbolizer->answer_fd < 0
		       ? -errno
		       : start_helper(symbolizer, loop, path, request_fd, stacks_fd, codes_fd);
}

struct symbolizer *symbolizer_start(uv_loop_t *loop, struct capture *capture, symbolizer_fn done,
				    void *userdata)
{
	struct symbolizer *symbolizer;
	char path[PATH_MAX];
	int r = helper_find(PROGRAM, path);

	if (r) {
		capture->recording->trouble = PROGRAM
			" is not installed beside apoptosis, or in " APO_LIBEXEC;
		return NULL;
	}
	symbolizer = calloc(1, sizeof(*symbolizer));
	r = -ENOMEM;
	if (symbolizer) {
		*symbolizer = (struct symbolizer){
			.capture = capture,
			.done = done,
			.userdata = userdata,
			.answer_fd = -1,
		};
		r = start(symbolizer, loop, path);
	}
	if (!r)
		return symbolizer;
	log_warn("cannot start %s: %s, ignoring", path, strerror(-r));
	capture->recording->trouble = PROGRAM " could not be started";
	symbolizer_stop(symbolizer);
	return NULL;
}
