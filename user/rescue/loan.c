// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/loan.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "core/lending.h"
#include "sense/cgroup_memory.h"

uint64_t loan_limit_bytes(const struct cgroup_limits *limits)
{
	return MIN(limits->memory_bytes, limits->memsw_bytes);
}

static bool are_ours(const struct journal_entry *entry, const struct cgroup_limits *now)
{
	struct cgroup_limits taken = *now;

	return journal_take_back(entry, &taken);
}

/*
 * The loan and the limits as they are. A memory.high that somebody else has set meanwhile is what it goes
 * back to, and no end of the loan. -ECANCELED: somebody else has changed the limit.
 */
static int read_loan(const struct lender *lender, const struct loan *loan,
		     struct journal_entry *entry, struct cgroup_limits *now)
{
	int r = cgroup_limits_read(lender->tree, loan->dirfd, now);

	*entry = loan->entry;
	if (!r && now->high_bytes != entry->before.high_bytes &&
	    now->high_bytes != entry->raised.high_bytes &&
	    now->high_bytes != entry->raised_last.high_bytes)
		entry->before.high_bytes = entry->raised.high_bytes = now->high_bytes;
	return r ?: are_ours(entry, now) ? 0 : -ECANCELED;
}

int lender_tell(const struct lender *lender, uint64_t cgroup_id, const struct apo_loan *loan)
{
	return lender->source ? source_set_loan(lender->source, cgroup_id, loan) : 0;
}

static uint64_t pages_of(const struct lender *lender, uint64_t bytes)
{
	return bytes == UINT64_MAX ? APO_UNLIMITED : bytes / lender->page_bytes;
}

/* Before the limit is touched: what the kernel side says is about the limit without the loan. */
static int tell_kernel(const struct lender *lender, const struct loan *loan,
		       const struct journal_entry *entry)
{
	const struct apo_loan told = {
		.limit_pages = pages_of(lender, entry->before.memory_bytes),
		.raised_pages = pages_of(lender, MAX(entry->raised.memory_bytes,
						     entry->raised_last.memory_bytes)),
		.both_pages = pages_of(lender, entry->before.memsw_bytes),
		.both_raised_pages = pages_of(lender, MAX(entry->raised.memsw_bytes,
							  entry->raised_last.memsw_bytes)),
		.rearm_ns = loan->rearm_ns,
		.was_all = loan->was_all,
	};

	return lender_tell(lender, entry->cgroup_id, &told);
}

int loan_tell(const struct lender *lender, const struct loan *loan)
{
	return tell_kernel(lender, loan, &loan->entry);
}

/* memory.high is that of the owner, or lifted, or it is the brake. */
bool loan_is_braked(const struct journal_entry *entry)
{
	return entry->raised.high_bytes != UINT64_MAX &&
	       entry->raised.high_bytes != entry->before.high_bytes;
}

/* As it is on record, from what there is. -ECANCELED: somebody else has changed the limit. */
static int put_in_force(const struct lender *lender, int dirfd, const struct journal_entry *entry)
{
	struct cgroup_limits now;
	int r;

	do {
		r = cgroup_limits_read(lender->tree, dirfd, &now);
		if (!r)
			r = are_ours(entry, &now) ? cgroup_limits_change(lender->tree, dirfd, &now,
									 &entry->raised)
						  : -ECANCELED;
	} while (r == -EAGAIN);
	return r;
}

/* *ret_ours: nobody else has set any. */
static int take_back(const struct lender *lender, int dirfd, const struct journal_entry *entry,
		     bool *ret_ours)
{
	struct cgroup_limits now, to;
	int r;

	do {
		r = cgroup_limits_read(lender->tree, dirfd, &now);
		to = now;
		if (!r) {
			*ret_ours = journal_take_back(entry, &to);
			r = cgroup_limits_change(lender->tree, dirfd, &now, &to);
		}
	} while (r == -EAGAIN);
	return r;
}

/* What was raised of a loan that failed goes back. What cannot stands, and is on record. */
static int undo(const struct lender *lender, const struct loan *loan,
		const struct journal_entry *entry, const struct cgroup_limits *now)
{
	struct journal_entry back = *entry;
	bool ours;

	back.before = *now;
	return take_back(lender, loan->dirfd, &back, &ours);
}

/* On record, told, then in force. entry: the loan so far; now: the limits as they are. */
static int raise_limits(const struct lender *lender, struct loan *loan, struct journal_entry *entry,
			const struct cgroup_limits *now, uint64_t add_bytes, bool again)
{
	int r;

	entry->raised_last = *now;
	if (loan_is_braked(entry))
		entry->raised.high_bytes = UINT64_MAX;
	entry->raised.memory_bytes = sat_add(entry->raised.memory_bytes, add_bytes);
	entry->raised.memsw_bytes = sat_add(entry->raised.memsw_bytes, add_bytes);
	r = journal_write(lender->journal_fd, loan->dirfd, entry);
	if (!r) {
		loan->entry = *entry; /* is_ours() knows what there is, and what there will be */
		r = tell_kernel(lender, loan, entry) ?: put_in_force(lender, loan->dirfd, entry);
		/* v1 has two, and may have taken one. */
		if (r && lending_end(undo(lender, loan, entry, now), false) == LENDING_REFUSED)
			return again ? r : -EALREADY;
	}
	if (r && !again)
		loan_end(lender, loan);
	return r;
}

/* Of a limit that is claimed, and of which nothing is on record. */
static int raise_first(const struct lender *lender, struct loan *loan, uint64_t add_bytes)
{
	struct journal_entry entry = {
		.cgroup_id = loan->cgroup_id,
		.since_ns = clock_ns(CLOCK_BOOTTIME),
		.owner = getpid(),
	};
	struct cgroup_limits now;
	int r = cgroup_limits_read(lender->tree, loan->dirfd, &now);

	if (r)
		return r;
	entry.before = entry.raised = now;
	return raise_limits(lender, loan, &entry, &now, add_bytes, false);
}

int loan_raise(const struct lender *lender, struct loan *loan, uint64_t add_bytes)
{
	struct journal_entry left;
	int r = journal_claim(loan->dirfd);

	if (r)
		return r;
	r = journal_read(lender->journal_fd, loan->dirfd, loan->cgroup_id, &left);
	if (!r) {
		loan->entry = left;
		loan_tell(lender, loan);
		return -EALREADY;
	}
	if (r == -ENOENT)
		r = raise_first(lender, loan, add_bytes);
	else if (r == -EINVAL)
		r = -EEXIST; /* of another version */
	if (r && r != -EALREADY)
		journal_disclaim(loan->dirfd);
	return r;
}

void loan_end(const struct lender *lender, const struct loan *loan)
{
	lender_tell(lender, loan->cgroup_id, NULL);
	journal_remove(lender->journal_fd, loan->dirfd, loan->cgroup_id);
	journal_disclaim(loan->dirfd);
}

int loan_raise_further(const struct lender *lender, struct loan *loan, uint64_t add_bytes)
{
	struct journal_entry entry;
	struct cgroup_limits now;
	int r = read_loan(lender, loan, &entry, &now);

	return r ?: raise_limits(lender, loan, &entry, &now, add_bytes, true);
}

bool loan_is_in_force(const struct lender *lender, const struct loan *loan)
{
	struct journal_entry entry;
	struct cgroup_limits now;

	return !read_loan(lender, loan, &entry, &now) &&
	       loan_limit_bytes(&now) > loan_limit_bytes(&entry.before);
}

void loan_raise_again(const struct lender *lender, const struct loan *loan)
{
	struct journal_entry entry;
	struct cgroup_limits now;

	if (!read_loan(lender, loan, &entry, &now))
		put_in_force(lender, loan->dirfd, &entry);
}

/* On record, then in force. now: the limits as they are. */
static void write_high(const struct lender *lender, struct loan *loan, struct journal_entry *entry,
		       const struct cgroup_limits *now, uint64_t high_bytes)
{
	struct cgroup_limits to = *now;

	entry->raised_last = *now;
	to.high_bytes = entry->raised.high_bytes = high_bytes;
	if (!journal_write(lender->journal_fd, loan->dirfd, entry) &&
	    !cgroup_limits_change(lender->tree, loan->dirfd, now, &to))
		loan->entry = *entry;
}

void loan_lift_high(const struct lender *lender, struct loan *loan)
{
	struct journal_entry entry;
	struct cgroup_limits now;

	if (cgroup_tree_version(lender->tree) == 2 && !read_loan(lender, loan, &entry, &now) &&
	    entry.raised.high_bytes != UINT64_MAX && !loan_is_braked(&entry))
		write_high(lender, loan, &entry, &now, UINT64_MAX);
}

void loan_brake(const struct lender *lender, struct loan *loan)
{
	struct journal_entry entry;
	struct cgroup_limits now;
	uint64_t usage_bytes;

	if (cgroup_tree_version(lender->tree) == 1 || read_loan(lender, loan, &entry, &now) ||
	    entry.raised.high_bytes != UINT64_MAX ||
	    cgroup_usage_read(lender->tree, loan->dirfd, &usage_bytes))
		return;
	write_high(lender, loan, &entry, &now,
		   lending_brake_bytes(entry.raised.memory_bytes,
				       MAX(usage_bytes, entry.before.memory_bytes),
				       lender->page_bytes));
}

int loan_put_back(const struct lender *lender, int dirfd, const struct journal_entry *entry)
{
	bool ours = true;
	int r = take_back(lender, dirfd, entry, &ours);

	if (!ours)
		log_info("a limit of cgroup %" PRIu64 " was changed by somebody else while it was "
			 "raised, and stays as it is",
			 entry->cgroup_id);
	return r;
}

int loan_step_down(const struct lender *lender, struct loan *loan)
{
	struct journal_entry entry = loan->entry;
	uint64_t used_bytes, by_bytes;
	struct cgroup_limits now;
	int r = cgroup_limits_read(lender->tree, loan->dirfd, &now);

	if (!r && !are_ours(&entry, &now))
		r = -EBUSY;
	if (!r)
		r = cgroup_usage_read(lender->tree, loan->dirfd, &used_bytes);
	if (r)
		return r;
	by_bytes = now.memory_bytes - lending_step_bytes(entry.before.memory_bytes,
							 now.memory_bytes, used_bytes,
							 lender->page_bytes);
	if (!by_bytes)
		return 0;
	entry.raised_last = now;
	entry.raised = now;
	entry.raised.memory_bytes -= by_bytes;
	if (now.memsw_bytes != UINT64_MAX) /* memory with swap stays as far above */
		entry.raised.memsw_bytes =
			MAX(sat_sub(now.memsw_bytes, by_bytes), entry.before.memsw_bytes);
	r = journal_write(lender->journal_fd, loan->dirfd, &entry);
	if (r)
		return r;
	loan->entry = entry; /* is_ours() knows either value */
	return cgroup_limits_change(lender->tree, loan->dirfd, &now, &entry.raised);
}
