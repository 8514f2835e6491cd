// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/airbag.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "core/lending.h"
#include "rescue/journal.h"
#include "sense/cgroup_memory.h"
#include "sense/proc.h"

#define BAGS_MAX 64
/* How long an ended process may take to give its memory back, and the end of the grace. */
#define TEARDOWN_NS (2 * NSEC_PER_SEC)
/* The brake takes hold in this part of the raised limit, and in half of what is left at most. */
#define BRAKE_PART 8
/* A handler that is entered on another CPU may be told of before its trip. */
#define OVERTAKEN_NS (10 * NSEC_PER_MSEC)
/* The kernel may refuse to lower a v1 limit below the usage: said so often. */
#define COMPLAIN_NS (10 * NSEC_PER_SEC)

enum bag_state { BAG_EMPTY = 0, BAG_FLAT, BAG_INFLATED, BAG_DEFLATING };

struct bag {
	enum bag_state state;
	uint64_t cgroup_id;
	uint64_t path_hash;
	int dirfd;
	unsigned int holders; /* trips that are not closed */
	struct journal_entry entry;
	struct policy policy; /* of the limit, when it was raised */
	uint64_t used_ns;     /* when it was last asked for */
	bool was_all;	      /* there is no more to lend */
	uint64_t entered_ns;  /* when a handler was entered last; 0: not since it was raised */
	uint64_t complained_ns;
};

struct airbag {
	struct airbag_config config;
	int journal_fd; /* or -errno */
	pthread_mutex_t mutex;
	struct bag bags[BAGS_MAX];
	struct debt debts[LENDING_DEBTS];
	int prepare_error; /* the first; the slow path warns of it */
	bool prepare_warned;
	int wake_fd; /* eventfd */
	uint64_t start_ticks;
};

static uint64_t boottime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static void wake(const struct airbag *airbag)
{
	uint64_t one = 1;
	ssize_t n = write(airbag->wake_fd, &one, sizeof(one));

	(void)n; /* full: it is awake */
}

/* --- bags ---------------------------------------------------------------------------------- */

static struct bag *bag_find(struct airbag *airbag, uint64_t cgroup_id)
{
	for (size_t i = 0; i < BAGS_MAX; i++)
		if (airbag->bags[i].state != BAG_EMPTY && airbag->bags[i].cgroup_id == cgroup_id)
			return &airbag->bags[i];
	return NULL;
}

static void bag_forget(struct bag *bag)
{
	close_fd(bag->dirfd);
	*bag = (struct bag){.dirfd = -1};
}

/* A free place, or that of a cgroup that is gone, or the one not asked for the longest. */
static struct bag *bag_place(struct airbag *airbag)
{
	struct bag *idle = NULL;

	for (size_t i = 0; i < BAGS_MAX; i++)
		if (airbag->bags[i].state == BAG_EMPTY)
			return &airbag->bags[i];
	for (size_t i = 0; i < BAGS_MAX; i++) {
		struct bag *bag = &airbag->bags[i];

		if (bag->state != BAG_FLAT || bag->holders)
			continue;
		if (faccessat(bag->dirfd, "cgroup.procs", F_OK, 0)) {
			idle = bag;
			break;
		}
		if (!idle || bag->used_ns < idle->used_ns)
			idle = bag;
	}
	if (idle)
		bag_forget(idle);
	return idle;
}

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL; /* FNV-1a */

	while (*text)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3ULL;
	return hash;
}

static int bag_open(struct airbag *airbag, uint64_t cgroup_id, struct bag **ret)
{
	const struct cgroup_tree *tree = airbag->config.tree;
	struct bag *bag = bag_find(airbag, cgroup_id);
	_cleanup_free_ char *rel = NULL;
	_cleanup_close_ int dirfd = -1;
	int r = 0;

	if (!bag) {
		r = cgroup_path_of_id(tree, cgroup_id, &rel);
		if (!r)
			r = cgroup_open(tree, rel, &dirfd);
		if (!r && !cgroup_limit_writable(tree, dirfd))
			r = errno == EROFS ? -EROFS : -EACCES;
		bag = r ? NULL : bag_place(airbag);
		if (!r && !bag)
			r = -EMFILE;
		if (r)
			return r;
		*bag = (struct bag){.state = BAG_FLAT,
				    .cgroup_id = cgroup_id,
				    .path_hash = hash_of(rel),
				    .dirfd = TAKE_FD(dirfd)};
	}
	bag->used_ns = boottime_ns();
	*ret = bag;
	return 0;
}

void airbag_prepare(struct airbag *airbag, const char *rel)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	struct bag *bag;
	int r = airbag->journal_fd < 0 ? airbag->journal_fd : 0;

	if (cgroup_limit_binding(airbag->config.tree, rel, &limit) || !limit.cgroup)
		return;
	if (!r) {
		pthread_mutex_lock(&airbag->mutex);
		r = bag_open(airbag, limit.cgroup_id, &bag);
		pthread_mutex_unlock(&airbag->mutex);
	}
	if (r)
		log_warn("no airbag: cannot raise the limit of %s: %s; growth is signalled all "
			 "the same",
			 limit.cgroup, strerror(-r));
}

void airbag_prepare_id(struct airbag *airbag, uint64_t cgroup_id)
{
	struct bag *bag;
	int r = airbag->journal_fd < 0 ? airbag->journal_fd : 0;

	pthread_mutex_lock(&airbag->mutex);
	if (!r)
		r = bag_open(airbag, cgroup_id, &bag);
	if (r == -ENOENT || r == -ESTALE || r == -ENODEV) /* it was removed meanwhile */
		r = 0;
	if (r && !airbag->prepare_error)
		airbag->prepare_error = r;
	pthread_mutex_unlock(&airbag->mutex);
	if (r)
		wake(airbag);
}

/* --- inflating ----------------------------------------------------------------------------- */

static uint64_t least(const struct cgroup_limits *limits)
{
	return MIN(limits->memory_bytes, limits->memsw_bytes);
}

static bool are_ours(const struct journal_entry *entry, const struct cgroup_limits *now)
{
	struct cgroup_limits taken = *now;

	return journal_take_back(entry, &taken);
}

/* A policy that lends has a grace, unless it was made by hand. */
static uint64_t deadline_ns(uint64_t grace_ns)
{
	return boottime_ns() + (grace_ns ?: AIRBAG_GRACE_NS) + TEARDOWN_NS;
}

static int host_spare(int proc_fd, uint64_t *ret)
{
	uint64_t total_kib, available_kib;
	char text[4096];
	int r = file_read_into(proc_fd, "meminfo", text, sizeof(text));

	if (r)
		return r;
	if (parse_field_u64(text, "MemTotal:", &total_kib) ||
	    parse_field_u64(text, "MemAvailable:", &available_kib))
		return -EBADMSG;
	*ret = lending_spare(sat_mul(total_kib, 1024), sat_mul(available_kib, 1024));
	return 0;
}

static int bag_inflate(struct airbag *airbag, struct bag *bag, uint64_t grace_ns,
		       uint64_t rate_bytes_s)
{
	const struct airbag_config *config = &airbag->config;
	bool again = bag->state != BAG_FLAT, was_all = false;
	struct journal_entry entry = bag->entry;
	uint64_t now_ns = boottime_ns(), size = 0, spare = 0;
	struct cgroup_limits now;
	int r = cgroup_limits_read(config->tree, bag->dirfd, &now);

	if (!r && again && !are_ours(&entry, &now))
		r = -EBUSY;
	if (!r && !again && !lending_allowed(airbag->debts, bag->path_hash, now_ns))
		r = -EAGAIN;
	if (!r && !again)
		entry = (struct journal_entry){
			.cgroup_id = bag->cgroup_id,
			.deadline_ns = deadline_ns(grace_ns),
			.before = now,
			.raised = now,
			.owner = getpid(),
			.owner_start_ticks = airbag->start_ticks,
		};
	if (!r)
		r = host_spare(config->proc_fd, &spare);
	if (!r)
		r = lending_size(&bag->policy, least(&entry.before), rate_bytes_s, spare,
				 sysconf(_SC_PAGESIZE), &size, &was_all);
	if (r)
		return r;
	entry.raised_last = entry.raised;
	entry.raised.high_bytes = entry.before.high_bytes;
	entry.raised.memory_bytes = sat_add(entry.raised_last.memory_bytes, size);
	entry.raised.memsw_bytes = sat_add(entry.raised_last.memsw_bytes, size);
	r = journal_write(airbag->journal_fd, &entry, again);
	if (r)
		return r;
	r = cgroup_limits_write(config->tree, bag->dirfd, &entry.raised);
	if (r) { /* v1 has two, and may have taken one */
		cgroup_limits_write(config->tree, bag->dirfd, &now);
		if (!again)
			journal_remove(airbag->journal_fd, bag->cgroup_id);
		return r;
	}
	if (!again)
		lending_take(airbag->debts, bag->path_hash, now_ns);
	bag->entry = entry;
	bag->state = BAG_INFLATED;
	bag->was_all = was_all;
	return 0;
}

/* For a trip that comes while the limit is put back. */
static void bag_raise_again(const struct airbag *airbag, const struct bag *bag)
{
	struct cgroup_limits now;

	if (!cgroup_limits_read(airbag->config.tree, bag->dirfd, &now) &&
	    are_ours(&bag->entry, &now))
		cgroup_limits_write(airbag->config.tree, bag->dirfd, &bag->entry.raised);
}

/* Before the end of what is lent, unless somebody has set one. */
static void bag_brake(struct airbag *airbag, struct bag *bag)
{
	const struct cgroup_tree *tree = airbag->config.tree;
	uint64_t page = sysconf(_SC_PAGESIZE), usage, left;
	struct journal_entry entry = bag->entry;
	struct cgroup_limits now;

	if (entry.raised.high_bytes != UINT64_MAX || cgroup_limits_read(tree, bag->dirfd, &now) ||
	    !are_ours(&entry, &now) || cgroup_usage_read(tree, bag->dirfd, &usage))
		return;
	/* Below the usage it would have the kernel reclaim while we wait. */
	left = sat_sub(entry.raised.memory_bytes, MAX(usage, entry.before.memory_bytes));
	entry.raised_last = entry.raised;
	entry.raised.high_bytes = (entry.raised.memory_bytes -
				   MIN(left / 2, entry.raised.memory_bytes / BRAKE_PART)) /
				  page * page;
	if (!journal_write(airbag->journal_fd, &entry, true) &&
	    !cgroup_limits_write(tree, bag->dirfd, &entry.raised))
		bag->entry = entry;
}

/* It is up already: longer, too, as far as it may be lent. */
static void bag_join(struct airbag *airbag, struct bag *bag, uint64_t grace_ns)
{
	uint64_t now_ns = boottime_ns();

	if (bag->state == BAG_DEFLATING)
		bag_raise_again(airbag, bag);
	bag->state = BAG_INFLATED;
	if (lending_allowed(airbag->debts, bag->path_hash, now_ns)) {
		lending_take(airbag->debts, bag->path_hash, now_ns);
		bag->entry.deadline_ns = MAX(bag->entry.deadline_ns, deadline_ns(grace_ns));
	}
}

void airbag_inflate(struct airbag *airbag, uint64_t cgroup_id, const struct policy *policy,
		    uint64_t grace_ns, uint64_t rate_bytes_s, struct airbag_result *ret)
{
	struct airbag_result result = {.outcome = INCIDENT_AIRBAG_RAISED};
	struct bag *bag = NULL;
	int r = airbag->journal_fd < 0 ? airbag->journal_fd : 0;

	pthread_mutex_lock(&airbag->mutex);
	if (!r)
		r = bag_open(airbag, cgroup_id, &bag);
	if (!r && bag->state == BAG_FLAT) {
		if (sat_sub(boottime_ns(), bag->entered_ns) > OVERTAKEN_NS)
			bag->entered_ns = 0; /* for a trip that is over */
		bag->policy = *policy;
		r = bag_inflate(airbag, bag, grace_ns, rate_bytes_s);
	} else if (!r) {
		bag_join(airbag, bag, grace_ns);
	}
	if (!r) {
		bag->holders++;
		result.before_bytes = least(&bag->entry.before);
		result.raised_bytes = least(&bag->entry.raised);
		if (bag->was_all && bag->entered_ns && policy_brakes(&bag->policy))
			bag_brake(airbag, bag);
	}
	pthread_mutex_unlock(&airbag->mutex);
	if (r) {
		result.outcome = r == -ENOMEM || r == -EAGAIN ? INCIDENT_AIRBAG_REFUSED
							      : INCIDENT_AIRBAG_FAILED;
		result.error = r;
	} else {
		wake(airbag);
	}
	*ret = result;
}

void airbag_inflate_again(struct airbag *airbag, uint64_t cgroup_id, uint64_t rate_bytes_s)
{
	struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bag_find(airbag, cgroup_id);
	if (bag && bag->state == BAG_INFLATED && bag->holders &&
	    bag->policy.airbag == AIRBAG_AUTO) { /* else that was all */
		bag->was_all |= bag_inflate(airbag, bag, 0, rate_bytes_s) == -ENOMEM;
		if (bag->was_all && bag->entered_ns && policy_brakes(&bag->policy))
			bag_brake(airbag, bag);
	}
	pthread_mutex_unlock(&airbag->mutex);
}

void airbag_brake(struct airbag *airbag, uint64_t cgroup_id)
{
	struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bag_find(airbag, cgroup_id);
	if (bag) {
		bag->entered_ns = boottime_ns();
		if (bag->state == BAG_INFLATED && bag->was_all && policy_brakes(&bag->policy))
			bag_brake(airbag, bag);
	}
	pthread_mutex_unlock(&airbag->mutex);
}

void airbag_state(struct airbag *airbag, uint64_t cgroup_id, uint64_t *ret_bytes, bool *ret_braked)
{
	const struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bag_find(airbag, cgroup_id);
	*ret_bytes = bag ? least(&bag->entry.raised) - least(&bag->entry.before) : 0;
	*ret_braked = bag && bag->entry.raised.high_bytes != bag->entry.before.high_bytes;
	pthread_mutex_unlock(&airbag->mutex);
}

/* --- letting go ---------------------------------------------------------------------------- */

/*
 * Puts limits back, unless somebody else has set them meanwhile: those stay. 0: done, or nothing
 * left to do. Lowering a limit makes the kernel reclaim, and on v2 kill where that is not enough.
 */
static int limits_restore(const struct airbag *airbag, int dirfd, const struct journal_entry *entry)
{
	struct cgroup_limits now;
	int r = cgroup_limits_read(airbag->config.tree, dirfd, &now);

	if (!r) {
		if (!journal_take_back(entry, &now))
			log_info("a limit of cgroup %" PRIu64 " was changed by somebody else while "
				 "it was raised, and stays as it is",
				 entry->cgroup_id);
		r = cgroup_limits_write(airbag->config.tree, dirfd, &now);
	}
	/* The cgroup went, and its limit with it. */
	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

/* Called with the mutex, which is given up while the kernel reclaims. */
static void bag_deflate(struct airbag *airbag, struct bag *bag)
{
	struct journal_entry entry = bag->entry;
	int r;

	bag->state = BAG_DEFLATING;
	pthread_mutex_unlock(&airbag->mutex);
	r = limits_restore(airbag, bag->dirfd, &entry);
	pthread_mutex_lock(&airbag->mutex);
	if (bag->state == BAG_INFLATED) {
		bag_raise_again(airbag, bag);
		return;
	}
	if (r) {
		bag->state = BAG_INFLATED;
		if (sat_sub(boottime_ns(), bag->complained_ns) > COMPLAIN_NS) {
			bag->complained_ns = boottime_ns();
			log_warn("cannot put back the limit of cgroup %" PRIu64
				 ": %s, trying again",
				 bag->cgroup_id, strerror(-r));
		}
		return;
	}
	journal_remove(airbag->journal_fd, bag->cgroup_id);
	bag->state = BAG_FLAT;
}

/*
 * Whether memory is below the old limit again: with all trips closed below that, else below its
 * line. Putting it back earlier would have the kernel kill.
 */
static bool fallen(const struct airbag *airbag, const struct bag *bag)
{
	uint64_t before = least(&bag->entry.before);
	uint64_t reserve = policy_reserve_bytes(&bag->policy, before, 1);
	struct cgroup_memory memory;
	int r = cgroup_memory_read(airbag->config.tree, bag->dirfd, &memory);

	return r || sat_add(sat_sub(memory.usage_bytes, memory.file_bytes),
			    bag->holders ? reserve : 0) < before;
}

static void warn_once(struct airbag *airbag)
{
	if (!airbag->prepare_error || airbag->prepare_warned)
		return;
	airbag->prepare_warned = true;
	log_warn("no airbag: cannot raise the limit of a cgroup: %s; growth is signalled all the "
		 "same, here and wherever else this is so",
		 strerror(-airbag->prepare_error));
}

bool airbag_check(struct airbag *airbag)
{
	bool raised = false;
	uint64_t count;
	ssize_t n = read(airbag->wake_fd, &count, sizeof(count));

	(void)n; /* it need not have been woken */
	warn_once(airbag);
	for (size_t i = 0; i < BAGS_MAX; i++) {
		struct bag *bag = &airbag->bags[i], seen;

		/* The responder is not to wait for files: they are read without the mutex. */
		pthread_mutex_lock(&airbag->mutex);
		seen = *bag;
		pthread_mutex_unlock(&airbag->mutex);
		if (seen.state != BAG_INFLATED)
			continue;
		raised = true;
		if (boottime_ns() < seen.entry.deadline_ns && !fallen(airbag, &seen))
			continue;
		pthread_mutex_lock(&airbag->mutex);
		if (bag->state == BAG_INFLATED && bag->holders <= seen.holders)
			bag_deflate(airbag, bag);
		pthread_mutex_unlock(&airbag->mutex);
	}
	return raised;
}

int airbag_wake_fd(const struct airbag *airbag)
{
	return airbag->wake_fd;
}

void airbag_release(struct airbag *airbag, uint64_t cgroup_id)
{
	struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bag_find(airbag, cgroup_id);
	if (bag && bag->holders && --bag->holders == 0)
		bag->entry.deadline_ns = MIN(bag->entry.deadline_ns, boottime_ns() + TEARDOWN_NS);
	pthread_mutex_unlock(&airbag->mutex);
	wake(airbag);
}

/* --- what an earlier instance left --------------------------------------------------------- */

static void recover(const struct journal_entry *entry, void *userdata)
{
	struct airbag *airbag = userdata;
	struct bag *bag;
	uint64_t ticks;
	int r;

	if (!proc_start_ticks(airbag->config.proc_fd, (pid_t)entry->owner, &ticks) &&
	    ticks == entry->owner_start_ticks)
		return; /* it lives */
	r = bag_open(airbag, entry->cgroup_id, &bag);
	if (r == -ESTALE || r == -ENOENT) {
		journal_remove(airbag->journal_fd, entry->cgroup_id);
		return;
	}
	if (r) {
		log_warn("cannot put back the limit of cgroup %" PRIu64 ", which an earlier "
			 "apoptosis left raised: %s",
			 entry->cgroup_id, strerror(-r));
		return;
	}
	log_info("putting back the limit of cgroup %" PRIu64 ", which an earlier apoptosis left "
		 "raised",
		 entry->cgroup_id);
	bag->entry = *entry;
	bag_deflate(airbag, bag);
	if (bag->state == BAG_INFLATED) /* not yet possible: the timer goes on */
		wake(airbag);
}

/* --- the whole ----------------------------------------------------------------------------- */

int airbag_new(struct airbag **ret, const struct airbag_config *config)
{
	struct airbag *airbag = calloc(1, sizeof(*airbag));
	pthread_mutexattr_t attr;
	int r;

	if (!airbag)
		return -ENOMEM;
	airbag->config = *config;
	for (size_t i = 0; i < BAGS_MAX; i++)
		airbag->bags[i].dirfd = -1;
	/* The responder may wait for the slow path, which then runs at its priority. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&airbag->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	airbag->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (airbag->wake_fd < 0) {
		r = -errno;
		free(airbag);
		return r;
	}
	proc_start_ticks(config->proc_fd, getpid(), &airbag->start_ticks);
	r = journal_open(config->lends, &airbag->journal_fd);
	if (r) {
		airbag->journal_fd = r;
	} else {
		pthread_mutex_lock(&airbag->mutex);
		journal_each(airbag->journal_fd, recover, airbag);
		pthread_mutex_unlock(&airbag->mutex);
	}
	*ret = airbag;
	return 0;
}

struct airbag *airbag_free(struct airbag *airbag)
{
	if (!airbag)
		return NULL;
	pthread_mutex_lock(&airbag->mutex);
	for (size_t i = 0; i < BAGS_MAX; i++) {
		if (airbag->bags[i].state == BAG_INFLATED)
			bag_deflate(airbag, &airbag->bags[i]);
		close_fd(airbag->bags[i].dirfd);
	}
	pthread_mutex_unlock(&airbag->mutex);
	pthread_mutex_destroy(&airbag->mutex);
	close_fd(airbag->journal_fd);
	close_fd(airbag->wake_fd);
	free(airbag);
	return NULL;
}
