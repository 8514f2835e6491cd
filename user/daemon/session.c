// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/session.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <uv.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "core/status.h"
#include "daemon/accounts.h"
#include "daemon/airbag.h"
#include "daemon/loader.h"
#include "daemon/reporter.h"
#include "daemon/responder.h"
#include "daemon/swap.h"
#include "daemon/tracker.h"
#include "sense/cgroup_memory.h"
#include "sense/machine.h"
#include "sense/proc.h"

#define PID_NS_INITIAL_INO 0xEFFFFFFCU /* PROC_PID_INIT_INO in linux/proc_ns.h, a fixed number */

struct session {
	const struct options *options;
	struct reporter reporter;
	struct machine machine;
	struct cgroup_tree *tree;
	int proc_fd;
	uint32_t pid_ns; /* inode of our PID namespace */
	uint64_t page_bytes;

	/* What to guard, from session_guard_*(). */
	struct loader_config config;
	uint64_t cgroup_id;
	pid_t host_pid;
	bool guard_children;
	int pidfd; /* of the process of --pid; -1: none */
	pid_t pid;
	char *rel; /* guarded cgroup, or the one of the guarded process */

	struct loader *loader;
	struct loader_triggers triggers;
	struct airbag *airbag;
	struct responder *responder;
	struct tracker *tracker;
	struct session_events events;

	uv_loop_t loop;
	bool has_loop;
	sigset_t inherited_mask, signals; /* as we found it; what we take in */
	int signal_fd;
	struct swap_watch swap;
	uv_poll_t records_poll, results_poll, signal_poll, pid_poll;
	uv_prepare_t finish_prepare;
};

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* --- looking at the machine ---------------------------------------------------------------- */

static int open_machine(struct session *session)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat ns;
	int r;

	if (root_fd < 0)
		return -errno;
	session->proc_fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (session->proc_fd < 0 || fstatat(session->proc_fd, "self/ns/pid", &ns, 0))
		return -errno;
	session->pid_ns = ns.st_ino;
	r = machine_read(root_fd, &session->machine);
	return r ?: cgroup_tree_new(&session->tree, root_fd);
}

/* With vm.swappiness 0 the kernel does not swap at a cgroup's limit. Unknown: it does. */
static bool may_swap(int proc_fd)
{
	uint64_t swappiness;

	return file_read_u64(proc_fd, "sys/vm/swappiness", &swappiness) || swappiness > 0;
}

/*
 * All signals, but those whose default ends us and that we were started without: by nohup(1), or
 * by a shell in the background. Blocked they would no longer be ignored.
 */
static void take_signals(struct session *session)
{
	static const int maybe_ignored[] = {SIGHUP, SIGINT, SIGQUIT};
	struct sigaction action;

	sigfillset(&session->signals);
	for (size_t i = 0; i < ARRAY_SIZE(maybe_ignored); i++)
		if (!sigaction(maybe_ignored[i], NULL, &action) && action.sa_handler == SIG_IGN)
			sigdelset(&session->signals, maybe_ignored[i]);
	sigprocmask(SIG_SETMASK, &session->signals, &session->inherited_mask);
}

int session_new(struct session **ret, const struct options *options, FILE *out)
{
	struct session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return EXIT_RUNTIME;
	session->options = options;
	session->page_bytes = sysconf(_SC_PAGESIZE);
	session->signal_fd = -1;
	session->swap.fd = -1;
	session->pidfd = -1;
	session->proc_fd = -1;
	session->reporter = (struct reporter){
		.out = out,
		.json = options->json,
		.colour = isatty(fileno(out)) && !getenv("NO_COLOR"),
		.quiet = options->verbosity < 0,
		.terminates = options->command == COMMAND_RUN,
		.report_dirfd = -1,
	};
	take_signals(session);

	r = open_machine(session);
	if (r) {
		log_error(r == -ENODEV ? "the memory controller is not mounted: mount cgroup2 on "
					 "/sys/fs/cgroup (or the v1 memory hierarchy)%s"
				       : "cannot look at this machine: %s",
			  r == -ENODEV ? "" : strerror(-r));
		session_free(session);
		return EXIT_CANNOT;
	}
	session->config = (struct loader_config){
		.memcg_v1 = cgroup_tree_version(session->tree) == 1,
		.cpu_ids = session->machine.cpu_ids,
		.node_ids = session->machine.node_ids,
		.may_swap = may_swap(session->proc_fd),
		.recording = options->report_dir,
	};
	*ret = session;
	return 0;
}

const struct cgroup_tree *session_cgroups(const struct session *session)
{
	return session->tree;
}

const sigset_t *session_inherited_mask(const struct session *session)
{
	return &session->inherited_mask;
}

/* --- what to guard ------------------------------------------------------------------------- */

/* Refuses a cgroup without any limit, and options that do not fit the limit there is. */
static int check_limit(struct session *session, const char *what)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	_cleanup_free_ char *error = NULL;
	int r = cgroup_limit_binding(session->tree, session->rel, &limit);

	if (r) {
		log_error("cannot read the memory limit of %s: %s", session->rel, strerror(-r));
		return EXIT_CANNOT;
	}
	if (!limit.cgroup) {
		log_error("%s has no memory limit, nor has any cgroup above it: set one "
			  "(memory.max, or memory.limit_in_bytes), or start the program with "
			  "apoptosis run --limit SIZE",
			  what);
		return EXIT_USAGE;
	}
	if (options_check_limit(session->options, limit.limit_bytes, &error)) {
		log_error("%s", error ?: "out of memory");
		return EXIT_USAGE;
	}
	return 0;
}

/* The kernel side sees who is charged, and never a cgroup that nothing is charged to. */
static int check_charged(struct session *session, const char *what)
{
	_cleanup_free_ char *rel = NULL;
	int r = cgroup_charged(session->tree, session->rel, &rel);

	if (r) {
		log_error("cannot read the memory of %s: %s", what, strerror(-r));
		return EXIT_CANNOT;
	}
	if (strcmp(rel, session->rel) == 0)
		return 0;
	log_error("bad cgroup '%s': it has no memory controller, what runs in it is charged to %s: "
		  "give that, or the process with --pid",
		  what, rel);
	return EXIT_USAGE;
}

int session_guard_cgroup(struct session *session, const char *path)
{
	_cleanup_close_ int dirfd = -1;
	int r = cgroup_path_normalize(session->tree, path, &session->rel);

	if (r) {
		log_error("bad cgroup '%s': give a path below %s, like /a/b", path,
			  cgroup_tree_mount(session->tree));
		return EXIT_USAGE;
	}
	r = cgroup_open(session->tree, session->rel, &dirfd);
	if (!r)
		r = cgroup_id(dirfd, &session->cgroup_id);
	if (r) {
		log_error("cannot open cgroup '%s': %s (looked below %s)", path, strerror(-r),
			  cgroup_tree_mount(session->tree));
		return EXIT_USAGE;
	}
	session->config.guard_cgroups = true;
	return check_limit(session, path) ?: check_charged(session, path);
}

int session_guard_pid(struct session *session, pid_t pid)
{
	struct apo_rss rss;
	char what[32];
	int r;

	/* First of all, so that it is the process whose facts are read below, or has ended. */
	session->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	session->pid = pid;
	r = cgroup_path_of_pid(session->tree, session->proc_fd, pid, &session->rel);
	if (r == -ESRCH) {
		log_error("no process %d: give the pid of a running process", pid);
		return EXIT_USAGE;
	}
	if (r) {
		log_error("cannot tell the cgroup of process %d: %s", pid, strerror(-r));
		return EXIT_CANNOT;
	}
	if (pid == 1 && session->pid_ns == PID_NS_INITIAL_INO) {
		log_error("process 1 is the machine's init, which is never signalled: give another "
			  "pid");
		return EXIT_USAGE;
	}
	if (proc_is_kernel_thread(session->proc_fd, pid)) {
		log_error("process %d is a kernel thread: give the pid of a program", pid);
		return EXIT_USAGE;
	}
	snprintf(what, sizeof(what), "process %d", pid);
	r = check_limit(session, what);
	if (r)
		return r;
	r = loader_rss(pid, session->pid_ns, session->machine.cpu_ids, &rss);
	if (r == -ESRCH) {
		log_error("process %d has ended: give the pid of a running process", pid);
		return EXIT_USAGE;
	}
	if (r)
		return EXIT_CANNOT; /* said by the loader */
	session->host_pid = rss.tgid;
	session->config.guard_pids = true;
	return 0;
}

int session_guard_children(struct session *session)
{
	int r = cgroup_path_of_pid(session->tree, session->proc_fd, getpid(), &session->rel);

	if (r) {
		log_error("cannot tell our own memory cgroup: %s", strerror(-r));
		return EXIT_CANNOT;
	}
	session->config.guard_pids = true;
	session->guard_children = true;
	return check_limit(session, "the cgroup this command runs in");
}

int session_guard_all(struct session *session)
{
	session->config.guard_all = true;
	return 0;
}

/* --- starting ------------------------------------------------------------------------------ */

static void on_records(uv_poll_t *poll, int status, int events)
{
	struct session *session = poll->data;

	(void)status;
	(void)events;
	loader_consume_records(session->loader);
}

static void on_results(uv_poll_t *poll, int status, int events)
{
	struct session *session = poll->data;
	struct responder_result result;

	(void)status;
	(void)events;
	/* The record of a trip is written before the responder hears of it: take it in first. */
	loader_consume_records(session->loader);
	while (read(responder_results_fd(session->responder), &result, sizeof(result)) ==
	       sizeof(result))
		tracker_on_result(session->tracker, &result);
}

static void on_signals(uv_poll_t *poll, int status, int events)
{
	struct session *session = poll->data;
	struct signalfd_siginfo info;

	(void)status;
	(void)events;
	while (read(session->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (session->events.on_signal)
			session->events.on_signal(&info, session->events.userdata);
}

static void on_process_end(uv_poll_t *poll, int status, int events)
{
	struct session *session = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	log_info("process %d has ended", session->pid);
	session_finish(session);
}

/* Once a turn, before it waits. */
static void on_finish(uv_prepare_t *prepare)
{
	struct session *session = prepare->data;

	if (!session->options->grace_ns || tracker_open_count(session->tracker) == 0)
		session_stop(session);
}

static int start_poll(struct session *session, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
	int r = uv_poll_init(&session->loop, poll, fd);

	poll->data = session;
	return r ?: uv_poll_start(poll, UV_READABLE, callback);
}

static int start_loop(struct session *session)
{
	struct {
		uv_poll_t *poll;
		int fd;
		uv_poll_cb callback;
	} polls[] = {
		{&session->records_poll, loader_records_fd(session->loader), on_records},
		{&session->results_poll, responder_results_fd(session->responder), on_results},
		{&session->signal_poll, session->signal_fd, on_signals},
	};
	int r = uv_prepare_init(&session->loop, &session->finish_prepare);

	session->finish_prepare.data = session;
	for (size_t i = 0; !r && i < ARRAY_SIZE(polls); i++)
		r = start_poll(session, polls[i].poll, polls[i].fd, polls[i].callback);
	if (!r)
		r = swap_watch_start(&session->swap, session->loader, session->page_bytes,
				     &session->loop);
	if (!r && session->pidfd >= 0)
		r = start_poll(session, &session->pid_poll, session->pidfd, on_process_end);
	return r;
}

static int load(struct session *session)
{
	struct apo_policy policy;
	int r = loader_new(&session->loader, &session->config);

	if (r)
		return r;
	options_policy(session->options, session->page_bytes, &policy);
	if (session->config.memcg_v1) /* has no memory.high */
		policy.flags &= ~(uint32_t)APO_POLICY_BRAKE;
	r = loader_set_policy(session->loader, 0, &policy);
	if (!r && session->config.guard_cgroups)
		r = loader_guard_cgroup(session->loader, session->cgroup_id, 0);
	if (!r && session->host_pid)
		r = loader_guard_pid(session->loader, session->host_pid, 0);
	if (!r && session->guard_children)
		r = loader_guard_children(session->loader, 0);
	if (r)
		log_error("cannot configure the kernel side: %s", strerror(-r));
	return r;
}

static int start(struct session *session)
{
	const struct airbag_config airbag = {
		.tree = session->tree,
		.options = session->options,
		.proc_fd = session->proc_fd,
		.loop = &session->loop,
	};
	struct responder_config responder = {
		.loader = session->loader,
		.page_bytes = session->page_bytes,
		.tree = session->tree,
		.proc_fd = session->proc_fd,
		.cooldown_ns = session->options->cooldown_ns,
		.initial_pid_ns = session->pid_ns == PID_NS_INITIAL_INO,
		.brake = session->options->brake && !session->config.memcg_v1,
		.may_lock_memory = machine_has_capability(&session->machine, CAP_IPC_LOCK),
	};
	struct tracker_config tracker = {
		.loop = &session->loop,
		.loader = session->loader,
		.tree = session->tree,
		.reporter = &session->reporter,
		.options = session->options,
		.proc_fd = session->proc_fd,
		.initial_pid_ns = session->pid_ns == PID_NS_INITIAL_INO,
		.page_bytes = session->page_bytes,
	};
	int r = uv_loop_init(&session->loop);

	if (r)
		return r;
	session->has_loop = true;
	session->signal_fd = signalfd(-1, &session->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (session->signal_fd < 0)
		return -errno;
	/* Also where none is asked for: an earlier instance may have left one. */
	r = airbag_new(&session->airbag, &airbag);
	if (r)
		return r;
	if (session->rel)
		airbag_prepare(session->airbag, session->rel);
	if (session->options->airbag != AIRBAG_OFF)
		responder.airbag = tracker.airbag = session->airbag;
	r = tracker_new(&session->tracker, &tracker);
	if (!r)
		r = loader_on_record(session->loader, tracker_on_record, session->tracker);
	if (!r)
		r = responder_new(&session->responder, &responder);
	return r ?: start_loop(session);
}

int session_start(struct session *session, const struct session_events *events)
{
	const char *report_dir = session->options->report_dir;
	int r = report_dir ? reporter_open_dir(report_dir, &session->reporter.report_dirfd) : 0;

	if (r) {
		log_error("cannot write reports to %s: %s (--report-dir wants a directory that is "
			  "writable)",
			  report_dir, strerror(-r));
		return EXIT_USAGE;
	}
	if (load(session))
		return EXIT_CANNOT;
	session->events = *events;
	r = start(session);
	if (r) {
		log_error("cannot start: %s", strerror(-r));
		return EXIT_RUNTIME;
	}
	return loader_attach(session->loader, &session->triggers) ? EXIT_CANNOT : 0;
}

/* --- events -------------------------------------------------------------------------------- */

/*
 * The slow path must not run between a signal and its handler: a batch thread never preempts the
 * thread it was woken by. Without it, a report was seen to hold up the handler for 0.6 ms, and with
 * more threads than CPUs for 10. Called when the
 * command of `run` has been forked, which would inherit it.
 */
static void step_back(void)
{
	const struct sched_param none = {.sched_priority = 0};

	if (sched_setscheduler(0, SCHED_BATCH, &none))
		log_debug("cannot become a batch thread: %s, ignoring", strerror(errno));
}

void session_ready(struct session *session, pid_t child)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	const struct options *options = session->options;
	struct ready ready = {
		.realtime_ns = realtime_ns(),
		.mode = options->command == COMMAND_RUN ? "run" : guard_mode_name(options->mode),
		.pid = getpid(),
		.version = APO_VERSION,
		.growth = session->triggers.growth,
		.charge = session->triggers.charge,
		.pulse = session->triggers.pulse,
		.reclaim = session->triggers.reclaim,
		.child = child,
	};

	step_back();
	if (session->rel && !cgroup_limit_binding(session->tree, session->rel, &limit) &&
	    limit.cgroup) {
		_cleanup_close_ int dirfd = -1;

		ready.has_guard = true;
		ready.cgroup = session->rel;
		ready.limit_bytes = limit.limit_bytes;
		ready.limit_cgroup = limit.cgroup;
		ready.reserve_bytes =
			options_reserve_bytes(options, limit.limit_bytes, session->page_bytes);
		if (!cgroup_open(session->tree, session->rel, &dirfd))
			cgroup_id(dirfd, &ready.cgroup_id);
	}
	reporter_ready(&session->reporter, &ready);
}

void session_status(struct session *session)
{
	struct status status = {
		.realtime_ns = realtime_ns(),
		.page_bytes = session->page_bytes,
	};
	int r = accounts_read(session->loader, session->tree, &status);

	tracker_status(session->tracker, &status);
	if (r)
		log_warn("cannot read the accounts: %s, ignoring", strerror(-r));
	else
		reporter_status(&session->reporter, &status);
	accounts_clear(&status);
}

void session_loop(struct session *session)
{
	uv_run(&session->loop, UV_RUN_DEFAULT);
}

void session_stop(struct session *session)
{
	uv_stop(&session->loop);
}

void session_finish(struct session *session)
{
	uv_prepare_start(&session->finish_prepare, on_finish);
}

void session_settle(struct session *session)
{
	on_results(&session->results_poll, 0, 0);
	tracker_close_all(session->tracker);
	while (tracker_is_naming(session->tracker)) /* the search ends by itself */
		uv_run(&session->loop, UV_RUN_ONCE);
}

static void close_handle(uv_handle_t *handle, void *userdata)
{
	(void)userdata;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

struct session *session_free(struct session *session)
{
	if (!session)
		return NULL;
	responder_free(session->responder);
	tracker_free(session->tracker);
	if (session->has_loop) {
		uv_walk(&session->loop, close_handle, NULL);
		uv_run(&session->loop, UV_RUN_DEFAULT);
		uv_loop_close(&session->loop);
	}
	airbag_free(session->airbag); /* its handles are closed */
	loader_free(session->loader);
	close_fd(session->signal_fd);
	swap_watch_stop(&session->swap);
	close_fd(session->pidfd);
	close_fd(session->proc_fd);
	close_fd(session->reporter.report_dirfd);
	cgroup_tree_free(session->tree);
	free(session->rel);
	free(session);
	return NULL;
}
