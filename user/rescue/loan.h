/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loan on one limit, as files: raising the limit, slowing down what grows on it, putting it back.
 * It is in the journal before the limit is touched, and the kernel side knows of it. Which limits are
 * lent to, for whom and how long is decided in rescue/airbag.h.
 *
 * Nothing here locks. Raising and braking are for the responder: they allocate nothing and do not wait
 * for reclaim. Putting back does wait for it, and is for the slow path. Errors are -errno.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rescue/journal.h"
#include "sense/cgroup.h"
#include "source/source.h"

/* Who lends, and where. */
struct lender {
	const struct cgroup_tree *tree;
	struct source *
		source; /* the kernel side is told of each loan; NULL: there is none, nothing is lent */
	int proc_fd;	/* open /proc, kept by the caller */
	int journal_fd; /* of runtime_dir_open() */
	uint64_t page_bytes;
};

struct loan {
	uint64_t cgroup_id;
	int dirfd; /* of the cgroup; the owner of the loan closes it */
	struct journal_entry entry;
	bool was_all;	   /* there is no more to lend */
	uint64_t rearm_ns; /* see struct apo_loan */
};

/* Tells the kernel side what holds for a limit; loan NULL: nothing. 0 or -errno. */
int lender_tell(const struct lender *lender, uint64_t cgroup_id, const struct apo_loan *loan);

/*
 * Raises the limit by that. -EEXIST: another instance lends to this cgroup. -EALREADY: there is a loan that
 * stands, but not this one: what an instance that is gone has left, or what could not be undone.
 */
int loan_raise(const struct lender *lender, struct loan *loan, uint64_t add_bytes);
/* Raises a raised limit further, without a brake. -ECANCELED: somebody else has changed it. */
int loan_raise_further(const struct lender *lender, struct loan *loan, uint64_t add_bytes);
/* Tells the kernel side of a loan that was found in the journal, or that was all. */
int loan_tell(const struct lender *lender, const struct loan *loan);
/* False: somebody else has set the limit since, be it to what it was before; or it is gone. */
bool loan_is_in_force(const struct lender *lender, const struct loan *loan);
/* For a trip that comes while the limit is put back. */
void loan_raise_again(const struct lender *lender, const struct loan *loan);
/* v2: a memory.high of the owner's does not hold for as long as the loan, to its end. */
void loan_lift_high(const struct lender *lender, struct loan *loan);
/* v2: sets memory.high before the end of what is lent, unless one holds. */
void loan_brake(const struct lender *lender, struct loan *loan);
bool loan_is_braked(const struct journal_entry *entry);

/* The limit is where it was: nothing is left of the loan, in the journal or elsewhere. */
void loan_end(const struct lender *lender, const struct loan *loan);

/*
 * Puts limits back, unless somebody else has set them meanwhile: those stay, and the log says so. The
 * kernel reclaims, and on v2 kills where that is not enough. The entry in the journal is the caller's.
 */
int loan_put_back(const struct lender *lender, int dirfd, const struct journal_entry *entry);

/*
 * Where that was refused with -EBUSY: lowers the limit as far as what is used allows, and says so in the
 * journal and in the loan. Nothing happens where somebody else has changed it, or nothing is to gain.
 */
int loan_step_down(const struct lender *lender, struct loan *loan);

/* The lower of memory and memory with swap: the limit, in words. */
uint64_t loan_limit_bytes(const struct cgroup_limits *limits);
