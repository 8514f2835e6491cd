/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/lending.h"

#include <errno.h>

#include "base/util.h"

/* An airbag of size auto holds so much growth at the rate of the trip... */
#define AUTO_S 2
/* ...but at least this part of the limit, for rates that were only beginning. */
#define AUTO_LEAST_PART 4
/* The host keeps this part of its memory; of what it has beyond, auto takes half at most. */
#define HOST_MARGIN_PERMYRIAD 625
/* Each airbag of a cgroup costs this time, of which no more than so many may be owed. */
#define LEND_NS (60 * NSEC_PER_SEC)
#define LEND_AHEAD 3
/* How long an ended process may take to give its memory back, and the end of the grace. */
#define TEARDOWN_NS (2 * NSEC_PER_SEC)
/* The brake takes hold in this part of the raised limit, and in half of what is left at most. */
#define BRAKE_PART 8

/* A limit that is stepped down stays so much above what is used, and goes by so much at least. */
#define STEP_ABOVE_BYTES (1ULL << 20)
#define STEP_LEAST_BYTES (1ULL << 20)

uint64_t lending_spare(uint64_t total_bytes, uint64_t available_bytes)
{
	return sat_sub(available_bytes, total_bytes / PERMYRIAD * HOST_MARGIN_PERMYRIAD);
}

int lending_size(const struct policy *policy, uint64_t limit_bytes, uint64_t rate_bytes_s,
		 uint64_t spare_bytes, uint64_t page_bytes, uint64_t *ret, bool *ret_all)
{
	uint64_t size, spare = spare_bytes, given;

	if (policy->airbag == AIRBAG_AUTO) {
		size = sat_mul(rate_bytes_s, AUTO_S);
		size = MAX(size, limit_bytes / AUTO_LEAST_PART);
		spare /= 2;
	} else {
		size = policy->airbag_bytes ?: limit_bytes / PERMYRIAD * policy->airbag_permyriad;
	}
	given = MIN(size, spare) / page_bytes * page_bytes;
	if (!given)
		return -ENOMEM;
	*ret = given;
	*ret_all = policy->airbag == AIRBAG_FIXED || size > spare;
	return 0;
}

/* Its place among the debts, or that of one that is paid. */
static struct debt *debt_of(struct debt debts[LENDING_DEBTS], uint64_t path_hash)
{
	struct debt *oldest = &debts[0];

	for (size_t i = 0; i < LENDING_DEBTS; i++) {
		struct debt *debt = &debts[i];

		if (debt->path_hash == path_hash)
			return debt;
		if (debt->until_ns < oldest->until_ns)
			oldest = debt;
	}
	*oldest = (struct debt){.path_hash = path_hash};
	return oldest;
}

bool lending_allowed(struct debt debts[LENDING_DEBTS], uint64_t path_hash, uint64_t now_ns)
{
	return sat_sub(debt_of(debts, path_hash)->until_ns, now_ns) <= (LEND_AHEAD - 1) * LEND_NS;
}

void lending_take(struct debt debts[LENDING_DEBTS], uint64_t path_hash, uint64_t now_ns)
{
	struct debt *debt = debt_of(debts, path_hash);

	debt->until_ns = MAX(debt->until_ns, now_ns) + LEND_NS;
}

uint64_t lending_brake_bytes(uint64_t raised_bytes, uint64_t used_bytes, uint64_t page_bytes)
{
	uint64_t left = sat_sub(raised_bytes, used_bytes);

	return (raised_bytes - MIN(left / 2, raised_bytes / BRAKE_PART)) / page_bytes * page_bytes;
}

/* A policy that lends has a grace, unless it was made by hand. */
uint64_t lending_deadline_ns(uint64_t now_ns, uint64_t grace_ns)
{
	return sat_add(now_ns, sat_add(grace_ns ?: AIRBAG_GRACE_NS, TEARDOWN_NS));
}

uint64_t lending_closed_deadline_ns(uint64_t deadline_ns, uint64_t now_ns)
{
	return MIN(deadline_ns, now_ns + TEARDOWN_NS);
}

bool lending_may_end(const struct lent *lent, uint64_t need_bytes, uint64_t now_ns)
{
	/* Usage moves up and down by what each CPU has in stock: need at the line may seem below it. */
	uint64_t reserve_bytes = lent->open_trips ? 2 * lent->reserve_bytes : 0;

	return now_ns >= lent->deadline_ns ||
	       sat_add(need_bytes, reserve_bytes) < lent->limit_bytes;
}

uint64_t lending_step_bytes(uint64_t before_bytes, uint64_t now_bytes, uint64_t used_bytes,
			    uint64_t page_bytes)
{
	uint64_t to = MAX(before_bytes, sat_add(used_bytes, STEP_ABOVE_BYTES));

	return sat_add(to, STEP_LEAST_BYTES) <= now_bytes ? to / page_bytes * page_bytes
							  : now_bytes;
}

enum lending_end lending_end(int error, bool wanted_again)
{
	if (wanted_again)
		return LENDING_RENEWED;
	switch (error) {
	case 0:
	case -ENOENT:
	case -ENODEV:
	case -ESTALE:
		return LENDING_ENDED;
	default:
		return LENDING_REFUSED;
	}
}
