// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "engine/engine.h"
#include "sense/cgroup.h"
#include "sense/cgroup_memory.h"

#define EXIT_NOT_FOUND 127 /* as the shell has it */
#define EXIT_NOT_EXECUTABLE 126

#define NAMES_MAX 100	 /* tries for a name that is not taken */
#define REMOVE_TRIES 100 /* 1 s in all */
#define REMOVE_PAUSE_NS (10 * NSEC_PER_MSEC)
#define PIDS_SHOWN 8

enum step { STEP_ATTACH = 1, STEP_EXEC };

/* What kept the child from becoming the command. */
struct failure {
	enum step step;
	int error; /* errno */
};

struct run {
	const struct options *options;
	struct engine *engine;
	char *cgroup; /* made for the command; NULL: none */
	int cgroup_dirfd;
	pid_t child;
	int gate;   /* a byte here lets the child start */
	int failed; /* a struct failure; end of file: the command runs */
	int status; /* of the command, as a shell says it */
	bool exited;
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

_Noreturn static void child_main(const struct run *run, int gate, int failed)
{
	struct failure failure = {.step = STEP_ATTACH};
	char byte;

	if (read(gate, &byte, 1) != 1)
		_exit(EXIT_CANNOT); /* the parent is gone: the command would not be guarded */
	if (run->cgroup)
		failure.error = -cgroup_attach(run->cgroup_dirfd, 0);
	if (!failure.error) {
		sigprocmask(SIG_SETMASK, engine_inherited_mask(run->engine), NULL);
		execvp(run->options->argv[0], run->options->argv);
		failure = (struct failure){.step = STEP_EXEC, .error = errno};
	}
	while (write(failed, &failure, sizeof(failure)) < 0 && errno == EINTR)
		;
	_exit(EXIT_NOT_FOUND);
}

static int spawn(struct run *run)
{
	int gate[2] = {-1, -1}, failed[2] = {-1, -1};

	if (pipe2(gate, O_CLOEXEC) || pipe2(failed, O_CLOEXEC))
		return -errno;
	run->child = fork();
	if (run->child < 0)
		return -errno;
	if (!run->child) {
		close(gate[1]);
		close(failed[0]);
		child_main(run, gate[0], failed[1]);
	}
	close(gate[0]);
	close(failed[1]);
	run->gate = gate[1];
	run->failed = failed[0];
	return 0;
}

/*
 * A signal to end that came while the kernel side was loading; 0: none. Called when the child waits
 * at the gate: an earlier signal is pending here, a later one is passed on to the child or reaches
 * it from the terminal.
 */
static int pending_end(void)
{
	const struct timespec now = {};
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGQUIT);
	return MAX(sigtimedwait(&ends, NULL, &now), 0);
}

/* Ends the child before it becomes the command: a closed gate has it exit. */
static void call_off(struct run *run)
{
	run->gate = close_fd(run->gate);
	run->failed = close_fd(run->failed);
	while (waitpid(run->child, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Opens the gate. Returns the exit status of a failure, -1 if the command runs. */
static int let_go(struct run *run)
{
	struct failure failure = {.step = STEP_EXEC};
	const char *name = run->options->argv[0];

	if (write(run->gate, "", 1) != 1)
		failure.error = errno;
	run->gate = close_fd(run->gate);
	while (!failure.error && read(run->failed, &failure, sizeof(failure)) < 0 && errno == EINTR)
		;
	run->failed = close_fd(run->failed);
	if (!failure.error)
		return -1;
	if (failure.step == STEP_ATTACH) {
		log_error("cannot move '%s' into cgroup %s: %s", name, run->cgroup,
			  strerror(failure.error));
		return EXIT_CANNOT;
	}
	log_error("cannot run '%s': %s", name, strerror(failure.error));
	return failure.error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/*
 * Job control: when the terminal stops its foreground job, this process stops with the command, or
 * the shell would wait on. At any other stop of the command it goes on.
 */
static void stop_with_command(int signal_number)
{
	_cleanup_close_ int terminal = -1;

	if (signal_number != SIGTSTP && signal_number != SIGTTIN && signal_number != SIGTTOU)
		return;
	terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (terminal >= 0 && tcgetpgrp(terminal) == getpgrp())
		raise(SIGSTOP);
}

/* Reaps what has ended: the command, and the orphans it left, since we are their subreaper. */
static void reap(struct run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid != run->child)
			continue;
		if (WIFSTOPPED(status)) {
			stop_with_command(WSTOPSIG(status));
			continue;
		}
		run->exited = true;
		run->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		engine_finish(run->engine);
	}
	if (pid < 0 && errno == ECHILD)
		engine_finish(run->engine); /* nothing is left to wait for, however it ended */
}

static bool asks_to_end(uint32_t signal_number)
{
	return signal_number == SIGINT || signal_number == SIGTERM || signal_number == SIGHUP ||
	       signal_number == SIGQUIT;
}

/*
 * Signals of the terminal (SI_KERNEL) reach the command without us, except a hangup, which goes to
 * the leader of the session alone. Signals that we cause, as SIGPIPE when the reader of the events
 * is gone, are not for the command.
 */
static bool is_for_command(const struct run *run, const struct signalfd_siginfo *info)
{
	if (info->ssi_signo == SIGPIPE || info->ssi_pid == (uint32_t)getpid() ||
	    info->ssi_pid == (uint32_t)run->child)
		return false;
	return info->ssi_code != SI_KERNEL || info->ssi_signo == SIGHUP;
}

static void on_signal(const struct signalfd_siginfo *info, void *userdata)
{
	struct run *run = userdata;

	if (info->ssi_signo == SIGCHLD)
		reap(run);
	else if (run->exited && asks_to_end(info->ssi_signo))
		engine_stop(run->engine); /* no longer wait for a grace */
	else if (!run->exited && is_for_command(run, info))
		kill(run->child, (int)info->ssi_signo);
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
	int r;

	if (!status)
		status = engine_start(run->engine, &events);
	if (status)
		return status;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = spawn(run);
	if (r) {
		log_error("cannot start a process: %s", strerror(-r));
		return EXIT_RUNTIME;
	}
	r = pending_end();
	if (r) {
		call_off(run);
		return 128 + r;
	}
	engine_ready(run->engine, run->child);
	status = let_go(run);
	engine_loop(run->engine); /* until the child is reaped */
	engine_settle(run->engine);
	if (run->options->json || run->options->verbosity > 0)
		engine_status(run->engine);
	return status >= 0 ? status : pass_on(run);
}

int cmd_run(int argc, char **argv)
{
	struct options options;
	struct engine_config config;
	struct run run = {.options = &options, .cgroup_dirfd = -1, .gate = -1, .failed = -1};
	int status = common_options(COMMAND_RUN, argc, argv, &options);

	if (status >= 0)
		return status;
	/* If SIGCHLD were inherited as ignored, children would end without a signal or a status. */
	signal(SIGCHLD, SIG_DFL);
	common_engine_config(&options, stderr, &config);
	config.mode = "run";
	config.is_wrapper = true;
	status = engine_new(&run.engine, &config);
	if (status)
		return status;
	status = guard_and_run(&run);
	remove_cgroup(&run);
	engine_free(run.engine);
	return status;
}
