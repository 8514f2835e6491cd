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

	return source_set_loan(lender->source, entry->cgroup_id, &told);
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

/* On record, told, then in force. now: the limits as they are. */
static int raise_limits(const struct lender *lender, struct loan *loan, struct journal_entry *entry,
			const struct cgroup_limits *now, uint64_t add_bytes, bool again)
{
	int r;

	entry->raised_last = entry->raised;
	if (loan_is_braked(entry))
		entry->raised.high_bytes = UINT64_MAX;
	entry->raised.memory_bytes = sat_add(entry->raised_last.memory_bytes, add_bytes);
	entry->raised.memsw_bytes = sat_add(entry->raised_last.memsw_bytes, add_bytes);
	r = journal_write(lender->journal_fd, entry, again);
	if (r)
		return r;
	journal_mark(loan->dirfd, entry);
	r = tell_kernel(lender, loan, entry);
	if (!r)
		r = cgroup_limits_write(lender->tree, loan->dirfd, &entry->raised);
	if (r) { /* v1 has two, and may have taken one */
		cgroup_limits_write(lender->tree, loan->dirfd, now);
		if (!again)
			loan_end(lender, loan);
		return r;
	}
	loan->entry = *entry;
	return 0;
}

int loan_raise(const struct lender *lender, struct loan *loan, uint64_t add_bytes)
{
	struct journal_entry entry = {
		.cgroup_id = loan->cgroup_id,
		.since_ns = clock_ns(CLOCK_BOOTTIME),
		.owner = getpid(),
		.owner_start_ticks = lender->start_ticks,
	};
	struct cgroup_limits now;
	struct journal_entry left;
	int r = journal_claim(loan->dirfd);

	if (r)
		return r;
	r = cgroup_limits_read(lender->tree, loan->dirfd, &now);
	if (!r) {
		entry.before = entry.raised = now;
		/* An instance was killed that had raised it: the limit is the one before that. */
		if (!journal_marked(loan->dirfd, &left))
			journal_take_back(&left, &entry.before);
		r = raise_limits(lender, loan, &entry, &now, add_bytes, false);
	}
	if (r)
		journal_disclaim(loan->dirfd);
	return r;
}

void loan_end(const struct lender *lender, const struct loan *loan)
{
	source_set_loan(lender->source, loan->cgroup_id, NULL);
	journal_remove(lender->journal_fd, loan->cgroup_id);
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
		cgroup_limits_write(lender->tree, loan->dirfd, &entry.raised);
}

/* On record, then in force. */
static void write_high(const struct lender *lender, struct loan *loan, struct journal_entry *entry,
		       uint64_t high_bytes)
{
	entry->raised_last = entry->raised;
	entry->raised.high_bytes = high_bytes;
	if (journal_write(lender->journal_fd, entry, true))
		return;
	journal_mark(loan->dirfd, entry);
	if (!cgroup_limits_write(lender->tree, loan->dirfd, &entry->raised))
		loan->entry = *entry;
}

void loan_lift_high(const struct lender *lender, struct loan *loan)
{
	struct journal_entry entry;
	struct cgroup_limits now;

	if (cgroup_tree_version(lender->tree) == 2 && !read_loan(lender, loan, &entry, &now) &&
	    entry.raised.high_bytes != UINT64_MAX && !loan_is_braked(&entry))
		write_high(lender, loan, &entry, UINT64_MAX);
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
	write_high(lender, loan, &entry,
		   lending_brake_bytes(entry.raised.memory_bytes,
				       MAX(usage_bytes, entry.before.memory_bytes),
				       lender->page_bytes));
}

int loan_put_back(const struct lender *lender, int dirfd, const struct journal_entry *entry)
{
	struct cgroup_limits now;
	int r = cgroup_limits_read(lender->tree, dirfd, &now);

	if (r)
		return r;
	if (!journal_take_back(entry, &now))
		log_info("a limit of cgroup %" PRIu64 " was changed by somebody else while it was "
			 "raised, and stays as it is",
			 entry->cgroup_id);
	return cgroup_limits_write(lender->tree, dirfd, &now);
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
	r = journal_write(lender->journal_fd, &entry, true);
	if (r)
		return r;
	journal_mark(loan->dirfd, &entry);
	loan->entry = entry; /* is_ours() knows either value */
	return cgroup_limits_write(lender->tree, loan->dirfd, &entry.raised);
}
