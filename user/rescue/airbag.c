// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/airbag.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "core/lending.h"
#include "rescue/journal.h"
#include "rescue/loan.h"
#include "sense/cgroup_memory.h"
#include "sense/proc.h"

#define BAGS_MAX 64
/* A handler that is entered on another CPU may be told of before its trip. */
#define OVERTAKEN_NS (10 * NSEC_PER_MSEC)
/* The kernel may refuse to lower a v1 limit below the usage: said so often. */
#define COMPLAIN_NS (10 * NSEC_PER_SEC)

enum bag_state {
	BAG_EMPTY = 0, /* a free place */
	BAG_READY,     /* what raising takes is open */
	BAG_RAISED,
	BAG_GOING_BACK, /* the limit is put back, without the mutex */
};

/* The airbag of one limit. */
struct bag {
	enum bag_state state;
	struct loan loan;
	uint64_t path_hash;
	unsigned int open_trips; /* it is raised for */
	uint64_t used_ns;	 /* when it was last asked for */
	uint64_t entered_ns;	 /* when a handler was entered last; 0: not since it was raised */
	bool is_owed;		 /* the kernel refused to put it back: nothing more is lent */
	uint64_t complained_ns;
};

struct airbag {
	struct lender lender;  /* its journal_fd may be -errno */
	pthread_mutex_t mutex; /* of all below */
	struct bag bags[BAGS_MAX];
	struct debt debts[LENDING_DEBTS];
	int prepare_error; /* the first; the slow path warns of it */
	bool prepare_warned;
	int wake_fd; /* eventfd */
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
		if (airbag->bags[i].state != BAG_EMPTY &&
		    airbag->bags[i].loan.cgroup_id == cgroup_id)
			return &airbag->bags[i];
	return NULL;
}

static void bag_forget(struct bag *bag)
{
	close_fd(bag->loan.dirfd);
	*bag = (struct bag){.loan.dirfd = -1};
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

		if (bag->state != BAG_READY || bag->open_trips)
			continue;
		if (faccessat(bag->loan.dirfd, "cgroup.procs", F_OK, 0)) {
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
	const struct cgroup_tree *tree = airbag->lender.tree;
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
		*bag = (struct bag){
			.state = BAG_READY,
			.loan = {.cgroup_id = cgroup_id, .dirfd = TAKE_FD(dirfd)},
			.path_hash = hash_of(rel),
		};
	}
	bag->used_ns = boottime_ns();
	*ret = bag;
	return 0;
}

void airbag_prepare(struct airbag *airbag, const char *rel)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	struct bag *bag;
	int r = airbag->lender.journal_fd < 0 ? airbag->lender.journal_fd : 0;

	if (cgroup_limit_binding(airbag->lender.tree, rel, &limit) || !limit.cgroup)
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
	int r = airbag->lender.journal_fd < 0 ? airbag->lender.journal_fd : 0;

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

/* --- raising ------------------------------------------------------------------------------- */

static int bag_raise(struct airbag *airbag, struct bag *bag, const struct policy *policy,
		     uint64_t deadline_ns, uint64_t rate_bytes_s)
{
	uint64_t now_ns = boottime_ns();
	int r;

	if (!lending_allowed(airbag->debts, bag->path_hash, now_ns))
		return -EAGAIN;
	r = loan_raise(&airbag->lender, &bag->loan, policy, deadline_ns, rate_bytes_s);
	if (r)
		return r;
	lending_take(airbag->debts, bag->path_hash, now_ns);
	bag->state = BAG_RAISED;
	return 0;
}

/* For a trip. */
static int bag_raise_first(struct airbag *airbag, struct bag *bag, const struct policy *policy,
			   uint64_t grace_ns, uint64_t rate_bytes_s)
{
	uint64_t now_ns = boottime_ns();

	if (sat_sub(now_ns, bag->entered_ns) > OVERTAKEN_NS)
		bag->entered_ns = 0; /* for a trip that is over */
	return bag_raise(airbag, bag, policy, lending_deadline_ns(now_ns, grace_ns), rate_bytes_s);
}

/* It is raised already: for longer, too, as far as it may be lent. */
static void bag_join(struct airbag *airbag, struct bag *bag, uint64_t grace_ns)
{
	uint64_t now_ns = boottime_ns(), *deadline_ns = &bag->loan.entry.deadline_ns;

	if (bag->state == BAG_GOING_BACK)
		loan_raise_again(&airbag->lender, &bag->loan);
	bag->state = BAG_RAISED;
	if (lending_allowed(airbag->debts, bag->path_hash, now_ns)) {
		lending_take(airbag->debts, bag->path_hash, now_ns);
		*deadline_ns = MAX(*deadline_ns, lending_deadline_ns(now_ns, grace_ns));
	}
}

/* Where no more can be lent, and a handler is entered. */
static void bag_brake(struct airbag *airbag, struct bag *bag)
{
	if (bag->state == BAG_RAISED && bag->loan.was_all && bag->entered_ns &&
	    policy_brakes(&bag->loan.policy))
		loan_brake(&airbag->lender, &bag->loan);
}

/* By a rule of ours, not by an error. */
static bool is_refusal(int error)
{
	return error == -ENOMEM || error == -EAGAIN || error == -EBUSY;
}

void airbag_raise(struct airbag *airbag, uint64_t cgroup_id, const struct policy *policy,
		  uint64_t grace_ns, uint64_t rate_bytes_s, struct airbag_result *ret)
{
	struct airbag_result result = {.outcome = INCIDENT_AIRBAG_RAISED};
	struct bag *bag = NULL;
	int r = airbag->lender.journal_fd < 0 ? airbag->lender.journal_fd : 0;

	pthread_mutex_lock(&airbag->mutex);
	if (!r)
		r = bag_open(airbag, cgroup_id, &bag);
	if (!r && bag->is_owed)
		r = -EBUSY;
	else if (!r && bag->state == BAG_READY)
		r = bag_raise_first(airbag, bag, policy, grace_ns, rate_bytes_s);
	else if (!r)
		bag_join(airbag, bag, grace_ns);
	if (!r) {
		bag->open_trips++;
		result.before_bytes = loan_limit_bytes(&bag->loan.entry.before);
		result.raised_bytes = loan_limit_bytes(&bag->loan.entry.raised);
		bag_brake(airbag, bag);
	}
	pthread_mutex_unlock(&airbag->mutex);
	if (r) {
		result.outcome = is_refusal(r) ? INCIDENT_AIRBAG_REFUSED : INCIDENT_AIRBAG_FAILED;
		result.error = r;
	} else {
		wake(airbag);
	}
	*ret = result;
}

/* As far as its policy goes: one of a fixed size was all. */
static void bag_raise_further(struct airbag *airbag, struct bag *bag, uint64_t rate_bytes_s)
{
	int r;

	if (bag->loan.policy.airbag != AIRBAG_AUTO)
		return;
	r = loan_raise_further(&airbag->lender, &bag->loan, rate_bytes_s);
	bag->loan.was_all |= r == -ENOMEM;
	bag_brake(airbag, bag);
}

void airbag_raise_further(struct airbag *airbag, uint64_t cgroup_id, uint64_t rate_bytes_s)
{
	struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bag_find(airbag, cgroup_id);
	if (bag && bag->open_trips && !bag->is_owed) {
		if (bag->state == BAG_RAISED) {
			bag_raise_further(airbag, bag, rate_bytes_s);
		} else if (bag->state == BAG_READY) {
			/* Need had fallen, and grows again before the trip is over. */
			const struct policy policy = bag->loan.policy;

			bag_raise(airbag, bag, &policy, bag->loan.entry.deadline_ns, rate_bytes_s);
			wake(airbag);
		}
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
		bag_brake(airbag, bag);
	}
	pthread_mutex_unlock(&airbag->mutex);
}

void airbag_state(struct airbag *airbag, uint64_t cgroup_id, uint64_t *ret_bytes, bool *ret_braked)
{
	static const struct journal_entry none;
	const struct journal_entry *entry;
	const struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bag_find(airbag, cgroup_id);
	entry = bag ? &bag->loan.entry : &none;
	*ret_bytes = sat_sub(loan_limit_bytes(&entry->raised), loan_limit_bytes(&entry->before));
	*ret_braked = entry->raised.high_bytes != entry->before.high_bytes;
	pthread_mutex_unlock(&airbag->mutex);
}

/* --- putting back -------------------------------------------------------------------------- */

static void complain(struct bag *bag, int error)
{
	uint64_t now_ns = boottime_ns();

	if (sat_sub(now_ns, bag->complained_ns) <= COMPLAIN_NS)
		return;
	bag->complained_ns = now_ns;
	log_warn("cannot put back the limit of cgroup %" PRIu64 ": %s, trying again",
		 bag->loan.cgroup_id, strerror(-error));
}

/*
 * Puts the limit of a loan that is owed back, or nearer to where it was. v1 refuses what is below the
 * usage, for ever if that is tmpfs of the dead, and each try has the kernel reclaim: it is tried only
 * when need fits.
 */
static int pay_back(const struct airbag *airbag, struct loan *loan)
{
	struct cgroup_memory memory;
	int r = -EBUSY;

	if (cgroup_memory_read(airbag->lender.tree, loan->dirfd, &memory) ||
	    sat_sub(memory.usage_bytes, memory.file_bytes) <= loan_limit_bytes(&loan->entry.before))
		r = loan_put_back(&airbag->lender, loan->dirfd, &loan->entry);
	if (r == -EBUSY)
		loan_step_down(&airbag->lender, loan);
	return r;
}

/* Called with the mutex, which is given up while the kernel reclaims. */
static void bag_put_back(struct airbag *airbag, struct bag *bag)
{
	struct loan loan = bag->loan;
	bool is_owed = bag->is_owed;
	int r;

	bag->state = BAG_GOING_BACK;
	pthread_mutex_unlock(&airbag->mutex);
	r = is_owed ? pay_back(airbag, &loan)
		    : loan_put_back(&airbag->lender, loan.dirfd, &loan.entry);
	pthread_mutex_lock(&airbag->mutex);
	if (is_owed) { /* no trip joins it: nobody else has changed what it is raised to */
		bag->loan.entry.raised = loan.entry.raised;
		bag->loan.entry.raised_last = loan.entry.raised_last;
	}
	switch (lending_end(r, bag->state == BAG_RAISED)) {
	case LENDING_RENEWED:
		loan_raise_again(&airbag->lender, &bag->loan);
		break;
	case LENDING_REFUSED:
		bag->state = BAG_RAISED;
		bag->is_owed = true;
		complain(bag, r);
		break;
	case LENDING_ENDED:
		journal_remove(airbag->lender.journal_fd, bag->loan.cgroup_id);
		bag->state = BAG_READY;
		bag->is_owed = false;
		break;
	}
}

/* Reads files. What cannot be read is gone. */
static bool may_end(const struct airbag *airbag, const struct bag *bag)
{
	uint64_t limit_bytes = loan_limit_bytes(&bag->loan.entry.before);
	const struct lent lent = {
		.limit_bytes = limit_bytes,
		.reserve_bytes = policy_reserve_bytes(&bag->loan.policy, limit_bytes, 1),
		.deadline_ns = bag->loan.entry.deadline_ns,
		.open_trips = bag->open_trips,
	};
	struct cgroup_memory memory;

	return cgroup_memory_read(airbag->lender.tree, bag->loan.dirfd, &memory) ||
	       lending_may_end(&lent, sat_sub(memory.usage_bytes, memory.file_bytes),
			       boottime_ns());
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
		if (seen.state != BAG_RAISED)
			continue;
		raised = true;
		if (!may_end(airbag, &seen))
			continue;
		pthread_mutex_lock(&airbag->mutex);
		if (bag->state == BAG_RAISED && bag->open_trips <= seen.open_trips)
			bag_put_back(airbag, bag);
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
	if (bag && bag->open_trips && --bag->open_trips == 0)
		bag->loan.entry.deadline_ns =
			lending_closed_deadline_ns(bag->loan.entry.deadline_ns, boottime_ns());
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

	if (!proc_start_ticks(airbag->lender.proc_fd, (pid_t)entry->owner, &ticks) &&
	    ticks == entry->owner_start_ticks)
		return; /* it lives */
	r = bag_open(airbag, entry->cgroup_id, &bag);
	if (r && lending_end(r, false) == LENDING_ENDED) {
		journal_remove(airbag->lender.journal_fd, entry->cgroup_id);
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
	bag->loan.entry = *entry;
	bag_put_back(airbag, bag);
	if (bag->state == BAG_RAISED) /* not yet possible: the timer goes on */
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
	airbag->lender.tree = config->tree;
	airbag->lender.proc_fd = config->proc_fd;
	for (size_t i = 0; i < BAGS_MAX; i++)
		airbag->bags[i].loan.dirfd = -1;
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
	proc_start_ticks(config->proc_fd, getpid(), &airbag->lender.start_ticks);
	r = journal_open(config->lends, &airbag->lender.journal_fd);
	if (r) {
		airbag->lender.journal_fd = r;
	} else {
		pthread_mutex_lock(&airbag->mutex);
		journal_each(airbag->lender.journal_fd, recover, airbag);
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
		if (airbag->bags[i].state == BAG_RAISED)
			bag_put_back(airbag, &airbag->bags[i]);
		close_fd(airbag->bags[i].loan.dirfd);
	}
	pthread_mutex_unlock(&airbag->mutex);
	pthread_mutex_destroy(&airbag->mutex);
	close_fd(airbag->lender.journal_fd);
	close_fd(airbag->wake_fd);
	free(airbag);
	return NULL;
}
