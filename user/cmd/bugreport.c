// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/common.h"
#include "output/json.h"
#include "sinks/report_dir.h"

#define REPORTS 20 /* the last */
#define NAME_LEN 64

/* A directory of files that becomes a tarball: DIR/apoptosis-bugreport-TIME/FILE. */
struct bundle {
	char dir[32];	     /* a temporary one */
	char name[NAME_LEN]; /* of the one in it, and of the tarball */
	int fd;		     /* of that one */
};

/* --- what other commands print ------------------------------------------------------------- */

/* Each is asked for by this program itself; what it says of errors is in the file, too. */
static const struct {
	const char *file;
	const char *words[4];
} parts[] = {
	{"version", {"--version"}},
	{"doctor.json", {"doctor", "--json"}},
	{"status.json", {"status", "--json"}},
	{"history.json", {"history", "--json"}},
	{"config.json", {"config", "show", "--json"}},
	{"check-config.json", {"check-config", "--json"}},
};

/* Its exit status (128: a signal), or -errno. An output of -1 is ours. */
static int run(const char *path, char *const argv[], int out_fd, int error_fd)
{
	posix_spawn_file_actions_t actions;
	int r, status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (out_fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	if (error_fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, error_fd, STDERR_FILENO);
	r = -posix_spawnp(&pid, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r)
		return r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int add_parts(const struct bundle *bundle)
{
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(parts); i++) {
		char *argv[ARRAY_SIZE(parts[i].words) + 2] = {"apoptosis"};
		_cleanup_close_ int fd = openat(bundle->fd, parts[i].file,
						O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		for (size_t word = 0; word < ARRAY_SIZE(parts[i].words); word++)
			argv[word + 1] = (char *)parts[i].words[word];
		r = fd < 0 ? -errno : run("/proc/self/exe", argv, fd, fd);
		r = MIN(r, 0); /* how it ends is for who reads it */
	}
	return r;
}

/* --- the machine --------------------------------------------------------------------------- */

static int write_text(FILE *out, void *userdata)
{
	fputs(userdata, out);
	return ferror(out) ? -EIO : 0;
}

/* What is not there is left out. */
static int add_machine(const struct bundle *bundle)
{
	static const char *const files[][2] = {
		{"/proc/version", "kernel"},	       {"/proc/meminfo", "meminfo"},
		{"/proc/self/mountinfo", "mountinfo"}, {"/proc/self/cgroup", "cgroup"},
		{"/etc/os-release", "os-release"},     {"/proc/pressure/memory", "memory-pressure"},
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *text = NULL;

		if (!file_read(AT_FDCWD, files[i][0], &text, NULL))
			r = file_write_atomic(bundle->fd, files[i][1], 0600, write_text, text);
	}
	return r;
}

/* --- reports ------------------------------------------------------------------------------- */

/* Arguments of programs may be passwords. */
static void drop_command_lines(json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	json_object_foreach (value, key, member) {
		if (strcmp(key, "cmdline") == 0 && json_is_string(member))
			json_object_set_new(value, key, json_string("(left out)"));
		else
			drop_command_lines(member);
	}
	json_array_foreach (value, i, member)
		drop_command_lines(member);
}

static int write_document(FILE *out, void *userdata)
{
	return json_write_line(out, userdata);
}

static int add_report(const struct bundle *bundle, int dirfd, const char *name)
{
	_cleanup_free_ char *text = NULL;
	char file[NAME_LEN];
	json_t *document;
	size_t size;
	int r = file_read(dirfd, name, &text, &size);

	document = r ? NULL : json_loadb(text, size, 0, NULL);
	if (!document)
		return 0; /* gone by now, or in the writing */
	drop_command_lines(document);
	snprintf(file, sizeof(file), "report-%s", name);
	r = file_write_atomic(bundle->fd, file, 0600, write_document, document);
	json_decref(document);
	return r;
}

static int add_reports(const struct bundle *bundle, const struct options *options)
{
	_cleanup_free_ struct report_file *files = NULL;
	const char *dir = options->report_dir ?: report_dir_default();
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t count = 0;
	int r = dirfd < 0 ? -errno : report_dir_list(dirfd, &files, &count);

	if (r) {
		log_info("no reports are in it: %s: %s", dir, strerror(-r));
		return 0;
	}
	for (size_t i = count > REPORTS ? count - REPORTS : 0; !r && i < count; i++)
		r = add_report(bundle, dirfd, files[i].name);
	return r;
}

/* --- the whole ----------------------------------------------------------------------------- */

static int make(struct bundle *bundle)
{
	_cleanup_close_ int dirfd = -1;
	time_t now = time(NULL);
	struct tm utc;

	snprintf(bundle->dir, sizeof(bundle->dir), "/tmp/apoptosis-XXXXXX");
	if (!mkdtemp(bundle->dir))
		return -errno;
	strftime(bundle->name, sizeof(bundle->name), "apoptosis-bugreport-%Y%m%dT%H%M%SZ",
		 gmtime_r(&now, &utc));
	dirfd = open(bundle->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || mkdirat(dirfd, bundle->name, 0700))
		return -errno;
	bundle->fd = openat(dirfd, bundle->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return bundle->fd < 0 ? -errno : 0;
}

static int pack(const struct bundle *bundle, const char *path)
{
	char *const argv[] = {"tar",	     "--create",	   "--gzip",
			      "--directory", (char *)bundle->dir,  "--file",
			      "-",	     (char *)bundle->name, NULL};
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : run("tar", argv, fd, -1);

	if (fd >= 0 && r)
		unlink(path);
	return r > 0 ? -EIO : r;
}

static void remove_all(struct bundle *bundle)
{
	char *const argv[] = {"rm", "-rf", "--", bundle->dir, NULL};

	bundle->fd = close_fd(bundle->fd);
	if (run("rm", argv, -1, -1))
		log_warn("%s stays: remove it", bundle->dir);
}

int cmd_bugreport(int argc, char **argv)
{
	struct bundle bundle = {.fd = -1};
	_cleanup_free_ char *shown = NULL;
	char path[NAME_LEN + 16];
	struct options options;
	int r, status = common_options(COMMAND_BUGREPORT, argc, argv, &options);

	if (status >= 0)
		return status;
	r = make(&bundle) ?: add_parts(&bundle) ?: add_machine(&bundle)
					       ?: add_reports(&bundle, &options);
	snprintf(path, sizeof(path), "%s.tar.gz", bundle.name);
	shown = text_escape_line(options.output ?: path);
	if (!r)
		r = pack(&bundle, options.output ?: path);
	remove_all(&bundle);
	if (r) {
		log_error("cannot write '%s': %s; give another file with --output", shown ?: "?",
			  strerror(-r));
		return r == -EEXIST || r == -ENOENT || r == -EACCES ? EXIT_USAGE : EXIT_RUNTIME;
	}
	printf("%s: it has names of cgroups and programs, no command lines; look through it before "
	       "you send it\n",
	       shown ?: "?");
	return 0;
}
