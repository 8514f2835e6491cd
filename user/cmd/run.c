// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/run.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "daemon/session.h"
#include "sense/cgroup.h"
#include "sense/cgroup_memory.h"

#define EXIT_NOT_FOUND 127 /* as the shell has it */
#define EXIT_NOT_EXECUTABLE 126

struct run {
	const struct options *options;
	struct session *session;
	char *cgroup; /* made for the command; NULL: none */
	int cgroup_dirfd;
	pid_t child;
	int gate;   /* a byte here lets the child start */
	int failed; /* errno of its exec; end of file: it runs */
	int status; /* exit status to pass on */
	bool exited;
};

/* --- a cgroup of its own ------------------------------------------------------------------- */

/*
 * Below our own cgroup, else below the nearest ancestor that allows it: on v2 a cgroup with
 * processes cannot have children with a memory controller.
 */
static int make_cgroup(struct run *run)
{
	const struct cgroup_tree *tree = session_cgroups(run->session);
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *parent = NULL;
	int r = cgroup_path_of_pid(tree, proc_fd, getpid(), &parent);

	if (r) {
		parent = strdup("/");
		r = parent ? 0 : -ENOMEM;
	}
	while (!r) {
		_cleanup_free_ char *rel = NULL;
		char *slash;

		if (asprintf(&rel, "%s/apoptosis-run-%d", strcmp(parent, "/") ? parent : "",
			     getpid()) < 0) {
			rel = NULL;
			return -ENOMEM;
		}
		r = cgroup_create(tree, rel);
		if (!r) {
			run->cgroup = TAKE_PTR(rel);
			return cgroup_open(tree, run->cgroup, &run->cgroup_dirfd);
		}
		slash = strrchr(parent, '/');
		if (!slash || !strcmp(parent, "/"))
			return r;
		slash[slash == parent] = '\0';
		r = 0;
	}
	return r;
}

static int guard_own_cgroup(struct run *run)
{
	const struct cgroup_tree *tree = session_cgroups(run->session);
	int r = make_cgroup(run);

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
	return session_guard_cgroup(run->session, run->cgroup);
}

static void remove_cgroup(struct run *run)
{
	int r;

	if (!run->cgroup)
		return;
	r = cgroup_remove(session_cgroups(run->session), run->cgroup);
	if (r == -EBUSY)
		log_warn("processes the command left behind still run in cgroup %s, which stays, "
			 "unguarded",
			 run->cgroup);
	else if (r)
		log_warn("cannot remove cgroup %s: %s, ignoring", run->cgroup, strerror(-r));
	close_fd(run->cgroup_dirfd);
	free(run->cgroup);
}

/* --- the command --------------------------------------------------------------------------- */

_Noreturn static void child_main(const struct run *run, int gate, int failed)
{
	sigset_t none;
	char byte;
	int error;

	if (read(gate, &byte, 1) != 1)
		_exit(EXIT_CANNOT); /* our parent is gone: nobody would guard us */
	if (run->cgroup && cgroup_attach(run->cgroup_dirfd, 0) < 0) {
		error = EPERM;
	} else {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execvp(run->options->argv[0], run->options->argv);
		error = errno;
	}
	while (write(failed, &error, sizeof(error)) < 0 && errno == EINTR)
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

/* Opens the gate. Returns the exit status of an exec that failed, -1 if the command runs. */
static int let_go(struct run *run)
{
	int error = 0;

	if (write(run->gate, "", 1) != 1)
		error = errno;
	run->gate = close_fd(run->gate);
	while (!error && read(run->failed, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	run->failed = close_fd(run->failed);
	if (!error)
		return -1;
	log_error("cannot run '%s': %s", run->options->argv[0], strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* Everything that ended: the command, and as a subreaper the orphans it left. */
static void reap(struct run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (WIFSTOPPED(status)) {
			/* Job control: when the terminal stops the command, stop with it. */
			if (pid == run->child && WSTOPSIG(status) != SIGSTOP)
				raise(SIGSTOP);
			continue;
		}
		if (pid != run->child)
			continue;
		run->exited = true;
		run->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		session_stop(run->session);
	}
}

static void on_signal(const struct signalfd_siginfo *info, void *userdata)
{
	struct run *run = userdata;

	if (info->ssi_signo == SIGCHLD)
		reap(run);
	else if (info->ssi_code != SI_KERNEL && info->ssi_pid != (uint32_t)run->child)
		kill(run->child, info->ssi_signo);
	/* What the terminal sends (SI_KERNEL) has reached the command already. */
}

static int guard_and_run(struct run *run)
{
	const struct session_events events = {.on_signal = on_signal, .userdata = run};
	int status = run->options->limit_bytes ? guard_own_cgroup(run)
					       : session_guard_children(run->session);
	int r;

	if (!status)
		status = session_start(run->session, &events);
	if (status)
		return status;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = spawn(run);
	if (r) {
		log_error("cannot start a process: %s", strerror(-r));
		return EXIT_RUNTIME;
	}
	session_ready(run->session, run->child);
	status = let_go(run);
	session_loop(run->session); /* until the child is reaped */
	session_settle(run->session);
	if (run->options->json || run->options->verbosity > 0)
		session_status(run->session);
	return status >= 0 ? status : run->status;
}

int cmd_run(int argc, char **argv)
{
	struct options options;
	struct run run = {.options = &options, .cgroup_dirfd = -1, .gate = -1, .failed = -1};
	int status = common_options(COMMAND_RUN, argc, argv, &options);

	if (status >= 0)
		return status;
	status = session_new(&run.session, &options, stderr);
	if (status)
		return status;
	status = guard_and_run(&run);
	remove_cgroup(&run);
	session_free(run.session);
	return status;
}
