// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "cmd/run_unguarded.h"
#include "cmd/wrapped.h"
#include "engine/engine.h"
#include "sense/cgroup.h"
#include "sense/cgroup_memory.h"
#include "sinks/pressure.h"

#define NAMES_MAX 100	 /* tries for a name that is not taken */
#define REMOVE_TRIES 100 /* 1 s in all */
#define REMOVE_PAUSE_NS (10 * NSEC_PER_MSEC)
#define PIDS_SHOWN 8

struct run {
	const struct options *options;
	struct engine *engine;
	char *cgroup; /* made for the command; NULL: none */
	int cgroup_dirfd;
	struct wrapped command;
	int status; /* of the command, as a shell says it */
	bool exited;
	struct pressure_socket watch;
};

/* --- a cgroup of its own ------------------------------------------------------------------- */

/* A name may be taken by an earlier run of the same pid that was killed. */
static int make_cgroup_below(const struct cgroup_tree *tree, const char *parent, char **ret)
{
	const char *prefix = strcmp(parent, "/") ? parent : "";
	int r = -EEXIST;

	for (int i = 1; r == -EEXIST && i <= NAMES_MAX; i++) {
		_cleanup_free_ char *rel = NULL;
		char suffix[16] = "";

		if (i > 1)
			snprintf(suffix, sizeof(suffix), "-%d", i);
		if (asprintf(&rel, "%s/apoptosis-run-%d%s", prefix, getpid(), suffix) < 0) {
			rel = NULL;
			return -ENOMEM;
		}
		r = cgroup_create(tree, rel);
		if (!r)
			*ret = TAKE_PTR(rel);
	}
	return r;
}

/*
 * Makes a cgroup below our own, whose limits then hold for the command too. On v2 a cgroup with
 * processes cannot have children with a memory controller; then below the nearest ancestor that
 * can.
 */
static int make_cgroup(struct run *run)
{
	const struct cgroup_tree *tree = engine_cgroups(run->engine);
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *own = NULL, *parent = NULL;
	int r = cgroup_path_of_pid(tree, proc_fd, getpid(), &own);

	if (r && r != -EXDEV) /* -EXDEV: a container does not show it; use the top */
		return r;
	parent = strdup(own ?: "/");
	if (!parent)
		return -ENOMEM;
	for (;;) {
		char *slash = strrchr(parent, '/');

		r = make_cgroup_below(tree, parent, &run->cgroup);
		if ((r != -EBUSY && r != -EOPNOTSUPP) || cgroup_tree_version(tree) != 2 ||
		    !strcmp(parent, "/"))
			break;
		slash[slash == parent] = '\0';
	}
	if (r)
		return r;
	if (!own || strcmp(parent, own) != 0)
		log_warn("the command leaves cgroup %s and its limits for %s: on cgroup v2 a "
			 "cgroup with processes cannot have limited children",
			 own ?: "(out of sight)", run->cgroup);
	return cgroup_open(tree, run->cgroup, &run->cgroup_dirfd);
}

static int guard_own_cgroup(struct run *run)
{
	const struct cgroup_tree *tree = engine_cgroups(run->engine);
	int r = make_cgroup(run);

	if (r == -EBUSY) {
		log_error("cannot make a cgroup below %s: it has processes itself, and on cgroup "
			  "v2 such a cgroup cannot have limited children (without --limit, the "
			  "limit of the present cgroup is guarded)",
			  cgroup_tree_mount(tree));
		return EXIT_CANNOT;
	}
	if (r) {
		log_error("cannot make a cgroup below %s: %s (--limit needs write access; without "
			  "it, the limit of the present cgroup is guarded)",
			  cgroup_tree_mount(tree), strerror(-r));
		return EXIT_CANNOT;
	}
	r = cgroup_write_limit(tree, run->cgroup_dirfd, run->options->limit_bytes);
	if (r) {
		log_error("cannot set the limit of %s: %s", run->cgroup, strerror(-r));
		return EXIT_CANNOT;
	}
	return guards_add_cgroup(engine_guards(run->engine), &run->options->policy, run->cgroup);
}

/* What is left of the cgroup. */
struct remains {
	const struct run *run;
	char **paths; /* rel, parents first */
	size_t path_count;
	pid_t pids[PIDS_SHOWN];
	size_t pid_count; /* may be more than are in pids */
};

static int note_remains(int dirfd, const char *path, void *userdata)
{
	struct remains *remains = userdata;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;
	char **grown = reallocarray(remains->paths, remains->path_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	remains->paths = grown;
	if (asprintf(&grown[remains->path_count], "%s%s", remains->run->cgroup,
		     strcmp(path, "/") ? path : "") < 0)
		return -ENOMEM;
	remains->path_count++;
	if (cgroup_procs(dirfd, &pids, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++, remains->pid_count++)
		if (remains->pid_count < PIDS_SHOWN)
			remains->pids[remains->pid_count] = pids[i];
	return 0;
}

static void remains_clear(struct remains *remains)
{
	for (size_t i = 0; i < remains->path_count; i++)
		free(remains->paths[i]);
	free(remains->paths);
	*remains = (struct remains){.run = remains->run};
}

/* Depth first. 0, or -errno of the cgroup itself. */
static int remove_tree(const struct run *run)
{
	_cleanup_(remains_clear) struct remains remains = {.run = run};
	int r = cgroup_walk(run->cgroup_dirfd, note_remains, &remains);

	for (size_t i = remains.path_count; i > 0; i--)
		r = cgroup_remove(engine_cgroups(run->engine), remains.paths[i - 1]);
	return r == -ENOENT ? 0 : r;
}

/* "processes 12, 13 run in it; rmdir ..." */
static char *describe_remains(const struct run *run)
{
	_cleanup_(remains_clear) struct remains remains = {.run = run};
	const char *mount = cgroup_tree_mount(engine_cgroups(run->engine));
	char *text = NULL;
	size_t size, shown;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	cgroup_walk(run->cgroup_dirfd, note_remains, &remains);
	shown = MIN(remains.pid_count, (size_t)PIDS_SHOWN);
	if (shown)
		fputs(shown > 1 ? "processes " : "process ", out);
	for (size_t i = 0; i < shown; i++)
		fprintf(out, "%s%d", i ? ", " : "", remains.pids[i]);
	if (shown)
		fprintf(out, "%s, left by the command, still in it; when gone: ",
			remains.pid_count > shown ? ", ..." : "");
	fputs("rmdir", out);
	for (size_t i = remains.path_count; i > 0; i--)
		fprintf(out, " '%s%s'", mount, remains.paths[i - 1]);
	return fclose(out) ? NULL : text;
}

static void remove_cgroup(struct run *run)
{
	const struct timespec pause = {.tv_nsec = REMOVE_PAUSE_NS};
	int r;

	if (!run->cgroup)
		return;
	r = remove_tree(run);
	/*
	 * The last processes may still be exiting, and the kernel takes down a removed child only
	 * after rmdir(2) has returned. No event tells when, so this tries again.
	 */
	for (int i = 1; r == -EBUSY && i < REMOVE_TRIES; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		nanosleep(&pause, NULL);
		r = remove_tree(run);
	}
	if (r) {
		_cleanup_free_ char *remains = describe_remains(run);

		log_error("cannot remove cgroup %s, which stays, unguarded: %s (%s)", run->cgroup,
			  strerror(-r), remains ?: "out of memory");
	}
	close_fd(run->cgroup_dirfd);
	free(run->cgroup);
}

/* --- the command --------------------------------------------------------------------------- */

static void on_end(pid_t pid, int status, void *userdata)
{
	struct run *run = userdata;

	engine_on_end(run->engine, pid, status);
}

/* Reaps what has ended: the command, and the orphans it left, since we are their subreaper. */
static void reap(struct run *run)
{
	int r = wrapped_reap(&run->command, &run->status);

	run->exited |= r > 0;
	if (r) /* with no child left there is nothing to wait for, however it ended */
		engine_finish(run->engine);
}

static void on_signal(const struct signalfd_siginfo *info, void *userdata)
{
	struct run *run = userdata;

	if (info->ssi_signo == SIGCHLD)
		reap(run);
	else if (run->exited && wrapped_asks_to_end(info->ssi_signo))
		engine_stop(run->engine); /* no longer wait for a grace */
	else if (!run->exited && wrapped_takes(&run->command, info))
		kill(run->command.pid, (int)info->ssi_signo);
}

/* The exit status, once every trip is judged. */
static int pass_on(const struct run *run)
{
	int status = shutdown_status(engine_shutdown(run->engine), run->status,
				     run->options->exit_on_trip);

	if (status != run->status)
		log_info("a trip has asked the command to end, and it ended with %d: exiting with "
			 "%d (--exit-on-trip)",
			 run->status, status);
	return status;
}

static int guard_and_run(struct run *run)
{
	const struct engine_events events = {.on_signal = on_signal, .userdata = run};
	int status = run->options->limit_bytes ? guard_own_cgroup(run)
					       : guards_add_children(engine_guards(run->engine),
								     &run->options->policy);

	if (!status)
		status = engine_start(run->engine, &events);
	if (status)
		return status;
	status = wrapped_prepare(&run->command, &(const struct wrapped_start){
							.argv = run->options->argv,
							.mask = engine_inherited_mask(run->engine),
							.cgroup = run->cgroup,
							.cgroup_dirfd = run->cgroup_dirfd,
						});
	if (status)
		return status;
	run->command.on_end = on_end;
	run->command.userdata = run;
	engine_ready(run->engine, run->command.pid);
	status = wrapped_let_go(&run->command);
	engine_loop(run->engine); /* until the child is reaped */
	engine_settle(run->engine);
	if (run->options->json || run->options->verbosity > 0)
		engine_status(run->engine);
	return status >= 0 ? status : pass_on(run);
}

/*
 * The command runs all the same where the kernel side cannot be had, or nothing can be guarded, unless that is refused, or
 * a limit was asked for, which it would run without.
 */
static bool may_fall_back(const struct options *options)
{
	return !options->require_protection && !options->limit_bytes;
}

/* --- who can give memory back -------------------------------------------------------------- */

/*
 * Lets the command hear of warnings. Not if somebody else has said what it is to watch, /dev/null for nothing, or if
 * warnings are off. Where they were not asked for, others do not hear of them.
 */
static void offer_watch(struct run *run, struct options *options, struct pressure_config *config)
{
	const char *const directories[] = {"/run", getenv("XDG_RUNTIME_DIR") ?: "/tmp", "/tmp",
					   NULL};
	struct policy *policy = &options->policy;
	int r;

	if (options->no_pressure_watch || getenv(PRESSURE_WATCH) ||
	    (options->warn_given && !policy->warn_permyriad))
		return;
	r = pressure_socket_open(directories, &run->watch);
	if (r || setenv(PRESSURE_WATCH, run->watch.path, 1)) {
		log_debug("the command will not hear when memory gets scarce: %s, ignoring",
			  strerror(r ? -r : errno));
		return;
	}
	unsetenv(PRESSURE_WRITE);
	config->fd = run->watch.fd;
	if (options->warn_given)
		return;
	policy->warn_is_default = true;
	policy->warn_permyriad = PRESSURE_PERMYRIAD;
}

/* There is nobody to tell any more, or nobody was to be had who would. */
static void withdraw_watch(struct run *run)
{
	if (run->watch.fd >= 0)
		unsetenv(PRESSURE_WATCH);
	pressure_socket_close(&run->watch);
}

int cmd_run(int argc, char **argv)
{
	struct options options;
	struct engine_config config;
	struct run run = {.options = &options, .cgroup_dirfd = -1, .watch = PRESSURE_SOCKET_NONE};
	int status = common_options(COMMAND_RUN, argc, argv, &options);
	sigset_t mask;

	if (status >= 0)
		return status;
	/* If SIGCHLD were inherited as ignored, children would end without a signal or a status. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	common_engine_config(&options, stderr, &config);
	if (common_notifier(&options, false, NULL, NULL, &config.notifier))
		return EXIT_USAGE;
	config.mode = "run";
	config.is_wrapper = true;
	config.may_look = may_fall_back(&options);
	offer_watch(&run, &options, &config.pressure);
	status = engine_new(&run.engine, &config);
	if (!status) {
		status = guard_and_run(&run);
		remove_cgroup(&run);
		engine_free(run.engine);
	}
	withdraw_watch(&run);
	return !run.command.pid && status == EXIT_CANNOT && may_fall_back(&options)
		       ? run_unguarded(&options, &mask)
		       : status;
}
