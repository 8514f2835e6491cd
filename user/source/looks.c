// SPDX-License-Identifier: BSD-2-Clause
#include "source/looks.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/outbox.h"
#include "base/parse.h"
#include "base/util.h"
#include "base/wake.h"
#include "base/worker.h"
#include "core/policy.h"
#include "core/polling.h"
#include "sense/cgroup_memory.h"
#include "sense/cgroup_news.h"
#include "sense/proc.h"
#include "source/followed.h"
#include "source/growers.h"

#define LOOKS_STACK (256UL * 1024) /* bytes */
#define RATE_NS NSEC_PER_SEC	   /* growth is measured over so long, at least */
#define NEWS 2			   /* thresholds: at the line, and where it comes into sight */

/* A guard: a cgroup, or processes in one. */
struct subject {
	char *rel;
	uint32_t policy;
	struct growers *growers;
	struct polling polling;
	bool is_warned;
	struct apo_limit_key key; /* of its limit */
	struct apo_limit account;
	uint64_t rate_ns, rate_need_pages; /* since when, and from where on, growth is measured */
	struct cgroup_news news[NEWS];
	uint64_t news_limit_bytes;
	uint64_t due_ns; /* its next look */
};

struct looks {
	struct looks_config config;
	struct subject *subjects;
	size_t count;
	struct pollfd *fds; /* the worker's, and the news of all */
	uint64_t page_bytes;
	struct outbox records; /* union look_record */
	struct outbox urgent;  /* struct apo_request */
	struct worker worker;
	struct followed followed;
};

/* What one look has found. */
struct finding {
	struct cgroup_limit limit;
	int64_t headroom_bytes; /* swap counted */
	uint64_t swap_bytes, need_bytes, now_ns;
	struct apo_policy policy;
	int dirfd; /* of the guarded cgroup */
};

/* --- records ------------------------------------------------------------------------------- */

static struct apo_record head(const struct looks *looks, const struct subject *subject,
			      uint32_t type, size_t size)
{
	return (struct apo_record){
		.type = type,
		.size = (uint32_t)size,
		.policy = subject->policy,
		.generation = maps_settings(looks->config.maps)->generation,
	};
}

static void describe(const struct looks *looks, const struct subject *subject,
		     const struct finding *finding, const struct grower *grower, uint32_t rule,
		     struct apo_trip *ret)
{
	const struct cgroup_limit *limit = &finding->limit;
	uint64_t page = looks->page_bytes;
	int signal = rule == APO_RULE_WARN ? (int)finding->policy.warn_signal
					   : (int)finding->policy.signal;

	*ret = (struct apo_trip){
		.rec = head(looks, subject, rule == APO_RULE_WARN ? APO_REC_WARN : APO_REC_TRIP,
			    sizeof(*ret)),
		.id = finding->now_ns,
		.crossed_ns = finding->now_ns,
		.forecast_ns = APO_UNLIMITED,
		.rate_pages_s = grower->rate_pages_s,
		.reading = {.limit_cgroup = limit->cgroup_id,
			    .limit_pages = limit->limit_bytes / page,
			    .usage_pages = limit->usage_bytes / page,
			    .reclaimable_pages = limit->file_bytes / page,
			    .swap_pages = finding->swap_bytes / page,
			    .headroom_pages = finding->headroom_bytes / (int64_t)page,
			    .reserve_pages = subject->polling.reserve_bytes / page,
			    .limit_kind = limit->memsw_binds ? APO_LIMIT_BOTH : APO_LIMIT_MEMORY},
		.grower = grower->task,
		.trigger = APO_TRIGGER_LOOK,
		.rule = rule,
		.process_policy = subject->policy,
		.target_kind = finding->policy.target,
		.signal = (uint32_t)signal,
		.action = finding->policy.flags & APO_POLICY_DRY_RUN ? APO_ACT_DRY_RUN
								     : APO_ACT_DELEGATED,
		.args_len = grower->args_len,
	};
	memcpy(ret->rss_pages, grower->rss_pages, sizeof(ret->rss_pages));
	memcpy(ret->args, grower->args, sizeof(ret->args));
	ret->grower.disposition =
		proc_disposition(looks->config.proc_fd, (pid_t)grower->task.tgid, signal);
}

/* The trip first: the responder is told by what it does of one that is known. */
static void tell(struct looks *looks, const struct finding *finding, const struct apo_trip *trip)
{
	union look_record record = {.trip = *trip};
	bool is_warning = trip->rule == APO_RULE_WARN;
	struct apo_request request = {
		.rec = trip->rec,
		.trip_id = trip->id,
		.limit_cgroup = trip->reading.limit_cgroup,
		.rate_pages_s = trip->rate_pages_s,
		.grower = trip->grower,
		.process_policy = trip->process_policy,
		.signal = trip->signal,
		.rule = trip->rule,
		.flags = APO_REQUEST_SIGNAL | (is_warning ? 0 : APO_REQUEST_GRACE),
		.swap_pages = trip->reading.swap_pages,
		.reserve_pages = trip->reading.reserve_pages,
		.args_len = trip->args_len,
	};

	outbox_put(&looks->records, &record);
	if (trip->action == APO_ACT_DRY_RUN ||
	    (is_warning && (finding->policy.flags & APO_POLICY_WARN_UNASKED ||
			    !(finding->policy.warn_signal ||
			      finding->policy.flags & APO_POLICY_WARN_BY_PROFILE))))
		return;
	request.rec.type = APO_REC_REQUEST;
	request.rec.size = sizeof(request);
	memcpy(request.args, trip->args, sizeof(request.args));
	maps_count(looks->config.maps, APO_STAT_DELEGATED);
	outbox_put(&looks->urgent, &request);
}

static void cross(struct looks *looks, struct subject *subject, const struct finding *finding,
		  uint32_t rule)
{
	struct grower grower;
	struct apo_trip trip;

	if (growers_find(subject->growers, finding->dirfd, finding->now_ns, &grower)) {
		log_warn("nobody who could be told is seen in %s: share the PID namespace of what "
			 "runs there (hostPID, --pid), and its user",
			 subject->rel);
		return;
	}
	describe(looks, subject, finding, &grower, rule, &trip);
	if (rule == APO_RULE_WARN) {
		subject->account.warns++;
		maps_count(looks->config.maps, APO_STAT_WARNS);
	} else {
		subject->account.trips++;
		subject->account.last_trip_ns = finding->now_ns;
		maps_count(looks->config.maps, APO_STAT_TRIPS);
	}
	tell(looks, finding, &trip);
}

/* --- looking ------------------------------------------------------------------------------- */

/* What of swap is left for it. None is the rule: most limits leave none. */
static uint64_t swap_room(const struct looks *looks, const struct cgroup_limit *limit)
{
	_cleanup_close_ int dirfd = -1;
	_cleanup_free_ char *text = NULL;
	struct cgroup_memory memory;
	uint64_t free_kib = 0, room;

	if (!maps_settings(looks->config.maps)->swap_pages || limit->memsw_binds ||
	    cgroup_open(looks->config.tree, limit->cgroup, &dirfd) ||
	    cgroup_memory_read(looks->config.tree, dirfd, &memory) || !memory.swap_accounted ||
	    file_read(looks->config.proc_fd, "meminfo", &text, NULL) < 0 ||
	    parse_field_u64(text, "SwapFree", &free_kib))
		return 0;
	room = memory.memsw_limit_bytes == UINT64_MAX
		       ? sat_sub(memory.swap_limit_bytes, memory.swap_usage_bytes)
		       : sat_sub(sat_sub(memory.memsw_limit_bytes, memory.memsw_usage_bytes),
				 sat_sub(memory.limit_bytes, memory.usage_bytes));
	return MIN(room, sat_mul(free_kib, 1024));
}

/* -errno: there is no limit, or it cannot be read at present. */
static int find(const struct looks *looks, const struct subject *subject, struct finding *ret)
{
	const struct looks_config *config = &looks->config;
	int r;

	*ret = (struct finding){.dirfd = -1, .now_ns = clock_ns(CLOCK_MONOTONIC)};
	r = maps_get(config->maps, MAP_POLICIES, &subject->policy, &ret->policy)
		    ?: cgroup_limit_binding(config->tree, subject->rel, &ret->limit);
	if (!r && !ret->limit.cgroup)
		r = -ENOENT;
	if (!r)
		r = cgroup_open(config->tree, subject->rel, &ret->dirfd);
	if (r)
		return r;
	ret->swap_bytes = swap_room(looks, &ret->limit);
	ret->headroom_bytes = sat_diff(sat_add(ret->limit.limit_bytes, ret->swap_bytes),
				       sat_sub(ret->limit.usage_bytes, ret->limit.file_bytes));
	ret->need_bytes = sat_sub(ret->limit.usage_bytes, ret->limit.file_bytes);
	return 0;
}

static uint64_t reserve_of(const struct apo_policy *policy, uint64_t limit_bytes,
			   uint64_t page_bytes)
{
	uint64_t share;

	if (policy->reserve_pages)
		return policy->reserve_pages * page_bytes;
	share = limit_bytes / PERMYRIAD * policy->reserve_permyriad;
	return policy->reserve_max_pages ? MIN(share, policy->reserve_max_pages * page_bytes)
					 : share;
}

static void keep_account(const struct looks *looks, struct subject *subject,
			 const struct finding *finding)
{
	struct apo_limit *account = &subject->account;
	const struct apo_limit_key key = {.cgroup_id = finding->limit.cgroup_id,
					  .policy = subject->policy};
	uint64_t need = finding->need_bytes / looks->page_bytes;
	int64_t headroom = finding->headroom_bytes / (int64_t)looks->page_bytes;
	bool is_crossed = subject->polling.is_crossed;

	if (memcmp(&key, &subject->key, sizeof(key)) != 0) {
		maps_delete(looks->config.maps, MAP_LIMITS, &subject->key);
		subject->key = key;
		*account = (struct apo_limit){.least_headroom_pages = INT64_MAX};
		subject->rate_ns = 0;
	}
	if (!subject->rate_ns || finding->now_ns - subject->rate_ns >= RATE_NS) {
		account->rate_pages_s =
			subject->rate_ns
				? (uint64_t)((double)sat_sub(need, subject->rate_need_pages) *
					     NSEC_PER_SEC /
					     (double)(finding->now_ns - subject->rate_ns))
				: 0;
		subject->rate_ns = finding->now_ns;
		subject->rate_need_pages = need;
	}
	if (is_crossed != !!apo_stage_level(account->stage)) {
		account->trip_peak_need_pages = 0;
		account->trip_least_headroom_pages = INT64_MAX;
	}
	account->stage = apo_stage(0, is_crossed);
	account->last_ns = finding->now_ns;
	account->need_pages = need;
	account->limit_pages = finding->limit.limit_bytes / looks->page_bytes;
	account->peak_need_pages = MAX(account->peak_need_pages, need);
	account->least_headroom_pages = MIN(account->least_headroom_pages, headroom);
	account->trip_peak_need_pages = MAX(account->trip_peak_need_pages, need);
	account->trip_least_headroom_pages = MIN(account->trip_least_headroom_pages, headroom);
	maps_put(looks->config.maps, MAP_LIMITS, &key, account);
}

/* What cannot be had is made up for by looking. */
static void renew_news(const struct looks *looks, struct subject *subject,
		       const struct finding *finding)
{
	const struct cgroup_limit *limit = &finding->limit;
	_cleanup_close_ int dirfd = -1;

	if (subject->news_limit_bytes == limit->limit_bytes &&
	    subject->key.cgroup_id == limit->cgroup_id)
		return;
	subject->news_limit_bytes = limit->limit_bytes;
	for (size_t i = 0; i < NEWS; i++)
		cgroup_news_close(&subject->news[i]);
	if (cgroup_open(looks->config.tree, limit->cgroup, &dirfd))
		return;
	for (size_t i = 0; i < NEWS; i++)
		if (cgroup_news_open(looks->config.tree, dirfd,
				     sat_sub(limit->limit_bytes,
					     (i + 1) * subject->polling.reserve_bytes),
				     &subject->news[i]))
			log_debug("the kernel tells nothing of %s, ignoring", limit->cgroup);
}

static void warn(struct looks *looks, struct subject *subject, const struct finding *finding)
{
	uint64_t level = finding->limit.limit_bytes / PERMYRIAD * finding->policy.warn_permyriad;
	bool is_above = level && finding->need_bytes >= level &&
			finding->headroom_bytes < INT64_MAX;

	if (is_above && !subject->is_warned)
		cross(looks, subject, finding, APO_RULE_WARN);
	subject->is_warned = is_above;
}

/* Looks once. Returns for how long nothing has to be looked at. */
static uint64_t look(struct looks *looks, struct subject *subject)
{
	_cleanup_close_ int dirfd = -1;
	struct finding finding;
	bool is_crossing;
	int r = find(looks, subject, &finding);

	maps_count(looks->config.maps, APO_STAT_CHECKS);
	dirfd = finding.dirfd;
	if (!r) {
		subject->polling.reserve_bytes =
			reserve_of(&finding.policy, finding.limit.limit_bytes, looks->page_bytes);
		renew_news(looks, subject, &finding);
		is_crossing = polling_crosses(&subject->polling, finding.headroom_bytes);
		keep_account(looks, subject, &finding);
		if (is_crossing)
			cross(looks, subject, &finding, APO_RULE_RESERVE);
		else
			warn(looks, subject, &finding);
		if (!subject->polling.is_crossed && /* half full */
		    finding.headroom_bytes < (int64_t)(finding.limit.limit_bytes / 2))
			growers_note(subject->growers, dirfd, finding.now_ns);
	}
	cgroup_limit_done(&finding.limit);
	return r ? POLLING_MOST_NS : polling_wait_ns(&subject->polling, finding.headroom_bytes);
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
			subject->due_ns = 0;
		}
	}
}

/* Those that are due. Returns when the next one is. */
static uint64_t look_round(struct looks *looks)
{
	uint64_t next_ns = UINT64_MAX;

	for (size_t i = 0; i < looks->count; i++) {
		struct subject *subject = &looks->subjects[i];

		if (subject->due_ns <= clock_ns(CLOCK_MONOTONIC)) {
			uint64_t wait_ns = look(looks, subject);

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
	looks->fds[0] = (struct pollfd){.fd = looks->worker.wake_fd, .events = POLLIN};
	while (worker_goes_on(&looks->worker)) {
		uint64_t due_ns = look_round(looks), now_ns = clock_ns(CLOCK_MONOTONIC),
			 wait_ns = MIN(followed_look(&looks->followed), sat_sub(due_ns, now_ns));
		const struct timespec wait = {.tv_sec = (time_t)MIN(wait_ns / NSEC_PER_SEC,
								    (uint64_t)3600),
					      .tv_nsec = (long)(wait_ns % NSEC_PER_SEC)};

		if (ppoll(looks->fds, 1 + looks->count * NEWS, &wait, NULL) > 0)
			read_news(looks);
		if (looks->fds[0].revents)
			wake_clear(looks->worker.wake_fd);
		worker_turned(&looks->worker);
	}
	return NULL;
}

/* --- what is guarded ----------------------------------------------------------------------- */

/* Takes rel, also when it fails. */
static int add(struct looks *looks, char *rel, uint32_t policy, const struct growers_config *who)
{
	_cleanup_free_ char *own = rel;
	struct subject *more = reallocarray(looks->subjects, looks->count + 1, sizeof(*more));
	struct subject subject = {.policy = policy, .news = {CGROUP_NEWS_NONE, CGROUP_NEWS_NONE}};
	int r;

	if (!more)
		return -ENOMEM;
	looks->subjects = more;
	r = growers_new(&subject.growers, who);
	if (r)
		return r;
	subject.rel = TAKE_PTR(own);
	looks->subjects[looks->count++] = subject;
	return 0;
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
	}
	return r;
}

int looks_start(struct looks *looks)
{
	int r = add_pids(looks) ?: add_cgroups(looks);

	if (r)
		return r;
	looks->fds = calloc(1 + looks->count * NEWS, sizeof(*looks->fds));
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
	looks->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
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
	for (size_t i = 0; i < looks->count; i++) {
		struct subject *subject = &looks->subjects[i];

		for (size_t k = 0; k < NEWS; k++)
			cgroup_news_close(&subject->news[k]);
		growers_free(subject->growers);
		free(subject->rel);
	}
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
