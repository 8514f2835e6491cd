// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/notify_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"

#define CANNOT_EXECUTE 126 /* as the shell has it */
#define NOT_FOUND 127
#define DESCRIPTORS 1024       /* programs that use select(2) rely on it */
#define LOCKED_BYTES (8 << 20) /* as the kernel has it */
#define KILL_AGAIN_MS 50       /* who was forked meanwhile */
#define GIVE_UP_MS 1000	   /* after SIGKILL: some wait for a file system, and cannot be killed */
#define CHILDREN_TEXT 4096 /* of /proc; more are found the next time */

/* --- the child ----------------------------------------------------------------------------- */

static bool be_user(uid_t uid, gid_t gid)
{
	if (uid == geteuid() && gid == getegid())
		return true;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid(uid, uid, uid) == 0;
}

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) == 0;
}

static void bound(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return;
	limit.rlim_cur = MIN(limit.rlim_cur, most);
	setrlimit(resource, &limit);
}

/* What the guard has for itself, and no other program should. */
static void be_ordinary(void)
{
	char adjust[16] = "";

	if (file_read_into(AT_FDCWD, "/proc/self/oom_score_adj", adjust, sizeof(adjust)) >= 0 &&
	    *adjust == '-')
		file_write(AT_FDCWD, "/proc/self/oom_score_adj", "0");
	setrlimit(RLIMIT_CORE, &(const struct rlimit){});
	/* What a service manager gives us in place of capabilities. */
	setrlimit(RLIMIT_RTPRIO, &(const struct rlimit){});
	bound(RLIMIT_MEMLOCK, LOCKED_BYTES);
	bound(RLIMIT_NOFILE, DESCRIPTORS);
	umask(022);
}

/* Not by close_range(2), which older filters of containers and services refuse. */
static void close_the_rest(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *item;

	while (dir && (item = readdir(dir))) {
		int fd = (int)strtol(item->d_name, NULL, 10);

		if (fd > STDERR_FILENO)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	if (dir)
		closedir(dir);
}

_Noreturn static void child_main(const struct notify_plan *plan, pid_t parent, int output)
{
	sigset_t none;
	int status;

	sigemptyset(&none);
	setsid();
	be_ordinary();
	if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 || chdir("/"))
		_exit(CANNOT_EXECUTE);
	close_the_rest();
	if (!be_user(plan->uid, plan->gid) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    !drop_capabilities()) {
		dprintf(STDERR_FILENO, "cannot become user %u: %s", plan->uid, strerror(errno));
		_exit(CANNOT_EXECUTE);
	}
	/* Forgotten when the user is changed, so after that. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
		_exit(CANNOT_EXECUTE);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(plan->argv[0], plan->argv);
	status = errno == ENOENT ? NOT_FOUND : CANNOT_EXECUTE;
	dprintf(STDERR_FILENO, "cannot run %s: %s", plan->argv[0], strerror(errno));
	_exit(status);
}

/* --- its end ------------------------------------------------------------------------------- */

enum stage { STAGE_WAIT, STAGE_TOLD, STAGE_KILLED };

struct watch {
	const struct notify_plan *plan;
	struct notify_result *result;
	pid_t child;
	bool is_reaped; /* its number, and that of its group, may be another's by now */
	int output, signals;
	size_t length; /* of what it has said */
	enum stage stage;
	uint64_t next_ns, over_ns; /* the next thing to do; when it is given up */
};

/*
 * Those of the child's group, and our own children: it, and whose parent has ended. What these have started becomes
 * ours when they are gone.
 */
static void signal_all(const struct watch *watch, int signal)
{
	char path[64], text[CHILDREN_TEXT], *at = text, *end;

	if (!watch->is_reaped)
		kill(-watch->child, signal);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	if (file_read_into(AT_FDCWD, path, text, sizeof(text)) < 0)
		return; /* a kernel without these */
	for (;;) {
		pid_t pid = (pid_t)strtol(at, &end, 10);

		if (end == at || *end != ' ') /* the last may be cut */
			return;
		kill(pid, signal);
		at = end;
	}
}

static void go_on(struct watch *watch, uint64_t now)
{
	switch (watch->stage) {
	case STAGE_WAIT:
		watch->result->is_overdue = true;
		watch->stage = STAGE_TOLD;
		watch->next_ns = now + NOTIFY_KILL_AFTER_MS * NSEC_PER_MSEC;
		signal_all(watch, SIGTERM);
		return;
	case STAGE_TOLD:
		watch->over_ns = now + GIVE_UP_MS * NSEC_PER_MSEC;
		watch->stage = STAGE_KILLED;
		break;
	case STAGE_KILLED:
		break;
	}
	signal_all(watch, SIGKILL);
	watch->next_ns = now + KILL_AGAIN_MS * NSEC_PER_MSEC;
}

static void read_output(struct watch *watch)
{
	char text[4096];
	ssize_t n = read(watch->output, text, sizeof(text));
	size_t room = sizeof(watch->result->said) - 1 - watch->length;

	if (n == 0)
		watch->output = close_fd(watch->output);
	if (n <= 0)
		return;
	memcpy(watch->result->said + watch->length, text, MIN((size_t)n, room));
	watch->length += MIN((size_t)n, room);
}

/* Whether nobody is left. */
static bool reap(struct watch *watch)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != watch->child)
			continue;
		watch->is_reaped = true;
		watch->result->status = WIFEXITED(status) ? WEXITSTATUS(status)
							  : 128 + WTERMSIG(status);
	}
	return pid < 0;
}

/* Something has ended, or all is to. */
static void read_signals(struct watch *watch)
{
	struct signalfd_siginfo info;

	while (read(watch->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGTERM || watch->stage == STAGE_KILLED)
			continue;
		watch->result->is_overdue = true;
		watch->stage = STAGE_TOLD;
		watch->next_ns = 0;
	}
}

static void wait_for_end(struct watch *watch)
{
	watch->next_ns = clock_ns(CLOCK_MONOTONIC) + watch->plan->patience_ms * NSEC_PER_MSEC;
	watch->over_ns = UINT64_MAX;
	while (!reap(watch)) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		struct pollfd fds[] = {{.fd = watch->signals, .events = POLLIN},
				       {.fd = watch->output, .events = POLLIN}};

		if (now >= watch->over_ns)
			return;
		if (now >= watch->next_ns)
			go_on(watch, now);
		poll(fds, ARRAY_SIZE(fds), (int)(sat_sub(watch->next_ns, now) / NSEC_PER_MSEC) + 1);
		if (fds[0].revents)
			read_signals(watch);
		if (fds[1].revents)
			read_output(watch);
	}
	if (watch->output >= 0 && fcntl(watch->output, F_SETFL, O_NONBLOCK) == 0)
		read_output(watch); /* what came last */
}

/* --- the whole ----------------------------------------------------------------------------- */

int notify_process_run(const struct notify_plan *plan, struct notify_result *ret)
{
	struct watch watch = {.plan = plan, .result = ret};
	_cleanup_close_ int signals = -1, write_end = -1;
	pid_t parent = getpid();
	int output[2];
	sigset_t ends;

	*ret = (struct notify_result){};
	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) || pipe2(output, O_CLOEXEC))
		return -errno;
	watch.signals = signals;
	watch.output = output[0];
	write_end = output[1];
	watch.child = fork();
	if (watch.child == 0)
		child_main(plan, parent, write_end);
	close_fd(TAKE_FD(write_end)); /* so that its end is seen */
	if (watch.child < 0) {
		int r = -errno;

		close_fd(watch.output);
		return r;
	}
	wait_for_end(&watch);
	close_fd(watch.output);
	return 0;
}

int notify_process_main(int argc, char **argv)
{
	struct notify_plan plan;
	struct notify_result result;

	if (argc < 5)
		return EXIT_USAGE;
	plan = (struct notify_plan){
		.uid = (uid_t)strtoul(argv[1], NULL, 10),
		.gid = (gid_t)strtoul(argv[2], NULL, 10),
		.patience_ms = (unsigned int)strtoul(argv[3], NULL, 10),
		.argv = argv + 4,
	};
	if (notify_process_run(&plan, &result))
		return EXIT_RUNTIME;
	return write(STDOUT_FILENO, &result, sizeof(result)) == sizeof(result) ? 0 : EXIT_RUNTIME;
}
