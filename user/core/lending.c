/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/lending.h"

#include <errno.h>

#include "base/util.h"

/* For a trip auto lends so much growth at its rate... */
#define AUTO_S 2
/* ...but at least this part of the limit, for rates that were only beginning. */
#define AUTO_LEAST_PART 4
/* Before a trip it is an eighth of a second of growth, between these parts of the limit. */
#define FIRST_RATE_PART 8
#define FIRST_LEAST_PART 8
#define FIRST_MOST_PART 4
/*
 * How far below the limit need is clear of it: twice the headroom at which the kernel side asks for a loan
 * where nothing grows (lend_line() in bpf/decide.bpf.h), with pages of 4 KiB and all CPUs online.
 */
#define CLEAR_BYTES (8ULL << 20)
#define STOCK_BYTES (512ULL << 10)
#define CLEAR_PART 16
#define LEAST_NS NSEC_PER_SEC
#define LEAST_STALLED_NS (10 * NSEC_PER_SEC)
/* The host keeps this part of its memory. */
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

uint64_t lending_first_bytes(const struct policy *policy, uint64_t limit_bytes,
			     uint64_t rate_bytes_s)
{
	uint64_t size = MAX(limit_bytes / FIRST_LEAST_PART, rate_bytes_s / FIRST_RATE_PART);

	size = MIN(size, limit_bytes / FIRST_MOST_PART);
	return MIN(size, policy_lends_bytes(policy, limit_bytes));
}

uint64_t lending_trip_bytes(const struct policy *policy, uint64_t limit_bytes,
			    uint64_t rate_bytes_s)
{
	if (policy->airbag == AIRBAG_FIXED)
		return policy_lends_bytes(policy, limit_bytes);
	return MAX(sat_mul(rate_bytes_s, AUTO_S), limit_bytes / AUTO_LEAST_PART);
}

uint64_t lending_host_bytes(const struct policy *policy, uint64_t spare_bytes, uint64_t most_bytes,
			    uint64_t lent_bytes)
{
	uint64_t left = sat_sub(spare_bytes, lent_bytes);

	if (policy->airbag == AIRBAG_AUTO)
		left /= 2;
	return MIN(left, sat_sub(most_bytes, lent_bytes));
}

/* Negative: more is used than the limit allows. */
static int64_t room_of(const struct lending_level *level)
{
	return sat_diff(sat_add(level->limit_bytes, level->lent_bytes), level->used_bytes);
}

static int64_t whole_pages(uint64_t bytes, uint64_t page_bytes)
{
	return (int64_t)(MIN(bytes, (uint64_t)INT64_MAX / 4) / page_bytes * page_bytes);
}

int lending_plan(const struct lending_level *levels, size_t n, uint64_t more_bytes,
		 uint64_t page_bytes, uint64_t *ret_add, bool *ret_all)
{
	int64_t now = INT64_MAX / 4, room, wanted;

	for (size_t i = 0; i < n; i++)
		now = MIN(now, room_of(&levels[i]));
	room = wanted = now + whole_pages(more_bytes, page_bytes);
	for (size_t i = 0; i < n; i++)
		room = MIN(room, room_of(&levels[i]) + whole_pages(sat_sub(levels[i].most_bytes,
									   levels[i].lent_bytes),
								   page_bytes));
	if (room - now < (int64_t)page_bytes)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int64_t short_by = room - room_of(&levels[i]);

		ret_add[i] = short_by > 0 ? ((uint64_t)short_by + page_bytes - 1) / page_bytes *
						    page_bytes
					  : 0;
	}
	*ret_all = room < wanted;
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

uint64_t lending_deadline_ns(uint64_t now_ns, uint64_t grace_ns)
{
	return sat_add(now_ns, sat_add(grace_ns ?: AIRBAG_GRACE_NS, TEARDOWN_NS));
}

uint64_t lending_closed_deadline_ns(uint64_t deadline_ns, uint64_t now_ns)
{
	return MIN(deadline_ns, now_ns + TEARDOWN_NS);
}

uint64_t lending_least_ns(uint64_t now_ns, bool is_stalled)
{
	return sat_add(now_ns, is_stalled ? LEAST_STALLED_NS : LEAST_NS);
}

bool lending_may_end(const struct lent *lent, uint64_t need_bytes, uint64_t now_ns)
{
	uint64_t part = lent->limit_bytes / CLEAR_PART;
	uint64_t clear_bytes = MIN(CLEAR_BYTES, part) + MIN(lent->cpus * STOCK_BYTES, part);

	return now_ns >= lent->deadline_ns ||
	       (now_ns >= lent->least_ns && sat_add(need_bytes, clear_bytes) < lent->limit_bytes);
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
