// SPDX-License-Identifier: BSD-2-Clause
#include "source/subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "core/policy.h"
#include "sense/cgroup_memory.h"
#include "sense/proc.h"
#include "source/followed.h"

#define GROWN_SHARE 16	     /* of the reserve */
#define RATE_NS NSEC_PER_SEC /* growth is measured over so long, at least */

/* What one look has found. */
struct finding {
	struct cgroup_limit limit;
	int64_t headroom_bytes; /* swap counted */
	uint64_t swap_bytes, need_bytes, now_ns;
	struct apo_policy policy;
	int dirfd; /* of the guarded cgroup */
};

/* --- records ------------------------------------------------------------------------------- */

static struct apo_record head(const struct subject_world *world, const struct subject *subject,
			      uint32_t type, size_t size)
{
	return (struct apo_record){
		.type = type,
		.size = (uint32_t)size,
		.policy = subject->policy,
		.generation = maps_settings(world->maps)->generation,
	};
}

static void describe(const struct subject_world *world, const struct subject *subject,
		     const struct finding *finding, const struct grower *grower, uint32_t rule,
		     struct apo_trip *ret)
{
	const struct cgroup_limit *limit = &finding->limit;
	uint64_t page = world->page_bytes;
	int signal = rule == APO_RULE_WARN ? (int)finding->policy.warn_signal
					   : (int)finding->policy.signal;

	*ret = (struct apo_trip){
		.rec = head(world, subject, rule == APO_RULE_WARN ? APO_REC_WARN : APO_REC_TRIP,
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
		proc_disposition(world->proc_fd, (pid_t)grower->task.tgid, signal);
}

/* The trip first: the responder is told by what it does of one that is known. */
static void tell(const struct subject_world *world, const struct finding *finding,
		 const struct apo_trip *trip)
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

	outbox_put(world->records, &record);
	if (trip->action == APO_ACT_DRY_RUN ||
	    (is_warning && (finding->policy.flags & APO_POLICY_WARN_UNASKED ||
			    !(finding->policy.warn_signal ||
			      finding->policy.flags & APO_POLICY_WARN_BY_PROFILE))))
		return;
	request.rec.type = APO_REC_REQUEST;
	request.rec.size = sizeof(request);
	memcpy(request.args, trip->args, sizeof(request.args));
	maps_count(world->maps, APO_STAT_DELEGATED);
	outbox_put(world->urgent, &request);
}

static void cross(const struct subject_world *world, struct subject *subject,
		  const struct finding *finding, uint32_t rule)
{
	struct grower grower;
	struct apo_trip trip;

	if (growers_find(subject->growers, finding->dirfd, finding->now_ns, &grower)) {
		log_warn("nobody who could be told is seen in %s: share the PID namespace of what "
			 "runs there (hostPID, --pid), and its user",
			 subject->rel);
		return;
	}
	if (!grower.grown_pages && subject->polling.level > 1)
		return; /* who grew was told, and has ended or stopped: nobody else is in his place */
	describe(world, subject, finding, &grower, rule, &trip);
	if (rule == APO_RULE_WARN) {
		subject->account.warns++;
		maps_count(world->maps, APO_STAT_WARNS);
	} else {
		subject->account.trips++;
		subject->account.last_trip_ns = finding->now_ns;
		maps_count(world->maps, APO_STAT_TRIPS);
	}
	tell(world, finding, &trip);
}

/* Where it was beyond the line when we came, nobody is told until more is needed. */
static void cross_line(const struct subject_world *world, struct subject *subject,
		       const struct finding *finding)
{
	if (!polling_crosses(&subject->polling, finding->headroom_bytes)) {
		if (!subject->polling.level)
			subject->first_need_bytes = 0;
		return;
	}
	if (!subject->has_looked)
		subject->first_need_bytes = finding->need_bytes;
	if (subject->first_need_bytes &&
	    finding->need_bytes <=
		    subject->first_need_bytes + subject->polling.reserve_bytes / GROWN_SHARE)
		polling_undo(&subject->polling);
	else
		cross(world, subject, finding, APO_RULE_RESERVE);
}

/* --- looking ------------------------------------------------------------------------------- */

/* What of swap is left for it. None is the rule: most limits leave none. */
static uint64_t swap_room(const struct subject_world *world, const struct cgroup_limit *limit)
{
	_cleanup_close_ int dirfd = -1;
	_cleanup_free_ char *text = NULL;
	struct cgroup_memory memory;
	uint64_t free_kib = 0, room;

	if (!maps_settings(world->maps)->swap_pages || limit->memsw_binds ||
	    cgroup_open(world->tree, limit->cgroup, &dirfd) ||
	    cgroup_memory_read(world->tree, dirfd, &memory) || !memory.swap_accounted ||
	    file_read(world->proc_fd, "meminfo", &text, NULL) < 0 ||
	    parse_field_u64(text, "SwapFree", &free_kib))
		return 0;
	room = memory.memsw_limit_bytes == UINT64_MAX
		       ? sat_sub(memory.swap_limit_bytes, memory.swap_usage_bytes)
		       : sat_sub(sat_sub(memory.memsw_limit_bytes, memory.memsw_usage_bytes),
				 sat_sub(memory.limit_bytes, memory.usage_bytes));
	return MIN(room, sat_mul(free_kib, 1024));
}

/* -errno: there is no limit, or it cannot be read at present. */
static int find(const struct subject_world *world, const struct subject *subject,
		struct finding *ret)
{
	int r;

	*ret = (struct finding){.dirfd = -1, .now_ns = clock_ns(CLOCK_MONOTONIC)};
	r = maps_get(world->maps, MAP_POLICIES, &subject->policy, &ret->policy)
		    ?: cgroup_limit_binding(world->tree, subject->rel, &ret->limit);
	if (!r && (!ret->limit.cgroup ||
		   (subject->is_below && strcmp(ret->limit.cgroup, subject->rel) != 0)))
		r = -ENOENT;
	if (!r)
		r = cgroup_open(world->tree, subject->rel, &ret->dirfd);
	if (r)
		return r;
	ret->swap_bytes = swap_room(world, &ret->limit);
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

static void keep_account(const struct subject_world *world, struct subject *subject,
			 const struct finding *finding)
{
	struct apo_limit *account = &subject->account;
	const struct apo_limit_key key = {.cgroup_id = finding->limit.cgroup_id,
					  .policy = subject->policy};
	uint64_t need = finding->need_bytes / world->page_bytes;
	int64_t headroom = finding->headroom_bytes / (int64_t)world->page_bytes;
	bool is_crossed = subject->polling.level;

	if (memcmp(&key, &subject->key, sizeof(key)) != 0) {
		maps_delete(world->maps, MAP_LIMITS, &subject->key);
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
	account->stage = apo_stage(0, subject->polling.level);
	account->last_ns = finding->now_ns;
	account->need_pages = need;
	account->limit_pages = finding->limit.limit_bytes / world->page_bytes;
	account->peak_need_pages = MAX(account->peak_need_pages, need);
	account->least_headroom_pages = MIN(account->least_headroom_pages, headroom);
	account->trip_peak_need_pages = MAX(account->trip_peak_need_pages, need);
	account->trip_least_headroom_pages = MIN(account->trip_least_headroom_pages, headroom);
	maps_put(world->maps, MAP_LIMITS, &key, account);
}

static void drop_news(struct subject *subject)
{
	for (size_t i = 0; i < NEWS; i++)
		cgroup_news_close(&subject->news[i]);
	subject->news_limit_bytes = 0;
}

/* What cannot be had is made up for by looking. */
static void renew_news(const struct subject_world *world, struct subject *subject,
		       const struct finding *finding)
{
	const struct cgroup_limit *limit = &finding->limit;
	_cleanup_close_ int dirfd = -1;

	if (subject->news_limit_bytes == limit->limit_bytes &&
	    subject->key.cgroup_id == limit->cgroup_id)
		return;
	drop_news(subject);
	subject->news_limit_bytes = limit->limit_bytes;
	if (cgroup_open(world->tree, limit->cgroup, &dirfd))
		return;
	for (size_t i = 0; i < NEWS; i++)
		if (cgroup_news_open(world->tree, dirfd,
				     sat_sub(limit->limit_bytes,
					     (i + 1) * subject->polling.reserve_bytes),
				     &subject->news[i]))
			log_debug("the kernel tells nothing of %s, ignoring", limit->cgroup);
}

static void warn(const struct subject_world *world, struct subject *subject,
		 const struct finding *finding)
{
	uint64_t level = finding->limit.limit_bytes / PERMYRIAD * finding->policy.warn_permyriad;

	if (!level ||
	    finding->need_bytes < level - level / 20) { /* who goes up and down is warned once */
		subject->is_warned = false;
	} else if (!subject->is_warned && finding->need_bytes >= level) {
		subject->is_warned = true;
		cross(world, subject, finding, APO_RULE_WARN);
	}
}

static void judge(const struct subject_world *world, struct subject *subject,
		  const struct finding *finding)
{
	uint32_t level = subject->polling.level;
	bool is_half_full = finding->headroom_bytes < (int64_t)(finding->limit.limit_bytes / 2);

	subject->polling.reserve_bytes =
		reserve_of(&finding->policy, finding->limit.limit_bytes, world->page_bytes);
	renew_news(world, subject, finding);
	/* Before anybody is told there is to be something to compare with: from when it was half full, at least. */
	if (!subject->has_looked || is_half_full)
		growers_note(subject->growers, finding->dirfd, finding->now_ns,
			     !subject->has_looked || !subject->was_half_full);
	subject->was_half_full = is_half_full;
	cross_line(world, subject, finding);
	keep_account(world, subject, finding);
	if (subject->polling.level == level)
		warn(world, subject, finding);
	subject->has_looked = true;
}

uint64_t subject_look(const struct subject_world *world, struct subject *subject)
{
	struct finding finding;
	int r = find(world, subject, &finding);

	maps_count(world->maps, APO_STAT_CHECKS);
	if (r)
		drop_news(subject); /* of what is gone there is news without end */
	else
		judge(world, subject, &finding);
	cgroup_limit_done(&finding.limit);
	close_fd(finding.dirfd);
	return r ? POLLING_MOST_NS : polling_wait_ns(&subject->polling, finding.headroom_bytes);
}

int subject_make(struct subject *ret, char *rel, uint32_t policy, const struct growers_config *who)
{
	int r;

	*ret = (struct subject){
		.rel = rel, .policy = policy, .news = {CGROUP_NEWS_NONE, CGROUP_NEWS_NONE}};
	r = growers_new(&ret->growers, who);
	if (r)
		free(rel);
	return r;
}

void subject_drop(struct subject *subject)
{
	drop_news(subject);
	growers_free(subject->growers);
	free(subject->rel);
}
