/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program whose memory grows until it is told to stop, or is killed. How it grows, how fast and
 * with how many threads, what it does with SIGTERM and what its shutdown is worth are options;
 * what happened is one JSON line (--result) and a state file with a checksum (--state): a state
 * file that is complete means that the shutdown was.
 *
 * Growth is counted in units: a page for memory that is touched, a huge page for thp, a chunk for
 * what goes through a system call. The handler notes the count, so that "units_total -
 * units_at_signal" is how far growth went on after it.
 *
 * Exit status: 0 shut down or done as planned, 1 a system call failed, 2 bad usage.
 */
#include "victim.h"
#include "victim_kinds.h"
#include "victim_options.h"
#include "victim_report.h"

/* Ends growth in this process; the first reason counts. Async-signal-safe. */
static void stop(enum reason reason)
{
	int running = RUNNING;

	if (!atomic_compare_exchange_strong(&me->stop, &running, (int)reason))
		return;
	if (write(wake_fds[1], "", 1) < 0)
		return; /* the pipe is full of wake-ups already */
}

static void on_shutdown_signal(int signal)
{
	int child = atomic_load(&shared->child), saved = errno;

	if (atomic_fetch_add(&me->handlers, 1) == 0) {
		atomic_store(&me->units, atomic_load(&shared->touched));
		atomic_store(&me->handler_ns, now_ns());
		atomic_store(&me->pid, (int)syscall(SYS_getpid));
		atomic_store(&me->signal, signal);
	}
	if (!opt.deaf)
		stop(BY_SIGNAL);
	if (child > 0 && atomic_load(&shared->child_is_grower) && me == &shared->parent)
		kill(child, signal);
	errno = saved;
}

static void on_usr1(int signal)
{
	(void)signal;
	atomic_fetch_add(&me->usr1, 1);
}

static void *sigwait_main(void *arg)
{
	int signal;
	sigset_t set;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	while (sigwait(&set, &signal) == 0)
		on_shutdown_signal(signal);
	return NULL;
}

static void start_thread(void *(*body)(void *), void *arg)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, body, arg);

	if (r != 0)
		die("cannot start a thread: %s", strerror(r));
	pthread_detach(thread);
}

static void handle(int signal, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	sigfillset(&action.sa_mask);
	sigaction(signal, &action, NULL);
}

static void mask_term(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(how, &set, NULL);
}

static void set_up_signals(void)
{
	handle(SIGUSR1, on_usr1);
	if (opt.ignore_term)
		handle(SIGTERM, SIG_IGN);
	else if (!opt.default_term && !opt.block_term)
		handle(SIGTERM, on_shutdown_signal);
	if (opt.handle_int)
		handle(SIGINT, on_shutdown_signal);
	if (opt.block_term) {
		mask_term(SIG_BLOCK);
		start_thread(sigwait_main, NULL);
	}
}

/* Sleeps as long as `units` are ahead of the rate. */
static void keep_pace(uint64_t units)
{
	double due_ns;
	uint64_t elapsed;

	if (opt.rate <= 0)
		return;
	due_ns = (double)(units * unit_size) / (opt.rate * (double)MIB) * (double)SEC_NS;
	elapsed = now_ns() - atomic_load(&shared->first_ns);
	if (due_ns > (double)elapsed + 200e3)
		sleep_ns((uint64_t)due_ns - elapsed);
}

static void announce(void)
{
	if (opt.ready_fd && !atomic_exchange(&shared->marked, 1) &&
	    write((int)opt.ready_fd, ".", 1) < 0)
		die("cannot write to fd %" PRIu64 ": %m", opt.ready_fd);
}

/* The same program again, without its past. */
static void exec_again(void)
{
	setenv("VICTIM_EXECED", "1", 1);
	execv("/proc/self/exe", arguments);
	die("cannot execute itself: %m");
}

static bool may_grow(void)
{
	if (atomic_load(&me->stop) == RUNNING)
		return true;
	return opt.stubborn && !atomic_load(&shutdown_done);
}

/*
 * The next unit of a thread: of a run that is its own, as allocators give each thread an area of its own. Pages
 * in turn would have all threads wait for one page table, which hardly a program does.
 */
static uint64_t next_unit(uint64_t *at, uint64_t *end)
{
	if (*at == *end) {
		uint64_t run = unit_size < RUN_BYTES ? RUN_BYTES / unit_size : 1;

		*at = atomic_fetch_add(&shared->claimed, run);
		*end = *at + run;
	}
	return (*at)++;
}

static void *grow_main(void *arg)
{
	unsigned int thread = (unsigned int)(uintptr_t)arg;
	uint64_t units = opt.max / unit_size, at = 0, end = 0;

	while (may_grow()) {
		uint64_t unit = next_unit(&at, &end), bytes;
		int r;

		if (unit >= units)
			break;
		r = kind->grow(unit, thread);
		if (r < 0) {
			fprintf(stderr, "victim: %s: %s\n", kind->name, strerror(-r));
			stop(BY_ERROR);
			break;
		}
		bytes = (atomic_fetch_add(&shared->touched, 1) + 1) * unit_size;
		if (opt.mark && bytes >= opt.mark)
			announce();
		if (opt.exec_at && bytes >= opt.exec_at)
			exec_again();
		keep_pace(bytes / unit_size);
	}
	return NULL;
}

static void grow(void)
{
	pthread_t threads[MAX_THREADS];
	uint64_t n = opt.threads;

	for (uint64_t i = 1; i < n; i++) {
		int r = pthread_create(&threads[i], NULL, grow_main, (void *)(uintptr_t)i);

		if (r != 0)
			die("cannot start a thread: %s", strerror(r));
	}
	grow_main(NULL);
	for (uint64_t i = 1; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* Grows to HIGH and drops to LOW, as a garbage collector's heap does. */
static void saw(uint64_t low, uint64_t high)
{
	for (uint64_t cycle = 0; cycle < opt.cycles; cycle++) {
		for (uint64_t at = cycle ? low : 0; at < high; at += page_size) {
			if (!may_grow())
				return;
			((volatile char *)region)[at] = 1;
			atomic_fetch_add(&shared->touched, 1);
		}
		if (munmap(region + low, high - low) < 0 ||
		    mmap(region + low, high - low, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
			 0) == MAP_FAILED)
			die("cannot remap: %m");
		madvise(region + low, high - low, MADV_NOHUGEPAGE);
	}
}

static int grow_in_clone(void *arg)
{
	(void)arg;
	grow_main(NULL);
	return 0;
}

/* A child that shares the address space but is another process. */
static void grow_in_vm_child(void)
{
	const size_t stack = 256 * 1024;
	char *base = mmap(NULL, stack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	if (base == MAP_FAILED)
		die("no stack: %m");
	child = clone(grow_in_clone, base + stack, CLONE_VM | SIGCHLD, NULL);
	if (child < 0)
		die("cannot clone: %m");
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static bool wait_for_stop(int timeout_ms)
{
	struct pollfd poll_fd = {.fd = wake_fds[0], .events = POLLIN};
	uint64_t end = now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;

	while (atomic_load(&me->stop) == RUNNING) {
		uint64_t now = now_ns();

		if (timeout_ms >= 0 && now >= end)
			return false;
		poll(&poll_fd, 1, timeout_ms < 0 ? -1 : (int)((end - now) / 1000000 + 1));
	}
	return true;
}

static void grow_by_writer(void)
{
	pid_t writer = fork();

	if (writer < 0)
		die("cannot fork: %m");
	if (writer == 0) {
		signal(SIGTERM, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		grow_main(NULL);
		_exit(0);
	}
	atomic_store(&shared->child, writer);
	while (!wait_for_stop(20))
		if (waitpid(writer, NULL, WNOHANG) == writer)
			return;
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
}

static void *spawn_main(void *arg)
{
	char self[] = "/proc/self/exe", noop[] = "--noop";
	char *const argv[] = {self, noop, NULL};

	(void)arg;
	while (atomic_load(&me->stop) == RUNNING) {
		pid_t pid;

		if (posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0)
			waitpid(pid, NULL, 0);
	}
	return NULL;
}

static uint64_t read_number(const char *path)
{
	uint64_t value = UINT64_MAX;
	FILE *file = fopen(path, "re");

	if (file) {
		if (fscanf(file, "%" SCNu64, &value) != 1)
			value = UINT64_MAX;
		fclose(file);
	}
	return value;
}

/* The limit of its own cgroup, as a program in a container finds it. */
static uint64_t own_limit(void)
{
	char line[4096], path[4200];
	uint64_t limit = UINT64_MAX;
	FILE *file = fopen("/proc/self/cgroup", "re");

	while (file && limit == UINT64_MAX && fgets(line, sizeof(line), file)) {
		char *memory = strstr(line, ":memory:"),
		     *unified = strncmp(line, "0::", 3) ? NULL : line + 3;
		char *own = memory ? memory + strlen(":memory:") : unified;

		if (!own)
			continue;
		own[strcspn(own, "\n")] = '\0';
		snprintf(path, sizeof(path),
			 memory ? "/sys/fs/cgroup/memory%s/memory.limit_in_bytes"
				: "/sys/fs/cgroup%s/memory.max",
			 own);
		limit = read_number(path);
	}
	if (file)
		fclose(file);
	return limit;
}

/* The origin story: looks at its own RSS now and then, and shuts down above 90 % of the limit. */
static void *poll_main(void *arg)
{
	uint64_t limit = opt.limit ? opt.limit : own_limit();

	(void)arg;
	while (atomic_load(&me->stop) == RUNNING) {
		uint64_t size, pages = 0;
		FILE *file;

		sleep_ns((uint64_t)(opt.poll * (double)SEC_NS));
		file = fopen("/proc/self/statm", "re");
		if (file && fscanf(file, "%" SCNu64 " %" SCNu64, &size, &pages) != 2)
			pages = 0;
		if (file)
			fclose(file);
		if (pages * page_size > limit / 10 * 9)
			stop(BY_POLL);
	}
	return NULL;
}

static void fork_idle(void)
{
	pid_t child = fork();

	if (child < 0)
		die("cannot fork: %m");
	if (child == 0) {
		sleep_ns(opt.hold_ms * 1000000);
		_exit(0);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static void *stubborn_main(void *arg)
{
	(void)arg;
	grow();
	if (!opt.hold)
		stop(BY_MAX);
	return NULL;
}

static void page_out_and_in(void)
{
	if (madvise(region, opt.max, MADV_PAGEOUT) < 0)
		die("cannot page out: %m");
	for (uint64_t i = 0; i < opt.max; i += page_size)
		((volatile char *)region)[i] = 2;
}

static void *grow_only_main(void *arg)
{
	(void)arg;
	grow();
	return NULL;
}

/* The threads that grow cannot take the signal; this one can. */
static void grow_with_term_blocked(void)
{
	pthread_t thread;
	int r;

	mask_term(SIG_BLOCK);
	r = pthread_create(&thread, NULL, grow_only_main, NULL);
	mask_term(SIG_UNBLOCK);
	if (r != 0)
		die("cannot start a thread: %s", strerror(r));
	pthread_join(thread, NULL);
}

/* Private anonymous memory that stays, in small pages. */
static void touch_more(uint64_t size)
{
	volatile char *more;

	if (!size)
		return;
	more = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (more == MAP_FAILED)
		die("cannot map %" PRIu64 " bytes: %m", size);
	madvise((void *)more, size, MADV_NOHUGEPAGE);
	for (uint64_t i = 0; i < size; i += page_size)
		more[i] = 1;
}

/* Everything the growing process does, from the first page to its exit status. */
static int live(void)
{
	uint64_t low = 0, high = 0;
	int r = 0;

	if (opt.sawtooth)
		sscanf(opt.sawtooth, "%" SCNu64 ":%" SCNu64, &low, &high);
	atomic_store(&shared->first_ns, now_ns());
	if (opt.poll > 0)
		start_thread(poll_main, NULL);
	if (opt.vfork_spawn)
		start_thread(spawn_main, NULL);

	if (opt.sawtooth)
		saw(low, high);
	else if (opt.vm_child)
		grow_in_vm_child();
	else if (kind->grow == write_remotely)
		grow_by_writer();
	else if (opt.stubborn)
		start_thread(stubborn_main, NULL);
	else if (opt.block_growth)
		grow_with_term_blocked();
	else
		grow();

	if (opt.stubborn)
		wait_for_stop(-1);
	atomic_store(&shared->grown_ns, now_ns());
	if (atomic_load(&me->stop) == RUNNING && !opt.mark)
		announce();
	if (opt.page_out)
		page_out_and_in();
	if (opt.fork_idle)
		fork_idle();
	else if (opt.hold || opt.hold_ms)
		wait_for_stop(opt.hold_ms ? (int)opt.hold_ms : -1);
	stop(BY_MAX);

	if (opt.state && (me->stop == BY_SIGNAL || me->stop == BY_POLL)) {
		touch_more(opt.shutdown_size);
		r = write_state((enum reason)me->stop);
	}
	atomic_store(&shutdown_done, true);
	if (r < 0)
		fprintf(stderr, "victim: cannot write %s: %s\n", opt.state, strerror(-r));
	return r < 0 || me->stop == BY_ERROR ? 1 : 0;
}

static int live_in_child(void)
{
	pid_t child;
	int status;

	atomic_store(&shared->child_is_grower, 1);
	child = fork();
	if (child < 0)
		die("cannot fork: %m");
	if (child == 0) {
		me = &shared->grower;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(live());
	}
	atomic_store(&shared->child, child);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			die("cannot wait: %m");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	int r;
	char byte;

	arguments = argv;
	page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	parse_options(argc, argv);
	if (opt.noop)
		return 0;
	unit_size = kind->unit();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || pipe2(wake_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		die("cannot start: %m");
	me = &shared->parent;
	if (opt.comm)
		prctl(PR_SET_NAME, opt.comm);
	set_up_signals();
	if (opt.wait_stdin && !getenv("VICTIM_EXECED") && read(STDIN_FILENO, &byte, 1) != 1)
		die("standard input ended before a byte came");
	touch_more(opt.base);
	r = kind->prepare ? kind->prepare() : 0;
	if (r < 0)
		die("cannot prepare %s: %s", kind->name, strerror(-r));

	r = opt.fork_child ? live_in_child() : live();
	if (opt.result)
		write_result(r);
	return r;
}
