/* SPDX-License-Identifier: BSD-2-Clause */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "harness.h"

#define OUTPUT_BYTES (1 << 20)
#define NOTES_MAX 8 /* lines */

#define READY_FD 9
#define MAX_PROCESSES 256

static struct live_process *processes;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t live_deadline(void)
{
	return now_ns() + LIVE_TIMEOUT_S * NSEC_PER_SEC * live_slowness();
}

static char *join(const char *const argv[])
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	live_check(out, "out of memory");
	for (size_t i = 0; argv[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", argv[i]);
	fclose(out);
	return text;
}

struct pipes {
	int in[2], out[2], err[2], ready[2], failed[2];
};

/* In a mount namespace of its own. */
static int unmount_unified(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    umount2("/sys/fs/cgroup/unified", MNT_DETACH) < 0)
		return errno;
	return 0;
}

/* Our cgroup becomes the root of all cgroups that we see, as in a container. */
static int enter_cgroup_namespace(void)
{
	const char *point = cgroup_tree_mount(live_tree());

	if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    umount2(point, MNT_DETACH) < 0 || mount("cgroup2", point, "cgroup2", 0, NULL) < 0)
		return errno;
	return 0;
}

static int become_user(uid_t user)
{
	return setgroups(0, NULL) < 0 || setgid(user) < 0 || setuid(user) < 0 ? errno : 0;
}

/* In the child; says through the pipe what failed, and exec closes it. */
static void become(const struct live_spawn *spec, const struct pipes *pipes,
		   const char *const argv[])
{
	sigset_t none;
	int error;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int signal_number = 1; signal_number < 32; signal_number++)
		signal(signal_number, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* First of all, so that everything is charged there, and before its descriptor is replaced. */
	error = spec->cgroup ? -cgroup_attach(spec->cgroup->fd, 0) : 0;
	if (!error && spec->hide_unified)
		error = unmount_unified();
	if (!error && spec->cgroup_namespace)
		error = enter_cgroup_namespace();
	if (!error && spec->directory && chdir(spec->directory) < 0)
		error = errno;
	if (!error && spec->user)
		error = become_user(spec->user);
	if (!error &&
	    (dup2(pipes->in[0], STDIN_FILENO) < 0 || dup2(pipes->out[1], STDOUT_FILENO) < 0 ||
	     dup2(pipes->err[1], STDERR_FILENO) < 0 || dup2(pipes->ready[1], READY_FD) < 0))
		error = errno;
	if (!error) {
		fcntl(READY_FD, F_SETFD, 0); /* dup2 leaves it alone if it is that one already */
		execv(argv[0], (char *const *)argv);
		error = errno;
	}
	if (write(pipes->failed[1], &error, sizeof(error)) < 0)
		_exit(98);
	_exit(99);
}

static pid_t fork_as(bool pid_namespace)
{
	if (!pid_namespace)
		return fork();
	return (pid_t)syscall(SYS_clone, (unsigned long)CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL,
			      NULL);
}

/* Out of the way of READY_FD. */
static bool high_fd(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, READY_FD + 1);

	close_fd(*fd);
	*fd = high;
	return high >= 0;
}

struct live_process *live_spawn_argv(const struct live_spawn *spec, const char *const argv[])
{
	static const struct live_spawn plain = {.cgroup = NULL};
	struct live_process *process = calloc(1, sizeof(*process));
	struct pipes pipes;
	int error = 0;

	live_check(process, "out of memory");
	spec = spec ? spec : &plain;
	live_check(pipe2(pipes.failed, O_CLOEXEC) == 0 && high_fd(&pipes.failed[1]), "pipe: %m");
	live_check(pipe2(pipes.in, O_CLOEXEC) == 0 && pipe2(pipes.out, O_CLOEXEC) == 0 &&
			   pipe2(pipes.err, O_CLOEXEC) == 0 && pipe2(pipes.ready, O_CLOEXEC) == 0,
		   "pipe: %m");
	process->name = join(argv);
	process->events_on = spec->events;
	process->events = json_array();
	process->next = processes;
	fflush(NULL);
	process->pid = fork_as(spec->pid_namespace);
	live_check(process->pid >= 0, "fork: %m");
	if (process->pid == 0)
		become(spec, &pipes, argv);
	processes = process;
	process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	live_check(process->pidfd >= 0, "pidfd_open: %m");
	process->output_fds[0] = pipes.out[0];
	process->output_fds[1] = pipes.err[0];
	for (int i = 0; i < 2; i++) {
		fcntl(process->output_fds[i], F_SETFL, O_NONBLOCK);
		/* Events that are not read in time are dropped, and a test has other things to do. */
		if (spec->events)
			fcntl(process->output_fds[i], F_SETPIPE_SZ, OUTPUT_BYTES);
	}
	process->ready_fd = pipes.ready[0];
	process->stdin_fd = spec->wants_stdin ? pipes.in[1] : close_fd(pipes.in[1]);
	close_fd(pipes.failed[1]);
	live_check(read(pipes.failed[0], &error, sizeof(error)) == 0, "cannot start %s: %s",
		   process->name, strerror(error));
	close_fd(pipes.failed[0]);
	close_fd(pipes.in[0]);
	close_fd(pipes.out[1]);
	close_fd(pipes.err[1]);
	close_fd(pipes.ready[1]);
	return process;
}

/* Whether more may come. */
static bool collect(struct live_process *process, int stream)
{
	char buffer[16384], *grown;
	size_t size = process->output_sizes[stream];
	ssize_t n = read(process->output_fds[stream], buffer, sizeof(buffer));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		process->output_fds[stream] = close_fd(process->output_fds[stream]);
		return false;
	}
	grown = realloc(process->output[stream], size + (size_t)n + 1);
	live_check(grown, "out of memory");
	memcpy(grown + size, buffer, (size_t)n);
	grown[size + (size_t)n] = '\0';
	process->output[stream] = grown;
	process->output_sizes[stream] = size + (size_t)n;
	return true;
}

static void parse_events(struct live_process *process)
{
	const char *output;
	char *end;

	output = process->events_on ? process->output[process->events_on - 1] : NULL;
	if (!output)
		return;
	while ((end = strchr(output + process->events_parsed, '\n'))) {
		const char *line = output + process->events_parsed;
		json_error_t error;
		json_t *event = json_loadb(line, (size_t)(end - line), 0, &error);

		process->events_parsed = (size_t)(end + 1 - output);
		/* Standard error also has plain messages; standard output of --json never. */
		if (!event && process->events_on == EVENTS_ON_STDERR && *line != '{')
			continue;
		live_check(event, "not a JSON line (%s): %.*s", error.text, (int)(end - line),
			   line);
		json_array_append_new(process->events, event);
	}
}

static void take_status(struct live_process *process)
{
	if (!process->exited && waitpid(process->pid, &process->status, WNOHANG) == process->pid)
		process->exited = true;
}

const char *live_home(uid_t user)
{
	const char *dir = live_path("home"), *tool = getenv("APOPTOSIS");

	live_check(mkdir(dir, 0700) == 0, "mkdir %s: %m", dir);
	live_wait_exit(live_start(NULL, "/bin/cp", live_workload("victim"), tool, dir));
	live_check(chown(dir, user, user) == 0 && chmod(live_format("%s/victim", dir), 0755) == 0 &&
			   chmod(live_format("%s/apoptosis", dir), 0755) == 0,
		   "%s: %m", dir);
	return dir;
}

void live_pump(uint64_t deadline_ns, const char *waiting_for)
{
	struct pollfd fds[MAX_PROCESSES * 3];
	struct live_process *owners[MAX_PROCESSES * 3];
	uint64_t now = now_ns();
	nfds_t n = 0;

	live_check(now < deadline_ns, "still waiting for %s after %u s", waiting_for,
		   LIVE_TIMEOUT_S * live_slowness());
	for (struct live_process *p = processes; p; p = p->next) {
		int waited[3] = {p->output_fds[0], p->output_fds[1], p->exited ? -1 : p->pidfd};

		for (int i = 0; i < 3 && n < ARRAY_SIZE(fds); i++) {
			if (waited[i] < 0)
				continue;
			owners[n] = p;
			fds[n++] = (struct pollfd){.fd = waited[i], .events = POLLIN};
		}
	}
	/* Short, for those who wait for something that is not among these descriptors. */
	if (poll(fds, n, 50) < 0)
		live_check(errno == EINTR, "poll: %m");
	for (nfds_t i = 0; i < n; i++) {
		struct live_process *p = owners[i];

		if (!fds[i].revents)
			continue;
		if (fds[i].fd == p->pidfd)
			take_status(p);
		for (int stream = 0; stream < 2; stream++)
			if (fds[i].fd == p->output_fds[stream])
				collect(p, stream);
		parse_events(p);
	}
}

void live_wait_exit(struct live_process *process)
{
	uint64_t deadline = live_deadline();
	const char *what = live_format("the end of %s", process->name);

	while (!process->exited)
		live_pump(deadline, what);
	/* What it wrote before its end is in the pipes; a child of its own may hold them open. */
	for (int stream = 0; stream < 2; stream++) {
		size_t before;

		do {
			before = process->output_sizes[stream];
			if (process->output_fds[stream] >= 0)
				collect(process, stream);
		} while (process->output_sizes[stream] != before);
	}
	parse_events(process);
}

void live_wait_ready(struct live_process *process)
{
	uint64_t deadline = live_deadline();
	struct pollfd fd = {.fd = process->ready_fd, .events = POLLIN};
	char byte;

	while (poll(&fd, 1, 0) == 0)
		live_pump(deadline, "a victim to be ready");
	live_check(read(process->ready_fd, &byte, 1) == 1, "%s ended before it was ready",
		   process->name);
}

void live_wait_shutdown(const struct live_process *victim)
{
	const char *path = live_format("%s.tmp", victim->state);
	uint64_t deadline = live_deadline();

	while (access(path, F_OK) < 0)
		live_pump(deadline, "the shutdown to begin");
}

void live_release(struct live_process *process)
{
	live_check(write(process->stdin_fd, "", 1) == 1, "write to %s: %m", process->name);
}

void live_wait_output(struct live_process *process, int stream, const char *text)
{
	uint64_t deadline = live_deadline();

	while (!process->output[stream] || !strstr(process->output[stream], text)) {
		live_check(!process->exited || process->output_fds[stream] >= 0,
			   "%s ended without saying '%s'", process->name, text);
		live_pump(deadline, text);
	}
}

void live_signal(const struct live_process *process, int signal_number)
{
	live_check(syscall(SYS_pidfd_send_signal, process->pidfd, signal_number, NULL, 0) == 0,
		   "signal %s: %m", process->name);
}

int live_exit_code(const struct live_process *process)
{
	live_check(process->exited, "%s still runs", process->name);
	return WIFEXITED(process->status) ? WEXITSTATUS(process->status)
					  : 128 + WTERMSIG(process->status);
}

/* Where each thread of a process that runs on is in the kernel: what it waits for. */
static void dump_threads(const struct live_process *p)
{
	const char *dir = live_format("/proc/%d/task", (int)p->pid);
	DIR *threads = opendir(dir);
	const struct dirent *entry;

	while (threads && (entry = readdir(threads)))
		if (entry->d_name[0] != '.')
			fprintf(stderr, "live: [%d] thread %s is in\n%s", (int)p->pid,
				entry->d_name,
				live_read(live_format("%s/%s/stack", dir, entry->d_name)));
	if (threads)
		closedir(threads);
}

/* The last lines that a guard complained in, as .ci/run repeats them in its summary. */
static void dump_notes(const struct live_process *p)
{
	const char *text = p->output[1];
	size_t from = p->output_sizes[1];
	int ends = 0;

	while (from > 0 && ends <= NOTES_MAX)
		ends += text[--from] == '\n';
	from += ends > NOTES_MAX;
	while (from < p->output_sizes[1]) {
		size_t length = strcspn(text + from, "\n");

		fprintf(stderr, "note [%d] %.*s\n", (int)p->pid, (int)length, text + from);
		from += length + 1;
	}
}

void process_dump_all(void)
{
	for (struct live_process *p = processes; p; p = p->next) {
		for (int stream = 0; stream < 2; stream++)
			while (p->output_fds[stream] >= 0 && collect(p, stream) && errno != EAGAIN)
				;
		take_status(p);
		fprintf(stderr, "live: [%d] %s: %s %#x\n", (int)p->pid, p->name,
			p->exited ? "ended, status" : "runs", p->exited ? p->status : 0);
		if (!p->exited)
			dump_threads(p);
		for (int stream = 0; stream < 2; stream++)
			if (p->output[stream])
				fprintf(stderr, "live: [%d] %s:\n%s\n", (int)p->pid,
					stream ? "stderr" : "stdout", p->output[stream]);
		if (p->events_on && p->output[1])
			dump_notes(p);
	}
}

void process_end_tools(void)
{
	struct timespec nap = {0, 10000000};
	bool running = true;

	for (struct live_process *p = processes; p; p = p->next)
		if (!p->exited && p->events_on)
			kill(p->pid, SIGTERM);
	for (int i = 0; i < 300 && running; i++) {
		running = false;
		process_reap_all();
		for (struct live_process *p = processes; p; p = p->next)
			running |= !p->exited && p->events_on;
		if (running)
			nanosleep(&nap, NULL);
	}
}

void process_kill_all(void)
{
	for (struct live_process *p = processes; p; p = p->next) {
		if (p->exited)
			continue;
		kill(p->pid, SIGKILL);
		if (waitpid(p->pid, &p->status, 0) == p->pid)
			p->exited = true;
	}
}

void process_reap_all(void)
{
	for (struct live_process *p = processes; p; p = p->next)
		take_status(p);
}

static void take_out(struct live_process **link)
{
	struct live_process *p = *link;

	*link = p->next;
	for (int i = 0; i < 2; i++) {
		close_fd(p->output_fds[i]);
		free(p->output[i]);
	}
	close_fd(p->pidfd);
	close_fd(p->ready_fd);
	close_fd(p->stdin_fd);
	json_decref(p->events);
	free(p->name);
	free(p);
}

void live_forget(struct live_process *process)
{
	struct live_process **link = &processes;

	live_check(process->exited, "%s still runs", process->name);
	while (*link != process)
		link = &(*link)->next;
	take_out(link);
}

void process_free_all(void)
{
	while (processes)
		take_out(&processes);
}
