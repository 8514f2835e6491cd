/* SPDX-License-Identifier: BSD-2-Clause */
#include "rescue/loan.h"

#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
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

/* What the host has to spare beyond its margin. */
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
	*ret = sat_sub(available_kib, total_kib / PERMYRIAD * HOST_MARGIN_PERMYRIAD) * 1024;
	return 0;
}

int loan_size(const struct options *options, int proc_fd, uint64_t limit, uint64_t rate_bytes_s,
	      uint64_t *ret, bool *ret_all)
{
	uint64_t page = sysconf(_SC_PAGESIZE), size, spare = 0;
	int r = host_spare(proc_fd, &spare);

	if (r)
		return r;
	if (options->airbag == AIRBAG_AUTO) {
		size = sat_mul(rate_bytes_s, AUTO_S);
		size = MAX(size, limit / AUTO_LEAST_PART);
		spare /= 2;
	} else {
		size = options->airbag_bytes ?: limit / PERMYRIAD * options->airbag_permyriad;
	}
	*ret = MIN(size, spare) / page * page;
	*ret_all = options->airbag == AIRBAG_FIXED || size > spare;
	return *ret ? 0 : -ENOMEM;
}

/* Its place among the debts, or that of one that is paid. */
static struct debt *debt_of(struct debt debts[LOAN_DEBTS], uint64_t path_hash)
{
	struct debt *oldest = &debts[0];

	for (size_t i = 0; i < LOAN_DEBTS; i++) {
		struct debt *debt = &debts[i];

		if (debt->path_hash == path_hash)
			return debt;
		if (debt->until_ns < oldest->until_ns)
			oldest = debt;
	}
	*oldest = (struct debt){.path_hash = path_hash};
	return oldest;
}

bool loan_allowed(struct debt debts[LOAN_DEBTS], uint64_t path_hash, uint64_t now_ns)
{
	return sat_sub(debt_of(debts, path_hash)->until_ns, now_ns) <= (LEND_AHEAD - 1) * LEND_NS;
}

void loan_taken(struct debt debts[LOAN_DEBTS], uint64_t path_hash, uint64_t now_ns)
{
	struct debt *debt = debt_of(debts, path_hash);

	debt->until_ns = MAX(debt->until_ns, now_ns) + LEND_NS;
}
