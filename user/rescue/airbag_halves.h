/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two halves of the airbag share: raising limits (airbag.c) and putting them back (payback.c).
 */
#pragma once

#include <pthread.h>

#include "core/lending.h"
#include "rescue/airbag.h"
#include "rescue/bags.h"

struct airbag {
	struct lender lender;  /* its journal_fd may be -errno */
	uint64_t most_bytes;   /* of all loans */
	pthread_mutex_t mutex; /* of all below */
	struct bags bags;
	struct debt debts[LENDING_DEBTS];
	airbag_over_fn on_over; /* the keeper's own, as all below */
	void *userdata;
	int prepare_error; /* the first; the keeper warns of it */
	bool prepare_warned;
	int wake_fd; /* eventfd */
};

/* Its last loan. */
struct loan_facts airbag_loan_of(const struct bag *bag);

/* Has airbag_check() called. */
void airbag_wake(const struct airbag *airbag);
/* Until then (CLOCK_MONOTONIC) the kernel side does not ask, and trips before the limit as it is. */
void airbag_tell_refused(struct airbag *airbag, uint64_t cgroup_id, uint64_t until_ns);

/* A loan that is found to stand, and is ours now, has the time of a trip. */
void payback_keep(struct airbag *airbag, struct bag *bag);
/* Puts back what an earlier instance left, or one with another runtime directory. */
void payback_recover(struct airbag *airbag);
