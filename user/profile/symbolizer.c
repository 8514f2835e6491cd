// SPDX-License-Identifier: BSD-2-Clause
#include "profile/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "profile/symbols_reply.h"

#define PROGRAM "apoptosis-symbols"
#define PATIENCE_MS 30000
#define END_MS 2000 /* after SIGKILL: a read from a file system that hangs is not interrupted */

struct symbolizer {
	struct capture *capture;
	symbolizer_fn done;
	void *userdata;
	int answer_fd; /* memfd */
	int pidfd;
	pid_t pid;
	uv_poll_t *poll; /* its end */
	uv_timer_t *timer;
	bool killed, stuck;
};

/* --- asking -------------------------------------------------------------------------------- */

/* Beside us, as in a build tree, or where `make install` puts it. */
static int find_program(char path[PATH_MAX])
{
	static const char *const places[] = {"", "../libexec/"};
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *slash;

	if (length < 0)
		return -errno;
	self[length] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < ARRAY_SIZE(places); i++)
		if (snprintf(path, PATH_MAX, "%.*s/%s" PROGRAM, (int)(slash - self), self,
			     places[i]) < PATH_MAX &&
		    access(path, X_OK) == 0)
			return 0;
	return -ENOENT;
}

static json_t *request_json(const struct capture *capture, int stacks_fd)
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
	return json_pack("{s:i, s:o, s:o}", "stacks", stacks_fd, "modules", modules, "mappings",
			 mappings);
}

static int write_request(const struct capture *capture, int stacks_fd)
{
	_cleanup_close_ int fd = memfd_create("request", MFD_CLOEXEC);
	json_t *request = fd < 0 ? NULL : request_json(capture, stacks_fd);
	int r = request ? json_dumpfd(request, fd, JSON_COMPACT) : -1;

	json_decref(request);
	if (r || lseek(fd, 0, SEEK_SET))
		return -ENOMEM;
	return TAKE_FD(fd);
}

static int write_stacks(const struct capture *capture)
{
	_cleanup_close_ int fd = memfd_create("stacks", MFD_CLOEXEC);
	size_t size = capture->recording->stack_count * sizeof(*capture->raws);

	if (fd < 0 || write(fd, capture->raws, size) != (ssize_t)size)
		return -ENOMEM;
	return TAKE_FD(fd);
}

/* Nothing of ours is inherited but the two ends of the talk and the files it is about. */
static int spawn(const struct symbolizer *symbolizer, const char *path, int request_fd,
		 int stacks_fd, pid_t *ret)
{
	const struct capture *capture = symbolizer->capture;
	char *const argv[] = {(char[]){PROGRAM}, NULL}, *const envp[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	for (size_t i = 0; i < capture->recording->module_count; i++)
		if (capture->files[i].fd >= 0) /* onto itself: no longer closed by exec */
			posix_spawn_file_actions_adddup2(&actions, capture->files[i].fd,
							 capture->files[i].fd);
	posix_spawn_file_actions_adddup2(&actions, stacks_fd, stacks_fd);
	posix_spawn_file_actions_adddup2(&actions, request_fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, symbolizer->answer_fd, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = -posix_spawn(ret, path, &actions, &attributes, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

/* --- the whole ----------------------------------------------------------------------------- */

static struct symbolizer *symbolizer_free(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return NULL;
	loop_poll_drop(symbolizer->poll); /* before what it polls is closed */
	loop_timer_drop(symbolizer->timer);
	close_fd(symbolizer->answer_fd);
	close_fd(symbolizer->pidfd);
	free(symbolizer);
	return NULL;
}

void symbolizer_stop(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	syscall(SYS_pidfd_send_signal, symbolizer->pidfd, SIGKILL, NULL, 0);
	/* If run has not; and without waiting for one that cannot end. */
	waitid(P_PIDFD, (id_t)symbolizer->pidfd, &(siginfo_t){}, WEXITED | WNOHANG);
	symbolizer_free(symbolizer);
}

static void say_failed(struct symbolizer *symbolizer)
{
	symbolizer->capture->recording->trouble = "the names could not be read: " PROGRAM
						  " took too much time or memory, or failed";
}

static void on_end(uv_poll_t *poll, int status, int events)
{
	struct symbolizer *symbolizer = poll->data;
	symbolizer_fn done = symbolizer->done;
	void *userdata = symbolizer->userdata;

	(void)status;
	(void)events;
	if (!symbolizer->stuck &&
	    (symbolizer->killed ||
	     !symbols_reply_read(symbolizer->answer_fd, symbolizer->capture->recording)))
		say_failed(symbolizer);
	symbolizer_stop(symbolizer);
	done(false, userdata);
}

static void on_patience(uv_timer_t *timer)
{
	struct symbolizer *symbolizer = timer->data;

	if (symbolizer->killed) {
		symbolizer->stuck = true;
		say_failed(symbolizer);
		symbolizer->done(true, symbolizer->userdata);
		return;
	}
	symbolizer->killed = true;
	syscall(SYS_pidfd_send_signal, symbolizer->pidfd, SIGKILL, NULL, 0);
	uv_timer_start(timer, on_patience, END_MS, 0);
}

static int start(struct symbolizer *symbolizer, uv_loop_t *loop, const char *path)
{
	_cleanup_close_ int stacks_fd = write_stacks(symbolizer->capture);
	_cleanup_close_ int request_fd =
		stacks_fd < 0 ? stacks_fd : write_request(symbolizer->capture, stacks_fd);
	int r;

	if (request_fd < 0)
		return request_fd;
	symbolizer->answer_fd = memfd_create("answer", MFD_CLOEXEC);
	r = symbolizer->answer_fd < 0
		    ? -errno
		    : spawn(symbolizer, path, request_fd, stacks_fd, &symbolizer->pid);
	if (r)
		return r;
	symbolizer->pidfd = (int)syscall(SYS_pidfd_open, symbolizer->pid, 0);
	if (symbolizer->pidfd < 0) {
		r = -errno;
	} else {
		symbolizer->timer = loop_timer_new(loop, symbolizer);
		symbolizer->poll = loop_poll_new(loop, symbolizer->pidfd, on_end, symbolizer);
		r = symbolizer->timer && symbolizer->poll ? 0 : -ENOMEM;
	}
	if (r) { /* ours alone: nobody else has waited for it */
		kill(symbolizer->pid, SIGKILL);
		waitpid(symbolizer->pid, NULL, 0);
		return r;
	}
	uv_timer_start(symbolizer->timer, on_patience, PATIENCE_MS, 0);
	return 0;
}

struct symbolizer *symbolizer_start(uv_loop_t *loop, struct capture *capture, symbolizer_fn done,
				    void *userdata)
{
	struct symbolizer *symbolizer;
	char path[PATH_MAX];
	int r = find_program(path);

	if (r) {
		capture->recording->trouble = PROGRAM " is not installed beside apoptosis, or in "
						      "../libexec";
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
			.pidfd = -1,
		};
		r = start(symbolizer, loop, path);
	}
	if (!r)
		return symbolizer;
	log_warn("cannot start %s: %s, ignoring", path, strerror(-r));
	capture->recording->trouble = PROGRAM " could not be started";
	return symbolizer_free(symbolizer);
}
