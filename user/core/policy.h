/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy: what to do for the processes of a guard. It is built once, from option rows
 * (core/option_table.h) of a command line, and is the only source of that: the kernel
 * side gets its part by policy_kernel(), the responder and the incidents find it by the id that a
 * record carries (core/policy_set.h). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apoptosis/abi.h"

/*
 * The reserve is for the shutdown, whose needs do not grow with the limit: cooperative programs
 * need 1 MiB to a few tens, as measured by `make bench`.
 */
#define RESERVE_MAX_DEFAULT_BYTES (64ULL * 1024 * 1024)

#define PERMYRIAD 10000 /* 100 %, in the 1/10000 in which percents are kept */

/* The warn level where only those who watch memory want one: a fifth is left to grow while caches are dropped. */
#define PRESSURE_PERMYRIAD 8000

/* The grace with a loan unless one is given: the limit must not stay raised for ever. */
#define AIRBAG_GRACE_NS (10ULL * 1000 * 1000 * 1000)

/* How far a limit is raised. */
enum airbag_mode {
	AIRBAG_OFF = 0,
	AIRBAG_AUTO, /* by the growth rate, up to the most */
	AIRBAG_FIXED,
};

struct policy {
	/* Lines and loans: of the policy of the limit that binds. */
	uint64_t reserve_bytes;	    /* 0 = use reserve_permyriad */
	uint32_t reserve_permyriad; /* 1/10000 of the limit; 0 = use reserve_bytes */
	uint64_t reserve_max_bytes; /* cap of the permyriad; 0 = none */
	uint64_t forecast_ns;	    /* 0 = off */
	uint32_t warn_permyriad;    /* 0 = off */
	bool warn_is_default;	    /* nobody asked for it: may come after the line */
	enum airbag_mode airbag;
	uint64_t airbag_bytes;	   /* AIRBAG_FIXED: 0 = use airbag_permyriad */
	uint32_t airbag_permyriad; /* of the limit */
	uint64_t airbag_max_bytes; /* AIRBAG_AUTO, the most: 0 = use airbag_max_permyriad */
	uint32_t airbag_max_permyriad;
	bool brake; /* asked for; see policy_brakes() */

	/* Signals: of the policy of the process. */
	int signal;
	bool signal_given; /* by the operator: sent also where only SIGINT has a handler */
	int warn_signal;   /* 0 = only the event, or what the profile says */
	bool warn_by_profile;
	enum apo_target target;
	bool only_grower;  /* target grower: and if no signal makes sense for it, nobody else */
	uint64_t grace_ns; /* 0 = off */
	uint64_t cooldown_ns;
	bool dry_run; /* nothing is signalled or lent */
};

/* Whether limits are raised where they can be: then nobody is signalled before. */
bool policy_lends(const struct policy *policy);
/* By how much that limit may be raised in all. */
uint64_t policy_lends_bytes(const struct policy *policy, uint64_t limit_bytes);
/* Whether growth on lent memory is slowed down. */
bool policy_brakes(const struct policy *policy);

/* The reserve below that limit, in whole pages as the kernel side counts it. */
uint64_t policy_reserve_bytes(const struct policy *policy, uint64_t limit_bytes,
			      uint64_t page_bytes);

/*
 * Checks the rules that need no limit (many_limits: the policy will hold for limits of any size).
 * 0; -EINVAL with one line that names the bad value and the remedy in *ret_error (freed by the
 * caller); -ENOMEM.
 */
int policy_check(const struct policy *policy, bool many_limits, char **ret_error);
/*
 * Checks the rules that need the limit in bytes: the reserve must be below it and the warn level
 * must come before the line. Returns as policy_check().
 */
int policy_check_limit(const struct policy *policy, uint64_t limit_bytes, char **ret_error);

/* The kernel side's part. page_bytes: size of a page, a power of two. */
void policy_kernel(const struct policy *policy, uint64_t page_bytes, struct apo_policy *ret);

/* "grower", "leader", "all". Never NULL. */
const char *target_name(enum apo_target target);
