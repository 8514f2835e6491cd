// SPDX-License-Identifier: BSD-2-Clause
#include "source/looks.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/outbox.h"
#include "base/util.h"
#include "base/wake.h"
#include "base/worker.h"
#include "core/polling.h"
#include "sense/cgroup_dir.h"
#include "sense/cgroup_memory.h"
#include "source/followed.h"
#include "source/subject.h"

#define LOOKS_STACK (256UL * 1024) /* bytes */

struct looks {
	struct looks_config config;
	struct subject *subjects;
	size_t count;
	struct pollfd *fds;   /* the worker's, and the news of all */
	uint64_t searched_ns; /* for limits below */
	struct subject_world world;
	struct outbox records; /* union look_record */
	struct outbox urgent;  /* struct apo_request */
	struct worker worker;
	struct followed followed;
};

/* --- what is guarded ----------------------------------------------------------------------- */

/* Takes rel, also when it fails. */
static int add(struct looks *looks, char *rel, uint32_t policy, const struct growers_config *who)
{
	struct subject *more = reallocarray(looks->subjects, looks->count + 1, sizeof(*more));
	int r;

	if (!more) {
		free(rel);
		return -ENOMEM;
	}
	looks->subjects = more;
	r = subject_make(&more[looks->count], rel, policy, who);
	if (!r)
		looks->count++;
	return r;
}

static int add_pids(struct looks *looks)
{
	const struct looks_config *config = &looks->config;
	_cleanup_free_ uint32_t *pids = NULL, *policies = NULL;
	size_t n = 0;
	int r = maps_copy(config->maps, MAP_GUARD_PIDS, (void **)&pids, (void **)&policies, &n);

	for (size_t i = 0; !r && i < n; i++) {
		const struct growers_config who = {
			.proc_fd = config->proc_fd,
			.ancestor = (pid_t)pids[i],
			.is_one = true,
			.are_ours = (pid_t)pids[i] == getpid(),
		};
		char *rel = NULL;

		r = cgroup_path_of_pid(config->tree, config->proc_fd, (pid_t)pids[i], &rel);
		if (!r)
			r = add(looks, rel, policies[i], &who);
	}
	return r;
}

/* --- limits below a cgroup that is guarded ------------------------------------------------- */

static bool is_known(const struct looks *looks, const char *rel)
{
	for (size_t i = 0; i < looks->count; i++)
		if (strcmp(looks->subjects[i].rel, rel) == 0)
			return true;
	return false;
}

struct search {
	struct looks *looks;
	const char *above;
	uint32_t policy;
};

static int visit_below(int dirfd, const char *path, void *userdata)
{
	struct search *search = userdata;
	const struct looks_config *config = &search->looks->config;
	const struct growers_config who = {.proc_fd = config->proc_fd};
	struct cgroup_memory memory;
	char *rel;
	int r;

	if (!strcmp(path, "/") || cgroup_memory_read(config->tree, dirfd, &memory) ||
	    (memory.limit_bytes == UINT64_MAX && memory.memsw_limit_bytes == UINT64_MAX))
		return 0;
	if (asprintf(&rel, "%s%s", strcmp(search->above, "/") ? search->above : "", path) < 0)
		return -ENOMEM;
	if (is_known(search->looks, rel)) {
		free(rel);
		return 0;
	}
	r = add(search->looks, rel, search->policy, &who);
	if (!r)
		search->looks->subjects[search->looks->count - 1].is_below = true;
	return r;
}

static void drop_gone(struct looks *looks)
{
	for (size_t i = looks->count; i-- > 0;) {
		_cleanup_close_ int dirfd = -1;

		if (!looks->subjects[i].is_below ||
		    cgroup_open(looks->config.tree, looks->subjects[i].rel, &dirfd) != -ENOENT)
			continue;
		subject_drop(&looks->subjects[i]);
		looks->subjects[i] = looks->subjects[--looks->count];
	}
}

/* Containers come and go. What there is no memory for is looked for again. */
static void search_below(struct looks *looks)
{
	drop_gone(looks);
	for (size_t i = 0; i < looks->count; i++) {
		_cleanup_free_ char *above =
			looks->subjects[i].is_cgroup ? strdup(looks->subjects[i].rel) : NULL;
		struct search search = {looks, above, looks->subjects[i].policy};
		_cleanup_close_ int dirfd = -1;

		if (above && !cgroup_open(looks->config.tree, above, &dirfd))
			cgroup_walk(dirfd, visit_below, &search);
	}
}

/* --- those that are named ------------------------------------------------------------------ */

static int add_cgroups(struct looks *looks)
{
	const struct looks_config *config = &looks->config;
	const struct growers_config who = {.proc_fd = config->proc_fd};
	_cleanup_free_ uint64_t *ids = NULL;
	_cleanup_free_ uint32_t *policies = NULL;
	size_t n = 0;
	int r = maps_copy(config->maps, MAP_GUARD_CGROUPS, (void **)&ids, (void **)&policies, &n);

	for (size_t i = 0; !r && i < n; i++) {
		char *rel = NULL;

		r = cgroup_path_of_id(config->tree, ids[i], &rel);
		if (!r)
			r = add(looks, rel, policies[i], &who);
		if (!r)
			looks->subjects[looks->count - 1].is_cgroup = true;
	}
	return r;
}

/* --- the thread ---------------------------------------------------------------------------- */

static void read_news(const struct looks *looks)
{
	for (size_t i = 0; i < looks->count; i++) {
		struct subject *subject = &looks->subjects[i];

		for (size_t k = 0; k < NEWS; k++) {
			if (!looks->fds[1 + i * NEWS + k].revents)
				continue;
			cgroup_news_read(&subject->news[k]);
			subject->due_ns =
				MIN(subject->due_ns, subject->looked_ns + POLLING_LEAST_NS);
		}
	}
}

/* Once a second. False: there is no memory. */
static bool renew_subjects(struct looks *looks)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	struct pollfd *fds;

	if (looks->searched_ns && now_ns - looks->searched_ns < POLLING_MOST_NS)
		return true;
	search_below(looks);
	fds = reallocarray(looks->fds, 1 + looks->count * NEWS, sizeof(*fds));
	if (!fds)
		return false;
	looks->fds = fds;
	looks->searched_ns = now_ns;
	return true;
}

/* Those that are due. Returns when the next one is. */
static uint64_t look_round(struct looks *looks)
{
	uint64_t next_ns = clock_ns(CLOCK_MONOTONIC) + POLLING_MOST_NS;

	for (size_t i = 0; i < looks->count; i++) {
		struct subject *subject = &looks->subjects[i];

		if (subject->due_ns <= clock_ns(CLOCK_MONOTONIC)) {
			uint64_t wait_ns = subject_look(&looks->world, subject);

			subject->looked_ns = clock_ns(CLOCK_MONOTONIC);
			subject->due_ns = clock_ns(CLOCK_MONOTONIC) + wait_ns;
		}
		for (size_t k = 0; k < NEWS; k++)
			looks->fds[1 + i * NEWS + k] = (struct pollfd){
				.fd = subject->news[k].fd, .events = subject->news[k].events};
		next_ns = MIN(next_ns, subject->due_ns);
	}
	return next_ns;
}

static void *looks_main(void *userdata)
{
	struct looks *looks = userdata;

	log_never_wait();
	while (!renew_subjects(looks) && worker_goes_on(&looks->worker))
		poll(NULL, 0, 1);
	looks->fds[0] = (struct pollfd){.fd = looks->worker.wake_fd, .events = POLLIN};
	while (worker_goes_on(&looks->worker)) {
		uint64_t due_ns = look_round(looks), now_ns = clock_ns(CLOCK_MONOTONIC),
			 wait_ns = MIN(followed_look(&looks->followed), sat_sub(due_ns, now_ns));
		const struct timespec wait = {.tv_sec = (time_t)(wait_ns / NSEC_PER_SEC),
					      .tv_nsec = (long)(wait_ns % NSEC_PER_SEC)};

		if (ppoll(looks->fds, 1 + looks->count * NEWS, &wait, NULL) > 0)
			read_news(looks);
		if (looks->fds[0].revents)
			wake_clear(looks->worker.wake_fd);
		worker_turned(&looks->worker);
		while (!renew_subjects(looks) && worker_goes_on(&looks->worker))
			poll(NULL, 0, 1); /* those of before are gone */
	}
	return NULL;
}

int looks_start(struct looks *looks)
{
	int r = add_pids(looks) ?: add_cgroups(looks);

	if (r)
		return r;
	looks->fds = calloc(1, sizeof(*looks->fds));
	if (!looks->fds)
		return -ENOMEM;
	return worker_start(&looks->worker, LOOKS_STACK, looks_main, looks);
}

/* --- the whole ----------------------------------------------------------------------------- */

int looks_new(struct looks **ret, const struct looks_config *config)
{
	struct looks *looks = calloc(1, sizeof(*looks));
	int r;

	if (!looks)
		return -ENOMEM;
	looks->config = *config;
	looks->world = (struct subject_world){
		.maps = config->maps,
		.tree = config->tree,
		.proc_fd = config->proc_fd,
		.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE),
		.records = &looks->records,
		.urgent = &looks->urgent,
	};
	looks->worker = WORKER_NONE;
	looks->urgent = OUTBOX_NONE;
	looks->followed = (struct followed){
		.maps = config->maps, .proc_fd = config->proc_fd, .records = &looks->records};
	r = outbox_open(&looks->records, sizeof(union look_record))
		    ?: outbox_open(&looks->urgent, sizeof(struct apo_request))
		    ?: worker_open(&looks->worker, "looks");
	if (r) {
		looks_free(looks);
		return r;
	}
	*ret = looks;
	return 0;
}

struct looks *looks_free(struct looks *looks)
{
	if (!looks)
		return NULL;
	worker_close(&looks->worker);
	for (size_t i = 0; i < looks->count; i++)
		subject_drop(&looks->subjects[i]);
	free(looks->subjects);
	free(looks->fds);
	outbox_close(&looks->records);
	outbox_close(&looks->urgent);
	free(looks);
	return NULL;
}

void looks_on_sent(struct looks *looks, pid_t pid)
{
	followed_on_sent(&looks->followed, pid);
	worker_ping(&looks->worker);
}

void looks_on_end(struct looks *looks, pid_t pid, int status)
{
	followed_on_end(&looks->followed, pid, status);
}

int looks_records_fd(const struct looks *looks)
{
	return outbox_fd(&looks->records);
}

int looks_urgent_fd(const struct looks *looks)
{
	return outbox_fd(&looks->urgent);
}

void looks_consume_records(struct looks *looks, source_record_fn fn, void *userdata)
{
	union look_record record;

	while (outbox_take(&looks->records, &record))
		fn(&record.rec, userdata);
}

void looks_consume_urgent(struct looks *looks, source_record_fn fn, void *userdata)
{
	struct apo_request request;

	while (outbox_take(&looks->urgent, &request))
		fn(&request.rec, userdata);
}
