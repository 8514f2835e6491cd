// SPDX-License-Identifier: BSD-2-Clause
#include "profile/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
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

#define BUILD_ID_LEAST 16U /* digits, of which all distributions have 40 */
#define BUILD_ID_MOST 128U

struct symbolizer {
	struct capture *capture;
	symbolizer_fn done;
	void *userdata;
	uv_loop_t *loop;
	char path[PATH_MAX];
	int answer_fd;	/* memfd */
	int first_fd;	/* the answer before names were looked for elsewhere; -1: there is none */
	int *debug_fds; /* of each module, path descriptors; NULL: before that */
	size_t module_count;
	bool is_stuck; /* the capture is not ours any more */
	struct helper *helper;
};

/* --- asking -------------------------------------------------------------------------------- */

static int debug_fd_of(const struct symbolizer *symbolizer, size_t module)
{
	return symbolizer->debug_fds ? symbolizer->debug_fds[module] : -1;
}

static json_t *request_json(const struct symbolizer *symbolizer, int stacks_fd, int codes_fd)
{
	const struct capture *capture = symbolizer->capture;
	json_t *modules = json_array(), *mappings = json_array();

	for (size_t i = 0; i < capture->recording->module_count; i++)
		json_array_append_new(
			modules, json_pack("{s:i, s:i, s:s}", "fd", capture->files[i].fd, "debug",
					   debug_fd_of(symbolizer, i), "kind",
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

static int write_request(const struct symbolizer *symbolizer, int stacks_fd, int codes_fd)
{
	_cleanup_close_ int fd = memfd_create("request", MFD_CLOEXEC);
	json_t *request = fd < 0 ? NULL : request_json(symbolizer, stacks_fd, codes_fd);
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

/* --- names that are kept apart -------------------------------------------------------------- */

/* Of the distribution's own, by an id that a tenant may have made up: letters and digits of a number, nothing else. */
static int open_debug_file(const char *build_id)
{
	size_t length = build_id ? strlen(build_id) : 0;
	char path[sizeof(RECORDING_DEBUG_FILE) + BUILD_ID_MOST + 2];

	if (length < BUILD_ID_LEAST || length > BUILD_ID_MOST ||
	    strspn(build_id, "0123456789abcdef") != length)
		return -1;
	snprintf(path, sizeof(path), RECORDING_DEBUG_FILE, build_id, build_id + 2);
	return open(path, O_PATH | O_CLOEXEC);
}

/* Whether one of its places lacks a name, or the line. */
static bool lacks_names(const struct recording *recording, uint32_t module)
{
	for (size_t i = 0; i < recording->location_count; i++) {
		const struct recording_location *location = &recording->locations[i];

		if (location->module == module && !location->is_script &&
		    (!location->function_count || !location->functions[0].source))
			return true;
	}
	return false;
}

/* Whether there are any for what was asked for; it is asked for again then. */
static bool find_debug_files(struct symbolizer *symbolizer)
{
	const struct recording *recording = symbolizer->capture->recording;
	size_t found = 0;

	symbolizer->debug_fds = calloc(recording->module_count + 1, sizeof(int));
	for (size_t i = 0; symbolizer->debug_fds && i < recording->module_count; i++) {
		int fd = lacks_names(recording, (uint32_t)i)
				 ? open_debug_file(recording->modules[i].build_id)
				 : -1;

		symbolizer->debug_fds[i] = fd;
		found += fd >= 0;
	}
	return found;
}

/* --- the whole ----------------------------------------------------------------------------- */

void symbolizer_stop(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	helper_free(symbolizer->helper);
	for (size_t i = 0; symbolizer->debug_fds && i < symbolizer->module_count; i++)
		close_fd(symbolizer->debug_fds[i]);
	free(symbolizer->debug_fds);
	close_fd(symbolizer->answer_fd);
	close_fd(symbolizer->first_fd);
	free(symbolizer);
}

static void on_done(bool in_time, void *userdata)
{
	struct symbolizer *symbolizer = userdata;
	struct recording *recording = symbolizer->capture->recording;

	/* What was found before still holds. */
	if ((!in_time || !symbols_reply_read(symbolizer->answer_fd, recording)) &&
	    (symbolizer->first_fd < 0 || !symbols_reply_read(symbolizer->first_fd, recording)))
		recording->trouble = "the names could not be read: " PROGRAM
				     " took too much time or memory, or failed";
	if (!in_time)
		symbolizer->done(symbolizer->is_stuck = true, symbolizer->userdata);
}

static int start(struct symbolizer *symbolizer);

/* Names of distributions' programs are in files of their own, and which ones is known by now. */
static bool start_again(struct symbolizer *symbolizer)
{
	if (symbolizer->is_stuck || symbolizer->debug_fds ||
	    symbolizer->capture->recording->trouble || !find_debug_files(symbolizer))
		return false;
	symbolizer->helper = helper_free(symbolizer->helper);
	symbolizer->first_fd = TAKE_FD(symbolizer->answer_fd);
	return !start(symbolizer);
}

static void on_end(void *userdata)
{
	struct symbolizer *symbolizer = userdata;
	symbolizer_fn done = symbolizer->done;
	void *owner = symbolizer->userdata;

	if (start_again(symbolizer))
		return;
	symbolizer_stop(symbolizer);
	done(false, owner);
}

static int start_helper(struct symbolizer *symbolizer, int request_fd, int stacks_fd, int codes_fd)
{
	const struct capture *capture = symbolizer->capture;
	size_t count = symbolizer->module_count;
	_cleanup_free_ int *kept = calloc(2 * count + 2, sizeof(*kept));
	char *const argv[] = {(char[]){PROGRAM}, NULL};

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		kept[i] = capture->files[i].fd;
		kept[count + i] = debug_fd_of(symbolizer, i);
	}
	kept[2 * count] = stacks_fd;
	kept[2 * count + 1] = codes_fd;
	return helper_start(&symbolizer->helper, &(const struct helper_config){
							 .loop = symbolizer->loop,
							 .path = symbolizer->path,
							 .argv = argv,
							 .in = request_fd,
							 .out = symbolizer->answer_fd,
							 .kept_fds = kept,
							 .kept_count = 2 * count + 2,
							 .patience_ms = PATIENCE_MS,
							 .on_done = on_done,
							 .on_end = on_end,
							 .userdata = symbolizer,
						 });
}

static int start(struct symbolizer *symbolizer)
{
	const struct capture *capture = symbolizer->capture;
	_cleanup_close_ int stacks_fd = write_things(
		"stacks", capture->raws, capture->recording->stack_count * sizeof(*capture->raws));
	_cleanup_close_ int codes_fd = write_things("codes", capture->codes,
						    capture->code_count * sizeof(*capture->codes));
	_cleanup_close_ int request_fd = stacks_fd < 0 || codes_fd < 0
						 ? -ENOMEM
						 : write_request(symbolizer, stacks_fd, codes_fd);

	if (request_fd < 0)
		return request_fd;
	symbolizer->answer_fd = memfd_create("answer", MFD_CLOEXEC);
	return symbolizer->answer_fd < 0
		       ? -errno
		       : start_helper(symbolizer, request_fd, stacks_fd, codes_fd);
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
			.loop = loop,
			.module_count = capture->recording->module_count,
			.answer_fd = -1,
			.first_fd = -1,
		};
		memcpy(symbolizer->path, path, sizeof(path));
		r = start(symbolizer);
	}
	if (!r)
		return symbolizer;
	log_warn("cannot start %s: %s, ignoring", path, strerror(-r));
	capture->recording->trouble = PROGRAM " could not be started";
	symbolizer_stop(symbolizer);
	return NULL;
}
