// SPDX-License-Identifier: BSD-2-Clause
#include "engine/engine.h"

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
#include "engine/accounts.h"
#include "rescue/airbag.h"
#include "source/source.h"
#include "sinks/sinks.h"
#include "rescue/responder.h"
#include "engine/swap.h"
#include "engine/incidents.h"
#include "sense/cgroup_memory.h"
#include "sense/machine.h"
#include "sense/proc.h"

#define PID_NS_INITIAL_INO 0xEFFFFFFCU /* PROC_PID_INIT_INO in linux/proc_ns.h, a fixed number */

struct engine {
	const struct options *options;
	struct sinks sinks;
	struct machine machine;
	struct cgroup_tree *tree;
	int proc_fd;
	uint32_t pid_ns; /* inode of our PID namespace */
	uint64_t page_bytes;

	/* What to guard, from engine_guard_*(). */
	struct source_config config;
	uint64_t cgroup_id;
	pid_t host_pid;
	bool guard_children;
	int pidfd; /* of the process of --pid; -1: none */
	pid_t pid;
	char *rel; /* guarded cgroup, or the one of the guarded process */

	struct source *source;
	struct source_triggers triggers;
	struct airbag *airbag;
	struct responder *responder;
	struct incidents *incidents;
	struct engine_events events;

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

static int open_machine(struct engine *engine)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat ns;
	int r;

	if (root_fd < 0)
		return -errno;
	engine->proc_fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (engine->proc_fd < 0 || fstatat(engine->proc_fd, "self/ns/pid", &ns, 0))
		return -errno;
	engine->pid_ns = ns.st_ino;
	r = machine_read(root_fd, &engine->machine);
	return r ?: cgroup_tree_new(&engine->tree, root_fd);
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
static void take_signals(struct engine *engine)
{
	static const int maybe_ignored[] = {SIGHUP, SIGINT, SIGQUIT};
	struct sigaction action;

	sigfillset(&engine->signals);
	for (size_t i = 0; i < ARRAY_SIZE(maybe_ignored); i++)
		if (!sigaction(maybe_ignored[i], NULL, &action) && action.sa_handler == SIG_IGN)
			sigdelset(&engine->signals, maybe_ignored[i]);
	sigprocmask(SIG_SETMASK, &engine->signals, &engine->inherited_mask);
}

int engine_new(struct engine **ret, const struct options *options, FILE *out)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return EXIT_RUNTIME;
	engine->options = options;
	engine->page_bytes = sysconf(_SC_PAGESIZE);
	engine->signal_fd = -1;
	engine->swap.fd = -1;
	engine->pidfd = -1;
	engine->proc_fd = -1;
	engine->sinks = (struct sinks){
		.out = out,
		.json = options->json,
		.colour = isatty(fileno(out)) && !getenv("NO_COLOR"),
		.quiet = options->verbosity < 0,
		.terminates = options->command == COMMAND_RUN,
		.report_dirfd = -1,
	};
	take_signals(engine);

	r = open_machine(engine);
	if (r) {
		log_error(r == -ENODEV ? "the memory controller is not mounted: mount cgroup2 on "
					 "/sys/fs/cgroup (or the v1 memory hierarchy)%s"
				       : "cannot look at this machine: %s",
			  r == -ENODEV ? "" : strerror(-r));
		engine_free(engine);
		return EXIT_CANNOT;
	}
	engine->config = (struct source_config){
		.memcg_v1 = cgroup_tree_version(engine->tree) == 1,
		.cpu_ids = engine->machine.cpu_ids,
		.node_ids = engine->machine.node_ids,
		.may_swap = may_swap(engine->proc_fd),
		.recording = options->report_dir,
	};
	*ret = engine;
	return 0;
}

const struct cgroup_tree *engine_cgroups(const struct engine *engine)
{
	return engine->tree;
}

const sigset_t *engine_inherited_mask(const struct engine *engine)
{
	return &engine->inherited_mask;
}

/* --- what to guard ------------------------------------------------------------------------- */

/* Refuses a cgroup without any limit, and options that do not fit the limit there is. */
static int check_limit(struct engine *engine, const char *what)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	_cleanup_free_ char *error = NULL;
	int r = cgroup_limit_binding(engine->tree, engine->rel, &limit);

	if (r) {
		log_error("cannot read the memory limit of %s: %s", engine->rel, strerror(-r));
		return EXIT_CANNOT;
	}
	if (!limit.cgroup) {
		log_error("%s has no memory limit, nor has any cgroup above it: set one "
			  "(memory.max, or memory.limit_in_bytes), or start the program with "
			  "apoptosis run --limit SIZE",
			  what);
		return EXIT_USAGE;
	}
	if (options_check_limit(engine->options, limit.limit_bytes, &error)) {
		log_error("%s", error ?: "out of memory");
		return EXIT_USAGE;
	}
	return 0;
}

/* The kernel side sees who is charged, and never a cgroup that nothing is charged to. */
static int check_charged(struct engine *engine, const char *what)
{
	_cleanup_free_ char *rel = NULL;
	int r = cgroup_charged(engine->tree, engine->rel, &rel);

	if (r) {
		log_error("cannot read the memory of %s: %s", what, strerror(-r));
		return EXIT_CANNOT;
	}
	if (strcmp(rel, engine->rel) == 0)
		return 0;
	log_error("bad cgroup '%s': it has no memory controller, what runs in it is charged to %s: "
		  "give that, or the process with --pid",
		  what, rel);
	return EXIT_USAGE;
}

int engine_guard_cgroup(struct engine *engine, const char *path)
{
	_cleanup_close_ int dirfd = -1;
	int r = cgroup_path_normalize(engine->tree, path, &engine->rel);

	if (r) {
		log_error("bad cgroup '%s': give a path below %s, like /a/b", path,
			  cgroup_tree_mount(engine->tree));
		return EXIT_USAGE;
	}
	r = cgroup_open(engine->tree, engine->rel, &dirfd);
	if (!r)
		r = cgroup_id(dirfd, &engine->cgroup_id);
	if (r) {
		log_error("cannot open cgroup '%s': %s (looked below %s)", path, strerror(-r),
			  cgroup_tree_mount(engine->tree));
		return EXIT_USAGE;
	}
	engine->config.guard_cgroups = true;
	return check_limit(engine, path) ?: check_charged(engine, path);
}

int engine_guard_pid(struct engine *engine, pid_t pid)
{
	struct apo_rss rss;
	char what[32];
	int r;

	/* First of all, so that it is the process whose facts are read below, or has ended. */
	engine->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	engine->pid = pid;
	r = cgroup_path_of_pid(engine->tree, engine->proc_fd, pid, &engine->rel);
	if (r == -ESRCH) {
		log_error("no process %d: give the pid of a running process", pid);
		return EXIT_USAGE;
	}
	if (r) {
		log_error("cannot tell the cgroup of process %d: %s", pid, strerror(-r));
		return EXIT_CANNOT;
	}
	if (pid == 1 && engine->pid_ns == PID_NS_INITIAL_INO) {
		log_error("process 1 is the machine's init, which is never signalled: give another "
			  "pid");
		return EXIT_USAGE;
	}
	if (proc_is_kernel_thread(engine->proc_fd, pid)) {
		log_error("process %d is a kernel thread: give the pid of a program", pid);
		return EXIT_USAGE;
	}
	snprintf(what, sizeof(what), "process %d", pid);
	r = check_limit(engine, what);
	if (r)
		return r;
	r = source_rss(pid, engine->pid_ns, engine->machine.cpu_ids, &rss);
	if (r == -ESRCH) {
		log_error("process %d has ended: give the pid of a running process", pid);
		return EXIT_USAGE;
	}
	if (r)
		return EXIT_CANNOT; /* said by the source */
	engine->host_pid = rss.tgid;
	engine->config.guard_pids = true;
	return 0;
}

int engine_guard_children(struct engine *engine)
{
	int r = cgroup_path_of_pid(engine->tree, engine->proc_fd, getpid(), &engine->rel);

	if (r) {
		log_error("cannot tell our own memory cgroup: %s", strerror(-r));
		return EXIT_CANNOT;
	}
	engine->config.guard_pids = true;
	engine->guard_children = true;
	return check_limit(engine, "the cgroup this command runs in");
}

int engine_guard_all(struct engine *engine)
{
	engine->config.guard_all = true;
	return 0;
}

/* --- starting ------------------------------------------------------------------------------ */

static void on_records(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;

	(void)status;
	(void)events;
	source_consume_records(engine->source);
}

static void on_results(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;
	struct responder_result result;

	(void)status;
	(void)events;
	/* The record of a trip is written before the responder hears of it: take it in first. */
	source_consume_records(engine->source);
	while (read(responder_results_fd(engine->responder), &result, sizeof(result)) ==
	       sizeof(result))
		incidents_on_result(engine->incidents, &result);
}

static void on_signals(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;
	struct signalfd_siginfo info;

	(void)status;
	(void)events;
	while (read(engine->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (engine->events.on_signal)
			engine->events.on_signal(&info, engine->events.userdata);
}

static void on_process_end(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	log_info("process %d has ended", engine->pid);
	engine_finish(engine);
}

/* Once a turn, before it waits. */
static void on_finish(uv_prepare_t *prepare)
{
	struct engine *engine = prepare->data;

	if (!engine->options->grace_ns || incidents_open_count(engine->incidents) == 0)
		engine_stop(engine);
}

static int start_poll(struct engine *engine, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
	int r = uv_poll_init(&engine->loop, poll, fd);

	poll->data = engine;
	return r ?: uv_poll_start(poll, UV_READABLE, callback);
}

static int start_loop(struct engine *engine)
{
	struct {
		uv_poll_t *poll;
		int fd;
		uv_poll_cb callback;
	} polls[] = {
		{&engine->records_poll, source_records_fd(engine->source), on_records},
		{&engine->results_poll, responder_results_fd(engine->responder), on_results},
		{&engine->signal_poll, engine->signal_fd, on_signals},
	};
	int r = uv_prepare_init(&engine->loop, &engine->finish_prepare);

	engine->finish_prepare.data = engine;
	for (size_t i = 0; !r && i < ARRAY_SIZE(polls); i++)
		r = start_poll(engine, polls[i].poll, polls[i].fd, polls[i].callback);
	if (!r)
		r = swap_watch_start(&engine->swap, engine->source, engine->page_bytes,
				     &engine->loop);
	if (!r && engine->pidfd >= 0)
		r = start_poll(engine, &engine->pid_poll, engine->pidfd, on_process_end);
	return r;
}

static int load(struct engine *engine)
{
	struct apo_policy policy;
	int r = source_new(&engine->source, &engine->config);

	if (r)
		return r;
	options_policy(engine->options, engine->page_bytes, &policy);
	if (engine->config.memcg_v1) /* has no memory.high */
		policy.flags &= ~(uint32_t)APO_POLICY_BRAKE;
	r = source_set_policy(engine->source, 0, &policy);
	if (!r && engine->config.guard_cgroups)
		r = source_guard_cgroup(engine->source, engine->cgroup_id, 0);
	if (!r && engine->host_pid)
		r = source_guard_pid(engine->source, engine->host_pid, 0);
	if (!r && engine->guard_children)
		r = source_guard_children(engine->source, 0);
	if (r)
		log_error("cannot configure the kernel side: %s", strerror(-r));
	return r;
}

static int start(struct engine *engine)
{
	const struct airbag_config airbag = {
		.tree = engine->tree,
		.options = engine->options,
		.proc_fd = engine->proc_fd,
		.loop = &engine->loop,
	};
	struct responder_config responder = {
		.source = engine->source,
		.page_bytes = engine->page_bytes,
		.tree = engine->tree,
		.proc_fd = engine->proc_fd,
		.cooldown_ns = engine->options->cooldown_ns,
		.initial_pid_ns = engine->pid_ns == PID_NS_INITIAL_INO,
		.brake = engine->options->brake && !engine->config.memcg_v1,
		.may_lock_memory = machine_has_capability(&engine->machine, CAP_IPC_LOCK),
	};
	struct incidents_config incidents = {
		.loop = &engine->loop,
		.source = engine->source,
		.tree = engine->tree,
		.sinks = &engine->sinks,
		.options = engine->options,
		.proc_fd = engine->proc_fd,
		.initial_pid_ns = engine->pid_ns == PID_NS_INITIAL_INO,
		.page_bytes = engine->page_bytes,
	};
	int r = uv_loop_init(&engine->loop);

	if (r)
		return r;
	engine->has_loop = true;
	engine->signal_fd = signalfd(-1, &engine->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (engine->signal_fd < 0)
		return -errno;
	/* Also where none is asked for: an earlier instance may have left one. */
	r = airbag_new(&engine->airbag, &airbag);
	if (r)
		return r;
	if (engine->rel)
		airbag_prepare(engine->airbag, engine->rel);
	if (engine->options->airbag != AIRBAG_OFF)
		responder.airbag = incidents.airbag = engine->airbag;
	r = incidents_new(&engine->incidents, &incidents);
	if (!r)
		r = source_on_record(engine->source, incidents_on_record, engine->incidents);
	if (!r)
		r = responder_new(&engine->responder, &responder);
	return r ?: start_loop(engine);
}

int engine_start(struct engine *engine, const struct engine_events *events)
{
	const char *report_dir = engine->options->report_dir;
	int r = report_dir ? sinks_open_dir(report_dir, &engine->sinks.report_dirfd) : 0;

	if (r) {
		log_error("cannot write reports to %s: %s (--report-dir wants a directory that is "
			  "writable)",
			  report_dir, strerror(-r));
		return EXIT_USAGE;
	}
	if (load(engine))
		return EXIT_CANNOT;
	engine->events = *events;
	r = start(engine);
	if (r) {
		log_error("cannot start: %s", strerror(-r));
		return EXIT_RUNTIME;
	}
	return source_attach(engine->source, &engine->triggers) ? EXIT_CANNOT : 0;
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

void engine_ready(struct engine *engine, pid_t child)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	const struct options *options = engine->options;
	struct ready ready = {
		.realtime_ns = realtime_ns(),
		.mode = options->command == COMMAND_RUN ? "run" : guard_mode_name(options->mode),
		.pid = getpid(),
		.version = APO_VERSION,
		.growth = engine->triggers.growth,
		.charge = engine->triggers.charge,
		.pulse = engine->triggers.pulse,
		.reclaim = engine->triggers.reclaim,
		.child = child,
	};

	step_back();
	if (engine->rel && !cgroup_limit_binding(engine->tree, engine->rel, &limit) &&
	    limit.cgroup) {
		_cleanup_close_ int dirfd = -1;

		ready.has_guard = true;
		ready.cgroup = engine->rel;
		ready.limit_bytes = limit.limit_bytes;
		ready.limit_cgroup = limit.cgroup;
		ready.reserve_bytes =
			options_reserve_bytes(options, limit.limit_bytes, engine->page_bytes);
		if (!cgroup_open(engine->tree, engine->rel, &dirfd))
			cgroup_id(dirfd, &ready.cgroup_id);
	}
	sinks_ready(&engine->sinks, &ready);
}

void engine_status(struct engine *engine)
{
	struct status status = {
		.realtime_ns = realtime_ns(),
		.page_bytes = engine->page_bytes,
	};
	int r = accounts_read(engine->source, engine->tree, &status);

	incidents_status(engine->incidents, &status);
	if (r)
		log_warn("cannot read the accounts: %s, ignoring", strerror(-r));
	else
		sinks_status(&engine->sinks, &status);
	accounts_clear(&status);
}

void engine_loop(struct engine *engine)
{
	uv_run(&engine->loop, UV_RUN_DEFAULT);
}

void engine_stop(struct engine *engine)
{
	uv_stop(&engine->loop);
}

void engine_finish(struct engine *engine)
{
	uv_prepare_start(&engine->finish_prepare, on_finish);
}

void engine_settle(struct engine *engine)
{
	on_results(&engine->results_poll, 0, 0);
	incidents_close_all(engine->incidents);
	while (incidents_is_naming(engine->incidents)) /* the search ends by itself */
		uv_run(&engine->loop, UV_RUN_ONCE);
}

static void close_handle(uv_handle_t *handle, void *userdata)
{
	(void)userdata;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

struct engine *engine_free(struct engine *engine)
{
	if (!engine)
		return NULL;
	responder_free(engine->responder);
	incidents_free(engine->incidents);
	if (engine->has_loop) {
		uv_walk(&engine->loop, close_handle, NULL);
		uv_run(&engine->loop, UV_RUN_DEFAULT);
		uv_loop_close(&engine->loop);
	}
	airbag_free(engine->airbag); /* its handles are closed */
	source_free(engine->source);
	close_fd(engine->signal_fd);
	swap_watch_stop(&engine->swap);
	close_fd(engine->pidfd);
	close_fd(engine->proc_fd);
	close_fd(engine->sinks.report_dirfd);
	cgroup_tree_free(engine->tree);
	free(engine->rel);
	free(engine);
	return NULL;
}
