// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/common.h"
#include "core/config.h"
#include "engine/control.h"
#include "engine/engine.h"
#include "engine/leftovers.h"
#include "engine/manager.h"
#include "engine/only_one.h"
#include "engine/prekill.h"
#include "sinks/history_db.h"
#include "source/source.h"

#define CONTROL_FD "APOPTOSIS_CONTROL_FD"
#define WATCHERS_FD "APOPTOSIS_WATCHERS_FD"
#define DELETED " (deleted)" /* the kernel's mark */

struct daemon {
	const struct options *options; /* of the command line */
	struct config *config;
	gid_t control_group;
	struct notifier_config notifier;
	char **argv;	    /* with which it is started anew, */
	char **environment; /* in this environment, with these variables of ours at its end: */
	size_t own_variables;
	char control_fd[40], watchers_fd[40];
	int inherited_fd;	   /* the control socket; -1: none */
	int inherited_watchers_fd; /* who watches memory, likewise */
	struct pressure_socket watch;
	char path[PATH_MAX]; /* from this file, which may be another by then */
};

/* --- the configuration --------------------------------------------------------------------- */

/* Logs it; the first is kept in *userdata. */
static void on_mistake(const char *line, void *userdata)
{
	char **first = userdata;

	log_error("%s", line);
	if (!*first)
		*first = strdup(line);
}

/*
 * The configuration, with what it names on this machine: into `daemon`, whose options are known. A group or a user that
 * is not there, or cannot be found at present, is a mistake of a new one; at the start the machine is guarded all the
 * same. The exit status; a mistake is logged, and in *ret_mistake.
 */
static int read_config(struct daemon *daemon, bool is_reload, char **ret_mistake)
{
	struct config *config = NULL;
	int status = common_config(daemon->options, on_mistake, ret_mistake, &config);

	daemon->control_group = CONTROL_NO_GROUP;
	if (!status &&
	    (common_group(daemon->options, config, on_mistake, ret_mistake,
			  &daemon->control_group) |
	     common_notifier(config_options(config), false, on_mistake, ret_mistake,
			     &daemon->notifier)) &&
	    is_reload)
		status = EXIT_USAGE;
	if (status)
		config = config_free(config);
	daemon->config = config;
	return status;
}

/* --- reading the configuration anew -------------------------------------------------------- */

/* For the next program. */
static void name_descriptors(struct daemon *daemon, const struct engine_left *left)
{
	char **own = daemon->environment ? daemon->environment + daemon->own_variables : NULL;

	if (!own)
		return;
	snprintf(daemon->control_fd, sizeof(daemon->control_fd), CONTROL_FD "=%d",
		 left->control_fd);
	snprintf(daemon->watchers_fd, sizeof(daemon->watchers_fd), WATCHERS_FD "=%d",
		 left->watchers_fd);
	own[0] = daemon->control_fd;
	own[1] = daemon->watchers_fd;
}

/* One of the program before this one, in this process. -1: there is none. */
static int inherited_fd(const char *name)
{
	const char *value = getenv(name);
	uint64_t fd;

	if (!value || parse_u64(value, &fd) || fd <= STDERR_FILENO || fd >= INT_MAX ||
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC))
		return -1;
	return (int)fd;
}

/*
 * The program starts anew in this process, and takes over from what we leave attached: so there is no moment without
 * a guard, and a newer version on disk is the one that goes on. With a mistake in the files all stays as it is.
 */
static void reload(struct engine *engine, void *userdata)
{
	struct daemon *daemon = userdata;
	_cleanup_free_ char *mistake = NULL;
	struct daemon next = {.options = daemon->options};
	struct engine_left left;

	if (read_config(&next, true, &mistake)) {
		log_error("the configuration stays as it was");
		engine_refuse_configuration(engine, mistake ?: "it cannot be read");
		return;
	}
	if (*daemon->watch.path &&
	    strcmp(daemon->watch.path, config_options(next.config)->pressure_socket ?: "") != 0)
		unlink(daemon->watch.path); /* the next program knows nothing of it */
	config_free(next.config);
	log_info("starting anew with the configuration of now");
	left = engine_leave(engine);
	name_descriptors(daemon, &left);
	execve(daemon->path, daemon->argv, daemon->environment);
	execve("/proc/self/exe", daemon->argv, daemon->environment);
	log_error("cannot start anew: %s", strerror(errno));
	close_fd(left.watchers_fd);
	engine_return(engine);
}

/*
 * Variables that are taken out of the environment stay in the copy, but for those of descriptors, which are others each
 * time: there is room for them at its end.
 */
static char **copy_environment(size_t *ret_count)
{
	size_t count = 0;
	char **copy;

	unsetenv(CONTROL_FD);
	unsetenv(WATCHERS_FD);
	while (environ[count])
		count++;
	copy = calloc(count + 3, sizeof(*copy));
	if (copy)
		memcpy(copy, environ, count * sizeof(*copy));
	*ret_count = count;
	return copy;
}

static void remember_start(struct daemon *daemon, char **argv)
{
	ssize_t length = readlink("/proc/self/exe", daemon->path, sizeof(daemon->path) - 1);

	daemon->path[MAX(length, 0)] = '\0';
	/* Replaced already: what is there now is the one that is to go on next time. */
	if (text_ends_with(daemon->path, DELETED))
		daemon->path[strlen(daemon->path) - strlen(DELETED)] = '\0';
	daemon->argv = argv - 1; /* the program's name is before the command's */
	daemon->inherited_fd = inherited_fd(CONTROL_FD);
	daemon->inherited_watchers_fd = inherited_fd(WATCHERS_FD);
	daemon->environment = copy_environment(&daemon->own_variables);
}

/* --- the command --------------------------------------------------------------------------- */

static const char *pin_dir_of(const struct daemon *daemon)
{
	return common_pin_dir(config_options(daemon->config));
}

/* Where it was not named there need not be any systemd. */
static const char *oomd_dir_of(const struct options *options)
{
	if (options->oomd_hook || options->no_oomd_hook)
		return options->oomd_hook;
	return manager_systemctl() ? PREKILL_DIR_DEFAULT : NULL;
}

static int detach_all(const char *pin_dir)
{
	int r = leftovers_remove(pin_dir);

	if (r < 0) {
		log_error("cannot remove what is kept in %s: %s", pin_dir, strerror(-r));
		return EXIT_RUNTIME;
	}
	log_info(r ? "what an earlier daemon has left is removed" : "no programs were left");
	return 0;
}

static int add(struct guards *guards, void *userdata)
{
	const struct daemon *daemon = userdata;

	return guards_add_config(guards, daemon->config);
}

/* The guard is as good without. */
static void open_pressure(const char *path, struct pressure_socket *socket)
{
	int r = path ? pressure_socket_open_at(path, socket) : 0;

	if (r)
		log_warn("workloads will not hear when memory gets scarce: cannot make %s: %s, "
			 "ignoring",
			 path, strerror(-r));
}

static int run(struct daemon *daemon)
{
	struct options configured = *config_options(daemon->config);
	struct common_guard guard = {.add = add, .reload = reload, .userdata = daemon};
	struct engine_config config;
	int status;

	configured.json |= daemon->options->json;
	configured.verbosity = daemon->options->verbosity;
	common_engine_config(&configured, stdout, &config);
	config.pin_dir = pin_dir_of(daemon);
	config.mode = "daemon";
	config.history = configured.no_history ? NULL : configured.history ?: HISTORY_FILE_DEFAULT;
	config.history_rows = configured.history_rows ?: HISTORY_ROWS_DEFAULT;
	config.views = (struct views_config){
		.has_control = true,
		.control_group = daemon->control_group,
		.control_fd = daemon->inherited_fd,
		.metrics_textfile = configured.metrics_textfile,
		.metrics_listen = configured.metrics_listen,
	};
	config.oomd_dir = oomd_dir_of(&configured);
	config.notifier = daemon->notifier;
	open_pressure(configured.pressure_socket, &daemon->watch);
	config.pressure = (struct pressure_config){
		.fd = daemon->watch.fd,
		.is_for_all = true,
		.watchers_fd = daemon->inherited_watchers_fd,
	};
	status = common_guard(&config, &guard);
	pressure_socket_close(&daemon->watch);
	return status;
}

int cmd_daemon(int argc, char **argv)
{
	_cleanup_close_ int lock_fd = -1;
	_cleanup_free_ char *mistake = NULL;
	struct options options;
	struct daemon daemon = {.options = &options, .watch = PRESSURE_SOCKET_NONE};
	int status = common_options(COMMAND_DAEMON, argc, argv, &options);

	if (status >= 0)
		return status;
	remember_start(&daemon, argv);
	status = read_config(&daemon, false, &mistake) ?: only_one_lock(&lock_fd);
	if (!status)
		status = options.detach_all ? detach_all(pin_dir_of(&daemon)) : run(&daemon);
	config_free(daemon.config);
	free(daemon.environment);
	return status;
}
