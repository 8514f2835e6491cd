// SPDX-License-Identifier: BSD-2-Clause
#include "source/followed.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "sense/pidref.h"
#include "sense/proc.h"

#define TAKEN_NS 10000000ULL		  /* whether a signal is taken is looked at so often, */
#define TAKEN_MOST_NS (10 * NSEC_PER_SEC) /* and for so long */

/* Of who was signalled: its end, or that its handler runs. */
static void tell_close(struct followed *followed, uint32_t type, uint32_t tgid,
		       const struct apo_signalled *signalled, int status)
{
	const struct apo_limit_key key = {.cgroup_id = signalled->limit_cgroup,
					  .policy = signalled->policy};
	struct apo_limit account = {};
	union look_record record = {};

	maps_get(followed->maps, MAP_LIMITS, &key, &account);
	record.close = (struct apo_close){
		.rec = {.type = type,
			.size = sizeof(record.close),
			.policy = signalled->policy,
			.generation = signalled->generation},
		.id = signalled->trip_id,
		.time_ns = clock_ns(CLOCK_MONOTONIC),
		/* One that was not seen to be taken may have been. */
		.generated_ns = signalled->delivered_ns ? signalled->generated_ns : 0,
		.delivered_ns = signalled->delivered_ns,
		.limit_cgroup = signalled->limit_cgroup,
		.limit_pages = account.limit_pages,
		.peak_need_pages = account.trip_peak_need_pages,
		.least_headroom_pages = account.trip_least_headroom_pages,
		.task = {.tgid = tgid,
			 .ns_tgid = tgid,
			 .start_boottime_ns = signalled->start_boottime_ns},
		.process_policy = signalled->process_policy,
		.signal = signalled->signal,
		.generate_result = -1,
		.exit_code = status,
	};
	outbox_put(followed->records, &record);
}

static bool is_taken(const struct followed *followed, uint32_t tgid, int signal)
{
	int proc_fd = followed->proc_fd;

	return proc_is_pending(proc_fd, (pid_t)tgid, signal) == 0 &&
	       proc_disposition(proc_fd, (pid_t)tgid, signal) == APO_DISP_HANDLED;
}

static bool is_there(const struct followed *followed, uint32_t tgid,
		     const struct apo_signalled *signalled)
{
	uint64_t ticks;
	struct pidref there;

	if (proc_start_ticks(followed->proc_fd, (pid_t)tgid, &ticks))
		return false;
	there.start_boottime_ns = ticks * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	return !signalled->start_boottime_ns ||
	       pidref_started(&there, signalled->start_boottime_ns);
}

uint64_t followed_look(struct followed *followed)
{
	_cleanup_free_ uint32_t *tgids = NULL;
	_cleanup_free_ struct apo_signalled *signalled = NULL;
	uint64_t sent_ns = __atomic_load_n(&followed->sent_ns, __ATOMIC_RELAXED);
	struct apo_signalled now;
	size_t n = 0, open = 0;

	if (!sent_ns || clock_ns(CLOCK_MONOTONIC) - sent_ns > TAKEN_MOST_NS ||
	    maps_copy(followed->maps, MAP_SIGNALLED, (void **)&tgids, (void **)&signalled, &n))
		return UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		struct apo_signalled *one = &signalled[i];

		if (!is_there(followed, tgids[i], one)) {
			if (clock_ns(CLOCK_MONOTONIC) - one->time_ns > TAKEN_MOST_NS)
				maps_delete(followed->maps, MAP_SIGNALLED, &tgids[i]);
			continue;
		}
		if (!one->generated_ns || one->delivered_ns)
			continue;
		open++;
		if (!is_taken(followed, tgids[i], (int)one->signal) ||
		    maps_get(followed->maps, MAP_SIGNALLED, &tgids[i], &now) ||
		    now.trip_id != one->trip_id)
			continue;
		one->delivered_ns = clock_ns(CLOCK_MONOTONIC);
		maps_put(followed->maps, MAP_SIGNALLED, &tgids[i], one);
		tell_close(followed, APO_REC_DELIVERED, tgids[i], one, 0);
	}
	return open ? TAKEN_NS : UINT64_MAX;
}

void followed_on_sent(struct followed *followed, pid_t pid)
{
	const uint32_t tgid = (uint32_t)pid;
	struct apo_signalled signalled;

	if (maps_get(followed->maps, MAP_SIGNALLED, &tgid, &signalled))
		return;
	signalled.generated_ns = clock_ns(CLOCK_MONOTONIC);
	maps_put(followed->maps, MAP_SIGNALLED, &tgid, &signalled);
	__atomic_store_n(&followed->sent_ns, signalled.generated_ns, __ATOMIC_RELAXED);
}

void followed_on_end(struct followed *followed, pid_t pid, int status)
{
	const uint32_t tgid = (uint32_t)pid;
	struct apo_signalled signalled;

	if (maps_get(followed->maps, MAP_SIGNALLED, &tgid, &signalled))
		return;
	maps_delete(followed->maps, MAP_SIGNALLED, &tgid);
	tell_close(followed, APO_REC_EXIT, tgid, &signalled, status);
}
