// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/common.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "engine/config_files.h"
#include "engine/control.h"
#include "engine/confine.h"
#include "engine/engine.h"
#include "output/help.h"
#include "sinks/report_dir.h"
#include "source/source.h"

int common_written(int r)
{
	if (r < 0)
		log_error("cannot write to standard output: %s", strerror(-r));
	return r < 0 ? EXIT_RUNTIME : 0;
}

static const char *set_variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* 0: standard output is none. */
static unsigned int columns_of_terminal(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? 0 : size.ws_col;
}

/* By the variables of setlocale(3), so that the locale need not be installed. */
struct terminal common_terminal(void)
{
	const char *locale =
		set_variable("LC_ALL") ?: set_variable("LC_CTYPE") ?: set_variable("LANG") ?: "";

	return (struct terminal){
		.colour = isatty(STDOUT_FILENO) && !set_variable("NO_COLOR"),
		.unicode = strcasestr(locale, "UTF-8") || strcasestr(locale, "utf8"),
		.columns = columns_of_terminal(),
	};
}

int common_options(enum command command, int argc, char **argv, struct options *ret)
{
	_cleanup_free_ char *error = NULL;

	if (options_parse(command, argc, argv, ret, &error)) {
		log_error("%s", error ?: "out of memory");
		return EXIT_USAGE;
	}
	if (ret->help)
		return common_written(help_command(stdout, command));
	log_set_level(ret->verbosity > 1   ? LOG_LEVEL_TRACE
		      : ret->verbosity > 0 ? LOG_LEVEL_DEBUG
		      : ret->verbosity < 0 ? LOG_LEVEL_ERROR
					   : LOG_LEVEL_INFO);
	return -1;
}

static void log_mistake(const char *line, void *userdata)
{
	(void)userdata;
	log_error("%s", line);
}

/* What the command line of the daemon says of it, which comes after the files. NULL: no memory. */
static char *said_by(const struct options *options)
{
	const struct {
		const char *key, *value;
		bool is_off;
	} said[] = {
		{"pin-dir", options->pin_dir, options->no_pins},
		{"history", options->history, options->no_history},
		{"metrics-textfile", options->metrics_textfile, options->no_metrics_textfile},
		{"metrics-listen", options->metrics_listen, options->no_metrics_listen},
		{"oomd-hook", options->oomd_hook, options->no_oomd_hook},
		{"pressure-socket", options->pressure_socket, options->no_pressure_socket},
	};
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	fputs("[defaults]\n", file);
	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		if (said[i].value || said[i].is_off)
			fprintf(file, "%s = %s\n", said[i].key, said[i].value ?: "off");
	if (options->history_rows)
		fprintf(file, "history-rows = %" PRIu32 "\n", options->history_rows);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

int common_config(const struct options *options, config_complain_fn complain, void *userdata,
		  struct config **ret)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *where = NULL, *said = said_by(options);
	size_t mistakes;
	int r = said ? config_files_read(root_fd, options->config, said, complain ?: log_mistake,
					 userdata, ret, &where)
		     : -ENOMEM;

	if (r) {
		log_error("cannot read %s: %s%s", where ?: "the configuration", strerror(-r),
			  r == -EACCES ? "; ask as root, by sudo" : "");
		return r == -ENOMEM ? EXIT_RUNTIME : EXIT_USAGE;
	}
	mistakes = config_mistakes(*ret);
	if (!mistakes)
		return 0;
	log_error("the configuration has %zu mistake%s", mistakes, mistakes == 1 ? "" : "s");
	*ret = config_free(*ret);
	return EXIT_USAGE;
}

/* 0 or -ENOENT. */
static int find_group(const char *name, gid_t *ret)
{
	const struct group *group = name ? getgrnam(name) : NULL;
	uint64_t number = group ? group->gr_gid : CONTROL_NO_GROUP;

	if (name && !group && (parse_u64(name, &number) || number >= CONTROL_NO_GROUP))
		return -ENOENT;
	*ret = (gid_t)number;
	return 0;
}

int common_group(const struct options *options, const struct config *config,
		 config_complain_fn complain, void *userdata, gid_t *ret)
{
	const char *name = options->control_group ?: config_options(config)->control_group;
	_cleanup_free_ char *line = NULL;
	int r = find_group(name, ret);

	if (r && asprintf(&line,
			  "control-group '%s': there is no such group, so that only root may ask "
			  "for the status: give the name or number of one, or off",
			  name) >= 0)
		complain(line, userdata);
	return r;
}

#define NOBODY 65534

/* 0 or -ENOENT. A number need not be known. */
static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *user = getpwnam(name);
	uint64_t number = NOBODY;

	if (!user && strcmp(name, "nobody") != 0 &&
	    (parse_u64(name, &number) || number >= UINT32_MAX))
		return -ENOENT;
	user = user ?: getpwuid((uid_t)number);
	*ret_uid = user ? user->pw_uid : (uid_t)number;
	*ret_gid = user ? user->pw_gid : NOBODY;
	return 0;
}

int common_notifier(const struct options *options, bool as_root, config_complain_fn complain,
		    void *userdata, struct notifier_config *ret)
{
	bool is_root = as_root || geteuid() == 0;
	const char *name = options->hook_user ?: is_root ? "nobody" : NULL;
	_cleanup_free_ char *line = NULL;
	int r = 0;

	*ret = (struct notifier_config){.uid = geteuid(), .gid = getegid()};
	if (!options->hook && !options->webhook)
		return 0;
	if (name)
		r = find_user(name, &ret->uid, &ret->gid);
	if (!r && !is_root && ret->uid != geteuid())
		r = -EPERM;
	if (!r) {
		ret->command = options->hook;
		ret->url = options->webhook;
		ret->events = options->hook_events;
	} else if (asprintf(&line, "hook-user '%s': %s, so that no hook is run", name,
			    r == -EPERM
				    ? "only root can run hooks as somebody else"
				    : "there is no such user: give the name or number of one") >=
		   0) {
		(complain ?: log_mistake)(line, userdata);
	}
	return r ? -ENOENT : 0;
}

int common_explain_refused(pid_t pid, int error)
{
	switch (error) {
	case -ESRCH:
		log_error("no process %d: give the pid of a running process", pid);
		return EXIT_USAGE;
	case -EPERM:
		log_error("process %d is never signalled: the init of the machine, a kernel "
			  "thread, or "
			  "this one",
			  pid);
		return EXIT_USAGE;
	case -ENODEV:
		log_error(
			"the memory controller is not mounted: mount cgroup2 on /sys/fs/cgroup (or "
			"the v1 memory hierarchy)");
		return EXIT_CANNOT;
	default:
		log_error("cannot look at process %d: %s", pid, strerror(-error));
		return EXIT_RUNTIME;
	}
}

static void on_signal(const struct signalfd_siginfo *info, void *userdata)
{
	struct common_guard *guard = userdata;

	switch (info->ssi_signo) {
	case SIGUSR1:
		engine_status(guard->engine);
		break;
	case SIGHUP:
	case SIGINT:
	case SIGTERM:
	case SIGQUIT:
		guard->is_reload = info->ssi_signo == SIGHUP && guard->reload;
		engine_stop(guard->engine);
		break;
	default:
		break;
	}
}

int common_guard(const struct engine_config *config, struct common_guard *guard)
{
	const struct engine_events events = {.on_signal = on_signal, .userdata = guard};
	int status;

	confine_process();
	status = engine_new(&guard->engine, config);
	if (!status)
		status = guard->add(engine_guards(guard->engine), guard->userdata);
	if (!status)
		status = engine_start(guard->engine, &events);
	if (!status) {
		engine_ready(guard->engine, 0);
		engine_loop(guard->engine); /* until a signal, or the end of the process of --pid */
		while (guard->is_reload) {
			guard->is_reload = false;
			guard->reload(guard->engine, guard->userdata);
			engine_loop(guard->engine);
		}
		engine_settle(guard->engine);
		engine_status(guard->engine);
	}
	guard->engine = engine_free(guard->engine);
	return status;
}

const char *common_pin_dir(const struct options *options)
{
	return options->no_pins ? NULL : options->pin_dir ?: PINS_DIR_DEFAULT;
}

void common_engine_config(const struct options *options, FILE *out, struct engine_config *ret)
{
	*ret = (struct engine_config){
		.out = out,
		.json = options->json,
		.quiet = options->verbosity < 0,
		.report_dir = options->no_reports   ? NULL
			      : options->report_dir ? options->report_dir
			      : geteuid() == 0	    ? REPORTS_DIR_DEFAULT
						    : NULL,
		.wants_reports = options->report_dir,
		.restarts = options->restarts && !options->policy.dry_run,
		.profiles = options->profiles,
		.no_profiles = options->no_profiles,
		.report_bounds = {.files = options->report_keep,
				  .bytes = options->report_size_bytes},
		.accounts = options->accounts,
		.lend_max_bytes = options->lend_max_bytes,
		.lend_max_permyriad = options->lend_max_permyriad,
		.pressure = PRESSURE_CONFIG_NONE,
	};
}
