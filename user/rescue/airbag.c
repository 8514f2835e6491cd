// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/airbag.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "base/wake.h"
#include "core/lending.h"
#include "rescue/airbag_halves.h"
#include "base/runtime_dir.h"
#include "rescue/journal.h"
#include "rescue/loan.h"
#include "sense/cgroup_memory.h"
#include "sense/machine.h"

/* A handler that is entered on another CPU may be told of before its trip. */
#define OVERTAKEN_NS (10 * NSEC_PER_MSEC)
/* For so long the kernel side does not ask again. */
#define REFUSED_NS NSEC_PER_SEC

void airbag_wake(const struct airbag *airbag)
{
	wake(airbag->wake_fd);
}

void airbag_tell_refused(struct airbag *airbag, uint64_t cgroup_id, uint64_t until_ns)
{
	const struct apo_loan loan = {
		.limit_pages = APO_UNLIMITED,
		.both_pages = APO_UNLIMITED,
		.refused_until_ns = until_ns,
	};

	lender_tell(&airbag->lender, cgroup_id, &loan);
}

/* --- preparing ----------------------------------------------------------------------------- */

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ESTALE || error == -ENODEV;
}

/* And will be denied the next time as well. */
static bool is_denied(const struct airbag *airbag, int error)
{
	return error == -EACCES || error == -EPERM || error == -EROFS ||
	       (error && error == airbag->lender.journal_fd);
}

/* A limit that can never be raised: the kernel side keeps a reserve below it instead. */
static void tell_impossible(struct airbag *airbag, uint64_t cgroup_id)
{
	const struct apo_loan loan = {
		.limit_pages = APO_UNLIMITED,
		.both_pages = APO_UNLIMITED,
		.impossible = 1,
	};

	lender_tell(&airbag->lender, cgroup_id, &loan);
}

/* 0, or why this limit cannot be raised. */
static int prepare(struct airbag *airbag, uint64_t cgroup_id, struct bag **ret)
{
	int r = airbag->lender.journal_fd < 0 ? airbag->lender.journal_fd : 0;

	if (!r)
		r = bags_open(&airbag->bags, airbag->lender.tree, cgroup_id, ret);
	if (!r && !cgroup_limit_writable(airbag->lender.tree, (*ret)->loan.dirfd))
		r = errno == EROFS ? -EROFS : errno == ENOENT ? -ENODEV : -EACCES;
	if (is_denied(airbag, r))
		tell_impossible(airbag, cgroup_id);
	return r;
}

bool airbag_prepare(struct airbag *airbag, const char *rel)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	struct bag *bag;
	int r;

	if (cgroup_limit_binding(airbag->lender.tree, rel, &limit) || !limit.cgroup)
		return false;
	pthread_mutex_lock(&airbag->mutex);
	r = prepare(airbag, limit.cgroup_id, &bag);
	pthread_mutex_unlock(&airbag->mutex);
	if (r)
		log_warn("no airbag: cannot raise the limit of %s: %s; growth is signalled all "
			 "the same, at the reserve",
			 limit.cgroup, strerror(-r));
	return !r;
}

void airbag_prepare_id(struct airbag *airbag, uint64_t cgroup_id)
{
	struct bag *bag;
	int r;

	pthread_mutex_lock(&airbag->mutex);
	r = prepare(airbag, cgroup_id, &bag);
	if (is_gone(r)) /* or it has no limit of its own */
		r = 0;
	if (r && !airbag->prepare_error)
		airbag->prepare_error = r;
	pthread_mutex_unlock(&airbag->mutex);
	if (r)
		airbag_wake(airbag);
}

/* --- one loan over several limits ----------------------------------------------------------- */

/* The limits between a process and the root, and a loan on them. */
struct chain {
	struct bag *bags[APO_MAX_DEPTH];
	struct lending_level levels[APO_MAX_DEPTH];
	uint64_t add[APO_MAX_DEPTH];
	size_t n;
	size_t binding; /* the one that binds */
};

/* Room below a limit and, on v1, below that of memory and swap together, as one level. */
static int read_level(const struct airbag *airbag, const struct bag *bag,
		      const struct policy *policy, struct lending_level *ret)
{
	const struct cgroup_tree *tree = airbag->lender.tree;
	const struct journal_entry *entry = &bag->loan.entry;
	struct cgroup_limits now;
	uint64_t used_bytes, both_bytes, room_bytes;
	int r = cgroup_limits_read(tree, bag->loan.dirfd, &now);

	if (!r)
		r = cgroup_usage_read(tree, bag->loan.dirfd, &used_bytes);
	if (!r)
		r = cgroup_memsw_usage_read(tree, bag->loan.dirfd, &both_bytes);
	if (r)
		return r;
	room_bytes =
		MIN(sat_sub(now.memory_bytes, used_bytes), sat_sub(now.memsw_bytes, both_bytes));
	ret->limit_bytes = loan_limit_bytes(bag_is_raised(bag) ? &entry->before : &now);
	ret->lent_bytes = bag_lent_bytes(bag);
	ret->used_bytes = sat_sub(sat_add(ret->limit_bytes, ret->lent_bytes), room_bytes);
	ret->most_bytes = bag->is_owed ? 0 : policy_lends_bytes(policy, ret->limit_bytes);
	return 0;
}

/* All limits that growth in a cgroup may meet. -ENODEV: none that can be seen. */
static int read_chain(struct airbag *airbag, const struct airbag_growth *growth,
		      const struct policy *policy, struct chain *chain)
{
	uint64_t from = growth->process_cgroup ?: growth->limit_cgroup;
	struct bag *bag;
	int r = bags_open(&airbag->bags, airbag->lender.tree, from, &bag);

	*chain = (struct chain){};
	for (; !r && bag && chain->n < APO_MAX_DEPTH; bag = bag->above) {
		struct lending_level *level = &chain->levels[chain->n];

		r = read_level(airbag, bag, policy, level);
		if (r == -ENODATA || (!r && level->limit_bytes == UINT64_MAX))
			r = 0; /* no limit there, or no memory controller */
		else if (!r)
			chain->bags[chain->n++] = bag;
	}
	if (!r && !chain->n)
		r = -ENODEV;
	return r;
}

static int raise_bag(struct airbag *airbag, struct bag *bag, const struct policy *policy,
		     uint64_t add_bytes)
{
	int r;

	if (bag->state == BAG_GOING_BACK) {
		loan_raise_again(&airbag->lender, &bag->loan);
		bags_set_state(&airbag->bags, bag, BAG_RAISED); /* though no more may come of it */
	}
	if (bag_is_raised(bag))
		r = loan_raise_further(&airbag->lender, &bag->loan, add_bytes);
	else
		r = loan_raise(&airbag->lender, &bag->loan, add_bytes);
	if (r == -EALREADY) {
		payback_keep(airbag, bag);
		bag->policy = *policy;
		airbag_wake(airbag);
	}
	if (r)
		return r;
	if (bag->state == BAG_READY) {
		bag->entered_ns = bag->most_bytes = bag->over_ns = 0;
		bag->is_for_trip = bag->was_braked = false;
		bag->deadline_ns = UINT64_MAX;
	}
	bags_set_state(&airbag->bags, bag, BAG_RAISED);
	bag->most_bytes = MAX(bag->most_bytes, bag_lent_bytes(bag));
	bag->least_ns = lending_least_ns(clock_ns(CLOCK_BOOTTIME), false);
	bag->policy = *policy;
	return 0;
}

/* What is raised already, and was all: the kernel side hears of it. */
static void note_all(const struct airbag *airbag, struct bag *bag, bool was_all)
{
	bool is_new = was_all && !bag->loan.was_all;

	bag->loan.was_all = was_all;
	if (is_new && bag_is_raised(bag))
		loan_tell(&airbag->lender, &bag->loan);
}

/*
 * Raises all limits of the chain that leave less than more_bytes beyond what there is now. Limits that
 * were raised when one failed stay so, and go back by themselves. -EALREADY: one of them is found to have
 * a loan that stands, and is taken over: the chain is to be read again.
 */
static int lend(struct airbag *airbag, const struct policy *policy, uint64_t more_bytes,
		struct chain *chain)
{
	struct bag *binding = chain->bags[chain->binding];
	uint64_t total_bytes, available_bytes, host_bytes;
	bool was_all = false;
	int r = machine_memory_read(airbag->lender.proc_fd, &total_bytes, &available_bytes);

	if (r)
		return r;
	host_bytes = lending_host_bytes(policy, lending_spare(total_bytes, available_bytes),
					airbag->most_bytes, bags_lent_bytes(&airbag->bags));
	r = lending_plan(chain->levels, chain->n, MIN(more_bytes, host_bytes),
			 airbag->lender.page_bytes, chain->add, &was_all);
	note_all(airbag, binding, r == -ENOMEM || was_all || more_bytes > host_bytes);
	for (size_t i = 0; !r && i < chain->n; i++)
		if (chain->add[i])
			r = raise_bag(airbag, chain->bags[i], policy, chain->add[i]);
	if (!r)
		airbag_wake(airbag);
	return r;
}

/* Where no more can be lent, and the signal is taken. */
static void brake(struct airbag *airbag, struct bag *bag)
{
	if (bag->state == BAG_RAISED && bag->loan.was_all && bag->entered_ns &&
	    policy_brakes(&bag->policy)) {
		loan_brake(&airbag->lender, &bag->loan);
		bag->was_braked |= loan_is_braked(&bag->loan.entry);
	}
}

/* What a loan begins with: all limits that growth may meet, among them the one that binds. */
static int begin(struct airbag *airbag, const struct airbag_growth *growth,
		 const struct policy *policy, struct chain *chain)
{
	struct bag *bag;
	int r = prepare(airbag, growth->limit_cgroup, &bag);

	if (!r)
		r = read_chain(airbag, growth, policy, chain);
	if (r)
		return r;
	for (size_t i = 0; i < chain->n; i++)
		if (chain->bags[i]->loan.cgroup_id == growth->limit_cgroup) {
			chain->binding = i;
			return chain->bags[i]->is_owed ? -EBUSY : 0;
		}
	return -ENODEV; /* the process has moved */
}

/*
 * As much as the limit that binds may have now; a trip that is over gets nothing. Who is stalled with a
 * first loan needs more room for its page cache than that.
 */
static int lend_more(struct airbag *airbag, const struct policy *policy,
		     const struct airbag_growth *growth, struct chain *chain)
{
	const struct bag *bag = chain->bags[chain->binding];
	uint64_t limit_bytes = chain->levels[chain->binding].limit_bytes;
	uint64_t rate_bytes_s = growth->rate_bytes_s;

	if (bag_is_raised(bag) && clock_ns(CLOCK_BOOTTIME) >= bag->deadline_ns)
		return 0;
	if (bag_is_raised(bag) && bag->open_trips)
		return lend(airbag, policy, lending_trip_bytes(policy, limit_bytes, rate_bytes_s),
			    chain);
	if (bag_is_raised(bag) && !growth->is_stalled)
		return 0;
	return lend(airbag, policy, lending_first_bytes(policy, limit_bytes, rate_bytes_s), chain);
}

/* Page cache takes what is lent, so that need stays clear of the limit: that does not end it at once. */
static void stand_for_stall(struct chain *chain)
{
	for (size_t i = 0; i < chain->n; i++)
		chain->bags[i]->least_ns = lending_least_ns(clock_ns(CLOCK_BOOTTIME), true);
}

/* No descriptor is left, or no room for the record of a loan here or on the kernel side: that is said. */
static void note_shortage(struct airbag *airbag, int error)
{
	if ((error == -EMFILE || error == -ENFILE || error == -ENOSPC) && !airbag->prepare_error) {
		airbag->prepare_error = error;
		airbag_wake(airbag);
	}
}

void airbag_lend(struct airbag *airbag, const struct airbag_growth *growth,
		 const struct policy *policy)
{
	const struct bag *bag;
	struct chain chain;
	bool begun;
	int r;

	pthread_mutex_lock(&airbag->mutex);
	do {
		r = begin(airbag, growth, policy, &chain);
		begun = !r;
		if (begun)
			r = lend_more(airbag, policy, growth, &chain);
	} while (r == -EALREADY);
	if (begun) {
		brake(airbag, chain.bags[chain.binding]);
		if (growth->is_stalled)
			stand_for_stall(&chain);
	}
	note_shortage(airbag, r);
	bag = bags_find(&airbag->bags, growth->limit_cgroup);
	if (r && !is_denied(airbag, r) && (!bag || !bag_is_raised(bag)))
		airbag_tell_refused(airbag, growth->limit_cgroup,
				    clock_ns(CLOCK_MONOTONIC) + REFUSED_NS);
	pthread_mutex_unlock(&airbag->mutex);
}

/* --- for a trip ---------------------------------------------------------------------------- */

/* A loan that nobody passes has no deadline; this one has. */
static void set_deadline(struct bag *bag, uint64_t deadline_ns)
{
	uint64_t *now = &bag->deadline_ns;

	*now = *now == UINT64_MAX ? deadline_ns : MAX(*now, deadline_ns);
}

static void hold_bag(struct airbag *airbag, struct bag *bag, uint64_t deadline_ns,
		     struct airbag_levels *ret)
{
	if (!bag_is_raised(bag))
		return;
	if (bag->state == BAG_GOING_BACK) {
		loan_raise_again(&airbag->lender, &bag->loan);
		bags_set_state(&airbag->bags, bag, BAG_RAISED);
	}
	bag->open_trips++;
	bag->is_for_trip = true;
	bag->is_rearmed = false;
	loan_lift_high(&airbag->lender, &bag->loan); /* it would slow the shutdown down */
	set_deadline(bag, deadline_ns);
	ret->cgroups[ret->n++] = bag->loan.cgroup_id;
}

/* What is raised stays so for the trip. */
static void hold(struct airbag *airbag, struct chain *chain, uint64_t deadline_ns,
		 struct airbag_levels *ret)
{
	for (size_t i = 0; i < chain->n; i++)
		hold_bag(airbag, chain->bags[i], deadline_ns, ret);
}

/* With the small loan there is already, what is refused on top of it is no loss. */
static int lend_for_trip(struct airbag *airbag, const struct policy *policy, uint64_t rate_bytes_s,
			 struct chain *chain)
{
	struct bag *bag = chain->bags[chain->binding];
	uint64_t limit_bytes = chain->levels[chain->binding].limit_bytes;
	uint64_t now_ns = clock_ns(CLOCK_BOOTTIME);
	int r;

	if (sat_sub(now_ns, bag->entered_ns) > OVERTAKEN_NS)
		bag->entered_ns = 0; /* for a trip that is over */
	if (!lending_allowed(airbag->debts, bag->path_hash, now_ns))
		return -EAGAIN;
	r = lend(airbag, policy, lending_trip_bytes(policy, limit_bytes, rate_bytes_s), chain);
	if (r == -ENOMEM && bag_is_raised(bag))
		r = 0;
	if (!r)
		lending_take(airbag->debts, bag->path_hash, now_ns);
	return r;
}

/* By a rule of ours, not by an error. */
static bool is_refusal(int error)
{
	return error == -ENOMEM || error == -EAGAIN || error == -EBUSY || error == -EEXIST ||
	       error == -ECANCELED;
}

void airbag_raise(struct airbag *airbag, const struct airbag_growth *growth,
		  const struct policy *policy, uint64_t grace_ns, struct airbag_result *ret)
{
	struct airbag_result result = {.outcome = INCIDENT_AIRBAG_RAISED};
	uint64_t deadline_ns = lending_deadline_ns(clock_ns(CLOCK_BOOTTIME), grace_ns);
	struct chain chain;
	int r;

	pthread_mutex_lock(&airbag->mutex);
	do {
		r = begin(airbag, growth, policy, &chain);
		if (!r)
			r = lend_for_trip(airbag, policy, growth->rate_bytes_s, &chain);
	} while (r == -EALREADY);
	if (!r) {
		struct bag *bag = chain.bags[chain.binding];

		hold(airbag, &chain, deadline_ns, &result.levels);
		result.before_bytes = loan_limit_bytes(&bag->loan.entry.before);
		result.raised_bytes = loan_limit_bytes(&bag->loan.entry.raised);
		brake(airbag, bag);
	}
	pthread_mutex_unlock(&airbag->mutex);
	if (r) {
		result.outcome = is_refusal(r) ? INCIDENT_AIRBAG_REFUSED : INCIDENT_AIRBAG_FAILED;
		result.error = r;
	} else {
		airbag_wake(airbag);
	}
	*ret = result;
}

void airbag_brake(struct airbag *airbag, uint64_t cgroup_id)
{
	struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bags_find(&airbag->bags, cgroup_id);
	if (bag) {
		bag->entered_ns = clock_ns(CLOCK_BOOTTIME);
		brake(airbag, bag);
	}
	pthread_mutex_unlock(&airbag->mutex);
}

void airbag_keep(struct airbag *airbag, uint64_t limit_cgroup, uint64_t grace_ns,
		 struct airbag_levels *ret)
{
	uint64_t deadline_ns = lending_deadline_ns(clock_ns(CLOCK_BOOTTIME), grace_ns);
	struct bag *bag;

	*ret = (struct airbag_levels){};
	pthread_mutex_lock(&airbag->mutex);
	for (bag = bags_find(&airbag->bags, limit_cgroup); bag && ret->n < APO_MAX_DEPTH;
	     bag = bag->above)
		hold_bag(airbag, bag, deadline_ns, ret);
	pthread_mutex_unlock(&airbag->mutex);
}

void airbag_release(struct airbag *airbag, const struct airbag_levels *levels)
{
	pthread_mutex_lock(&airbag->mutex);
	for (unsigned int i = 0; i < levels->n; i++) {
		struct bag *bag = bags_find(&airbag->bags, levels->cgroups[i]);

		if (bag && bag->open_trips && --bag->open_trips == 0)
			bag->deadline_ns = lending_closed_deadline_ns(bag->deadline_ns,
								      clock_ns(CLOCK_BOOTTIME));
	}
	pthread_mutex_unlock(&airbag->mutex);
	airbag_wake(airbag);
}

struct loan_facts airbag_loan_of(const struct bag *bag)
{
	const struct journal_entry *entry = &bag->loan.entry;

	return (struct loan_facts){
		.lent_bytes = bag->most_bytes,
		.lasted_ns = bag->over_ns      ? bag->lasted_ns
			     : bag->most_bytes ? sat_sub(clock_ns(CLOCK_BOOTTIME), entry->since_ns)
					       : 0,
		.over_realtime_ns = bag->over_ns,
		.is_for_trip = bag->is_for_trip,
		.was_braked = bag->was_braked,
	};
}

void airbag_forget(struct airbag *airbag, uint64_t cgroup_id)
{
	const struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bags_find(&airbag->bags, cgroup_id);
	if (!bag || !bag_is_raised(bag))
		lender_tell(&airbag->lender, cgroup_id, NULL);
	pthread_mutex_unlock(&airbag->mutex);
}

struct loan_facts airbag_loan(struct airbag *airbag, uint64_t cgroup_id)
{
	struct loan_facts loan = {};
	const struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bags_find(&airbag->bags, cgroup_id);
	if (bag)
		loan = airbag_loan_of(bag);
	pthread_mutex_unlock(&airbag->mutex);
	return loan;
}

uint64_t airbag_limit_before(struct airbag *airbag, uint64_t cgroup_id)
{
	uint64_t before_bytes = UINT64_MAX;
	const struct bag *bag;

	pthread_mutex_lock(&airbag->mutex);
	bag = bags_find(&airbag->bags, cgroup_id);
	if (bag && bag_is_raised(bag))
		before_bytes = loan_limit_bytes(&bag->loan.entry.before);
	pthread_mutex_unlock(&airbag->mutex);
	return before_bytes;
}

void airbag_on_over(struct airbag *airbag, airbag_over_fn fn, void *userdata)
{
	airbag->on_over = fn;
	airbag->userdata = userdata;
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
	airbag->lender.source = config->source;
	airbag->lender.proc_fd = config->proc_fd;
	airbag->lender.page_bytes = config->page_bytes;
	airbag->most_bytes = config->most_bytes;
	/* The responder may wait for the slow path, which then runs at its priority. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&airbag->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	airbag->wake_fd = wake_open();
	if (airbag->wake_fd < 0) {
		r = airbag->wake_fd;
		free(airbag);
		return r;
	}
	r = runtime_dir_open(config->lends, &airbag->lender.journal_fd);
	if (r)
		airbag->lender.journal_fd = r;
	payback_recover(airbag);
	*ret = airbag;
	return 0;
}

struct airbag *airbag_free(struct airbag *airbag)
{
	if (!airbag)
		return NULL;
	airbag_settle(airbag);
	bags_done(&airbag->bags);
	pthread_mutex_destroy(&airbag->mutex);
	close_fd(airbag->lender.journal_fd);
	close_fd(airbag->wake_fd);
	free(airbag);
	return NULL;
}

int airbag_wake_fd(const struct airbag *airbag)
{
	return airbag->wake_fd;
}
