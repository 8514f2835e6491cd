// SPDX-License-Identifier: BSD-2-Clause
#include "engine/self.h"

#include <malloc.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"

#define DESCRIPTORS 65536	 /* one for each memory cgroup that a kernel can have */
#define LARGE_BYTES (128 * 1024) /* of memory: blocks that go back to the kernel */

/*
 * Takes all signals except HUP, INT and QUIT where they are ignored, as by nohup(1) or for a job in
 * the background of a shell. A signal that is blocked would no longer be ignored.
 */
static void take_signals(sigset_t *ret_signals, sigset_t *ret_inherited)
{
	static const int maybe_ignored[] = {SIGHUP, SIGINT, SIGQUIT};
	struct sigaction action;

	sigfillset(ret_signals);
	for (size_t i = 0; i < ARRAY_SIZE(maybe_ignored); i++)
		if (!sigaction(maybe_ignored[i], NULL, &action) && action.sa_handler == SIG_IGN)
			sigdelset(ret_signals, maybe_ignored[i]);
	sigprocmask(SIG_SETMASK, ret_signals, ret_inherited);
}

/*
 * A descriptor is held for each cgroup that may be lent to: of as many as we may have. Not by `run`, whose
 * command would inherit it: programs that use select(2) rely on 1024.
 */
static void take_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = MAX(files.rlim_cur, MIN(files.rlim_max, (rlim_t)DESCRIPTORS));
	if (setrlimit(RLIMIT_NOFILE, &files))
		log_debug("cannot raise the limit of open files: %s, ignoring", strerror(errno));
}

/*
 * Stacks and reports of incidents are large and short-lived. By default glibc takes blocks up to the largest
 * that was ever freed from its heap, which does not shrink where something small lies above them.
 */
static void give_memory_back(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

void self_set_up(bool is_wrapper, sigset_t *ret_signals, sigset_t *ret_inherited)
{
	give_memory_back();
	take_signals(ret_signals, ret_inherited);
	if (!is_wrapper)
		take_descriptors();
}

void self_step_back(void)
{
	const struct sched_param none = {.sched_priority = 0};

	if (sched_setscheduler(0, SCHED_BATCH, &none))
		log_debug("cannot become a batch thread: %s, ignoring", strerror(errno));
}

struct ready_self self_describe(const struct responder *responder, const struct source *source)
{
	struct rlimit files;

	return (struct ready_self){
		.is_locked = responder_is_locked(responder),
		.is_realtime = responder_is_realtime(responder),
		.descriptors_max = getrlimit(RLIMIT_NOFILE, &files) ? 0 : files.rlim_cur,
		.limits_max = source_limits_room(source),
	};
}

void self_cost(struct status_self *self)
{
	size_t bytes;

	self->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	self->memory_bytes = uv_resident_set_memory(&bytes) ? 0 : bytes;
}
