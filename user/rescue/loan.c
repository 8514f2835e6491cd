// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/loan.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
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

/* By how much more; on record, then in force. now: the limits as they are. */
static int raise_limits(const struct lender *lender, struct loan *loan, struct journal_entry *entry,
			const struct cgroup_limits *now, uint64_t rate_bytes_s, bool again)
{
	uint64_t size, spare;
	bool was_all;
	int r = host_spare(lender->proc_fd, &spare);

	if (!r)
		r = lending_size(&loan->policy, loan_limit_bytes(&entry->before), rate_bytes_s,
				 spare, sysconf(_SC_PAGESIZE), &size, &was_all);
	if (r)
		return r;
	entry->raised_last = entry->raised;
	entry->raised.high_bytes = entry->before.high_bytes;
	entry->raised.memory_bytes = sat_add(entry->raised_last.memory_bytes, size);
	entry->raised.memsw_bytes = sat_add(entry->raised_last.memsw_bytes, size);
	r = journal_write(lender->journal_fd, entry, again);
	if (r)
		return r;
	r = cgroup_limits_write(lender->tree, loan->dirfd, &entry->raised);
	if (r) { /* v1 has two, and may have taken one */
		cgroup_limits_write(lender->tree, loan->dirfd, now);
		if (!again)
			journal_remove(lender->journal_fd, loan->cgroup_id);
		return r;
	}
	loan->entry = *entry;
	loan->was_all = was_all;
	return 0;
}

int loan_raise(const struct lender *lender, struct loan *loan, const struct policy *policy,
	       uint64_t deadline_ns, uint64_t rate_bytes_s)
{
	struct journal_entry entry = {
		.cgroup_id = loan->cgroup_id,
		.deadline_ns = deadline_ns,
		.owner = getpid(),
		.owner_start_ticks = lender->start_ticks,
	};
	int r = cgroup_limits_read(lender->tree, loan->dirfd, &entry.before);

	if (r)
		return r;
	entry.raised = entry.before;
	loan->policy = *policy;
	return raise_limits(lender, loan, &entry, &entry.before, rate_bytes_s, false);
}

int loan_raise_further(const struct lender *lender, struct loan *loan, uint64_t rate_bytes_s)
{
	struct journal_entry entry = loan->entry;
	struct cgroup_limits now;
	int r = cgroup_limits_read(lender->tree, loan->dirfd, &now);

	if (!r && !are_ours(&entry, &now))
		r = -EBUSY;
	return r ?: raise_limits(lender, loan, &entry, &now, rate_bytes_s, true);
}

void loan_raise_again(const struct lender *lender, const struct loan *loan)
{
	struct cgroup_limits now;

	if (!cgroup_limits_read(lender->tree, loan->dirfd, &now) && are_ours(&loan->entry, &now))
		cgroup_limits_write(lender->tree, loan->dirfd, &loan->entry.raised);
}

void loan_brake(const struct lender *lender, struct loan *loan)
{
	struct journal_entry entry = loan->entry;
	struct cgroup_limits now;
	uint64_t usage_bytes;

	if (entry.raised.high_bytes != UINT64_MAX ||
	    cgroup_limits_read(lender->tree, loan->dirfd, &now) || !are_ours(&entry, &now) ||
	    cgroup_usage_read(lender->tree, loan->dirfd, &usage_bytes))
		return;
	entry.raised_last = entry.raised;
	entry.raised.high_bytes = lending_brake_bytes(entry.raised.memory_bytes,
						      MAX(usage_bytes, entry.before.memory_bytes),
						      sysconf(_SC_PAGESIZE));
	if (!journal_write(lender->journal_fd, &entry, true) &&
	    !cgroup_limits_write(lender->tree, loan->dirfd, &entry.raised))
		loan->entry = entry;
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
	uint64_t used_bytes, page_bytes = sysconf(_SC_PAGESIZE), by_bytes;
	struct cgroup_limits now;
	int r = cgroup_limits_read(lender->tree, loan->dirfd, &now);

	if (!r && !are_ours(&entry, &now))
		r = -EBUSY;
	if (!r)
		r = cgroup_usage_read(lender->tree, loan->dirfd, &used_bytes);
	if (r)
		return r;
	by_bytes = now.memory_bytes - lending_step_bytes(entry.before.memory_bytes,
							 now.memory_bytes, used_bytes, page_bytes);
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
	loan->entry = entry; /* is_ours() knows either value */
	return cgroup_limits_write(lender->tree, loan->dirfd, &entry.raised);
}
