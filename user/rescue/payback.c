// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "base/wake.h"
#include "core/lending.h"
#include "rescue/airbag_halves.h"
#include "rescue/journal.h"
#include "rescue/loan.h"
#include "sense/cgroup_dir.h"
#include "sense/cgroup_memory.h"

/* The kernel may refuse to lower a v1 limit below the usage: said so often. */
#define COMPLAIN_NS (10 * NSEC_PER_SEC)
/* How often raised limits are looked at: for a trip, and where nobody has passed the limit. */
#define CHECK_TRIP_MS 100
#define CHECK_SILENT_MS 1000

static void complain(struct bag *bag, int error)
{
	uint64_t now_ns = clock_ns(CLOCK_BOOTTIME);

	if (sat_sub(now_ns, bag->complained_ns) <= COMPLAIN_NS)
		return;
	bag->complained_ns = now_ns;
	log_warn("cannot put back the limit of cgroup %" PRIu64 ": %s, trying again",
		 bag->loan.cgroup_id, strerror(-error));
}

/*
 * Puts the limit of a loan that is owed back, or nearer to where it was. v1 refuses what is below the
 * usage, for ever if that is tmpfs of the dead, and each try has the kernel reclaim: it is tried only
 * when need fits, or when somebody else has set the limit.
 */
static int pay_back(const struct airbag *airbag, struct loan *loan)
{
	struct cgroup_memory memory;
	int r = -EBUSY;

	if (cgroup_memory_read(airbag->lender.tree, loan->dirfd, &memory) ||
	    sat_sub(memory.usage_bytes, memory.file_bytes) <=
		    loan_limit_bytes(&loan->entry.before) ||
	    !loan_is_in_force(&airbag->lender, loan))
		r = loan_put_back(&airbag->lender, loan->dirfd, &loan->entry);
	if (r == -EBUSY)
		loan_step_down(&airbag->lender, loan);
	return r;
}

/*
 * Whether the kernel would have to kill to lower the limit of v2 now: more is used than it allows, and
 * reclaim does not give it back. v1 refuses then.
 */
static bool would_kill(const struct airbag *airbag, const struct loan *loan)
{
	const struct cgroup_tree *tree = airbag->lender.tree;
	uint64_t limit_bytes = loan->entry.before.memory_bytes, used_bytes;

	if (cgroup_tree_version(tree) == 1 || cgroup_usage_read(tree, loan->dirfd, &used_bytes) ||
	    used_bytes <= limit_bytes)
		return false;
	cgroup_reclaim(tree, loan->dirfd, used_bytes - limit_bytes);
	return !cgroup_usage_read(tree, loan->dirfd, &used_bytes) && used_bytes > limit_bytes;
}

/*
 * Where nobody's time is over, nobody is killed and nothing is owed: it is tried again later. A limit that
 * somebody else has set is not lowered.
 */
static int put_back_gently(const struct airbag *airbag, const struct loan *loan)
{
	return loan_is_in_force(&airbag->lender, loan) && would_kill(airbag, loan)
		       ? -EBUSY
		       : loan_put_back(&airbag->lender, loan->dirfd, &loan->entry);
}

/* The limit is back, or gone with its cgroup. */
static void end(struct airbag *airbag, struct bag *bag)
{
	bag->over_ns = clock_ns(CLOCK_REALTIME);
	bag->lasted_ns = sat_sub(clock_ns(CLOCK_BOOTTIME), bag->loan.entry.since_ns);
	loan_end(&airbag->lender, &bag->loan);
	bags_set_state(&airbag->bags, bag, BAG_READY);
	bag->loan.rearm_ns = 0;
	bag->open_trips = 0; /* of which we may not have heard */
	bag->is_owed = bag->is_rearmed = false;
}

/* With the mutex, which is given up meanwhile. */
static void tell_over(struct airbag *airbag, const struct bag *bag)
{
	struct loan_facts loan = airbag_loan_of(bag);

	if (!airbag->on_over)
		return;
	pthread_mutex_unlock(&airbag->mutex);
	airbag->on_over(bag->loan.cgroup_id, &loan, airbag->userdata);
	pthread_mutex_lock(&airbag->mutex);
}

/* All who were signalled have ended, and nobody who is left was warned. */
static bool may_rearm(const struct bag *bag)
{
	return bag->is_for_trip && !bag->open_trips && !bag->is_rearmed;
}

/*
 * Others, or what the dead have left behind, are beyond the limit. To put it back now would have one of them killed
 * unwarned: first whoever grows is signalled, once.
 */
static void rearm(struct airbag *airbag, struct bag *bag)
{
	bag->is_rearmed = true;
	bag->loan.rearm_ns = clock_ns(CLOCK_MONOTONIC);
	bag->deadline_ns = lending_deadline_ns(clock_ns(CLOCK_BOOTTIME), 0);
	loan_tell(&airbag->lender, &bag->loan);
}

/* Called with the mutex, which is given up while the kernel reclaims. by_force: it is the last chance. */
static void put_back(struct airbag *airbag, struct bag *bag, bool by_force)
{
	struct loan loan = bag->loan;
	bool is_owed = bag->is_owed;
	bool is_gentle = !is_owed && !by_force;
	bool has_time = is_gentle && clock_ns(CLOCK_BOOTTIME) < bag->deadline_ns;
	/* What counts as reclaimable may not be, and v2 kills where v1 refuses. */
	bool rearms = is_gentle && cgroup_tree_version(airbag->lender.tree) == 2 && may_rearm(bag);
	int r;

	bags_set_state(&airbag->bags, bag, BAG_GOING_BACK);
	pthread_mutex_unlock(&airbag->mutex);
	r = is_owed		 ? pay_back(airbag, &loan)
	    : has_time || rearms ? put_back_gently(airbag, &loan)
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
		bags_set_state(&airbag->bags, bag, BAG_RAISED);
		if (has_time) { /* reclaim takes its time, and does not succeed at once */
			bag->least_ns = lending_least_ns(clock_ns(CLOCK_BOOTTIME), false);
		} else if (rearms) {
			rearm(airbag, bag);
		} else {
			bag->is_owed = true;
			airbag_tell_refused(airbag, bag->loan.cgroup_id, UINT64_MAX);
			complain(bag, r);
		}
		break;
	case LENDING_ENDED:
		end(airbag, bag);
		tell_over(airbag, bag);
		break;
	}
}

/* What files say of a raised limit. What cannot be read is gone; what is owed is over. */
struct found {
	bool is_over;
	bool is_passed; /* need is beyond the limit as it was */
};

static struct found look_at(const struct airbag *airbag, const struct bag *bag)
{
	const struct lent lent = {
		.limit_bytes = loan_limit_bytes(&bag->loan.entry.before),
		.least_ns = bag->least_ns,
		.deadline_ns = bag->deadline_ns,
		.cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN),
	};
	struct cgroup_memory memory;
	uint64_t need_bytes, stays_bytes;

	if (bag->is_owed || !loan_is_in_force(&airbag->lender, &bag->loan) ||
	    cgroup_memory_read(airbag->lender.tree, bag->loan.dirfd, &memory))
		return (struct found){.is_over = true};
	need_bytes = sat_sub(memory.usage_bytes, memory.file_bytes);
	/* Nothing is reclaimed while somebody shuts down: it would slow him down, or be in vain. */
	stays_bytes = bag->open_trips ? memory.usage_bytes : need_bytes;
	return (struct found){
		.is_over = lending_may_end(&lent, stays_bytes, clock_ns(CLOCK_BOOTTIME)),
		.is_passed = need_bytes > lent.limit_bytes,
	};
}

/*
 * A silent loan may stand as long as nobody passes the limit; what passes it has a while. That of a trip
 * goes back when the trip is over: who is still near the limit is lent to anew.
 */
static void note_passed(struct bag *bag, bool is_passed)
{
	uint64_t *deadline_ns = &bag->deadline_ns, now_ns = clock_ns(CLOCK_BOOTTIME);

	if (bag->is_for_trip) {
		if (bag->is_rearmed && !is_passed)
			*deadline_ns = lending_closed_deadline_ns(*deadline_ns, now_ns);
	} else if (!is_passed) {
		*deadline_ns = UINT64_MAX;
	} else if (*deadline_ns == UINT64_MAX) {
		*deadline_ns = lending_deadline_ns(now_ns, 0);
	}
}

static void warn_once(struct airbag *airbag)
{
	if (!airbag->prepare_error || airbag->prepare_warned)
		return;
	airbag->prepare_warned = true;
	log_warn("no airbag: cannot raise the limit of a cgroup: %s; growth is signalled all the "
		 "same, at the reserve, here and wherever else this is so",
		 strerror(-airbag->prepare_error));
}

/* Bags stay where they are while they are raised. */
struct raised {
	struct bag **bags;
	size_t n, size;
};

static void collect(struct bag *bag, void *userdata)
{
	struct raised *raised = userdata;

	if (bag->state == BAG_RAISED && raised->n < raised->size)
		raised->bags[raised->n++] = bag;
}

static struct raised collect_raised(struct airbag *airbag)
{
	struct raised raised = {};

	pthread_mutex_lock(&airbag->mutex);
	raised.size = airbag->bags.raised_count;
	raised.bags = calloc(raised.size + 1, sizeof(struct bag *));
	if (!raised.bags)
		raised.size = 0; /* the timer comes again */
	bags_each_raised(&airbag->bags, collect, &raised);
	pthread_mutex_unlock(&airbag->mutex);
	return raised;
}

unsigned int airbag_check(struct airbag *airbag)
{
	struct raised raised;
	unsigned int again_ms = 0;

	wake_clear(airbag->wake_fd);
	warn_once(airbag);
	raised = collect_raised(airbag);
	for (size_t i = 0; i < raised.n; i++) {
		struct bag *bag = raised.bags[i], seen;
		struct found found;

		/* The responder is not to wait for files: they are read without the mutex. */
		pthread_mutex_lock(&airbag->mutex);
		seen = *bag;
		pthread_mutex_unlock(&airbag->mutex);
		found = look_at(airbag, &seen);
		pthread_mutex_lock(&airbag->mutex);
		if (bag->state == BAG_RAISED && bag->open_trips <= seen.open_trips) {
			if (found.is_over && found.is_passed && may_rearm(bag))
				rearm(airbag, bag);
			else if (found.is_over)
				put_back(airbag, bag, false);
			else
				note_passed(bag, found.is_passed);
		}
		if (bag->state == BAG_RAISED)
			again_ms = bag->is_owed || bag->deadline_ns != UINT64_MAX ? CHECK_TRIP_MS
				   : again_ms					  ? again_ms
										  : CHECK_SILENT_MS;
		pthread_mutex_unlock(&airbag->mutex);
	}
	free(raised.bags);
	return again_ms;
}

/* --- what an earlier instance left --------------------------------------------------------- */

void payback_keep(struct airbag *airbag, struct bag *bag)
{
	uint64_t now_ns = clock_ns(CLOCK_BOOTTIME);

	bags_set_state(&airbag->bags, bag, BAG_RAISED);
	bag->is_for_trip = true;
	bag->was_braked = loan_is_braked(&bag->loan.entry);
	bag->entered_ns = bag->over_ns = 0;
	bag->most_bytes = bag_lent_bytes(bag);
	bag->least_ns = lending_least_ns(now_ns, false);
	bag->deadline_ns = lending_deadline_ns(now_ns, 0);
}

/*
 * What is on record of a cgroup that is claimed. Where need is beyond the limit, to put it back at once
 * would have the kernel kill, in the midst of a trip; airbag_keep() may give it more time than it has then.
 */
static void take_over(struct airbag *airbag, struct bag *bag)
{
	loan_tell(&airbag->lender, &bag->loan);
	if (look_at(airbag, bag).is_passed) {
		log_info("the limit of cgroup %" PRIu64 ", which an earlier apoptosis left raised, "
			 "goes back later: more is in use",
			 bag->loan.cgroup_id);
		payback_keep(airbag, bag);
	} else {
		log_info("putting back the limit of cgroup %" PRIu64 ", which an earlier apoptosis "
			 "left raised",
			 bag->loan.cgroup_id);
		put_back(airbag, bag, true);
	}
	if (bag->state == BAG_RAISED) /* the timer goes on */
		airbag_wake(airbag);
}

static void recover(uint64_t cgroup_id, void *userdata)
{
	struct airbag *airbag = userdata;
	const struct lender *lender = &airbag->lender;
	struct bag *bag;
	int r = bags_open(&airbag->bags, lender->tree, cgroup_id, &bag);

	if (!r && bag_is_raised(bag))
		return; /* found by its file before, and now by its mark */
	if (!r)
		r = journal_claim(bag->loan.dirfd);
	if (r == -EEXIST)
		return; /* somebody has the cgroup: what is on record stays for the next start */
	if (r && lending_end(r, false) == LENDING_ENDED) {
		journal_remove(lender->journal_fd, -1, cgroup_id);
		return;
	}
	if (r) {
		log_warn("cannot put back the limit of cgroup %" PRIu64 ", which an earlier "
			 "apoptosis left raised: %s",
			 cgroup_id, strerror(-r));
		return;
	}
	r = journal_read(lender->journal_fd, bag->loan.dirfd, cgroup_id, &bag->loan.entry);
	if (!r) {
		take_over(airbag, bag);
		return;
	}
	if (r == -ENOENT)
		journal_remove(lender->journal_fd, bag->loan.dirfd, cgroup_id);
	else
		log_warn("cannot read the record of the limit of cgroup %" PRIu64 ", which was "
			 "raised: %s; put the limit back that it names, and remove it",
			 cgroup_id, strerror(-r));
	journal_disclaim(bag->loan.dirfd);
}

/* What instances with another runtime directory left: it is marked on the cgroups. */
static int visit_marked(int dirfd, const char *path, void *userdata)
{
	uint64_t id;

	(void)path;
	if (journal_is_marked(dirfd) && !cgroup_id(dirfd, &id))
		recover(id, userdata);
	return 0;
}

void payback_recover(struct airbag *airbag)
{
	_cleanup_close_ int root = -1;

	pthread_mutex_lock(&airbag->mutex);
	if (airbag->lender.journal_fd >= 0)
		journal_each(airbag->lender.journal_fd, recover, airbag);
	if (!cgroup_open(airbag->lender.tree, "/", &root) &&
	    cgroup_walk(root, visit_marked, airbag) == -E2BIG)
		log_warn("there are more cgroups than were looked at: a limit that an earlier "
			 "apoptosis with another runtime directory left raised may stay so");
	pthread_mutex_unlock(&airbag->mutex);
}

void airbag_settle(struct airbag *airbag)
{
	struct raised raised = collect_raised(airbag);

	pthread_mutex_lock(&airbag->mutex);
	for (size_t i = 0; i < raised.n; i++)
		put_back(airbag, raised.bags[i], true);
	pthread_mutex_unlock(&airbag->mutex);
	free(raised.bags);
}

uint64_t airbag_raises(struct airbag *airbag)
{
	uint64_t raises;

	pthread_mutex_lock(&airbag->mutex);
	raises = airbag->bags.raises;
	pthread_mutex_unlock(&airbag->mutex);
	return raises;
}
