// SPDX-License-Identifier: BSD-2-Clause
#include "engine/gaps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "core/room.h"

#define AGAIN_MS 1000
#define IN_USE_NS (NSEC_PER_SEC / 10)	/* checked so short a time ago */
#define FOLLOWED_NS (60 * NSEC_PER_SEC) /* who is signalled has ended by then */

struct gaps {
	struct gaps_config config;
	bool told[GAP_KINDS], told_of_turns;
	uv_timer_t timer; /* runs while limits wait for an account */
};

/* --- telling ------------------------------------------------------------------------------- */

static char *path_of(const struct gaps *gaps, uint64_t cgroup_id)
{
	char *path = NULL;

	return cgroup_path_of_id(gaps->config.tree, cgroup_id, &path) ? NULL : path;
}

/* Once for each kind: where there is one gap there may be thousands. */
static void tell(struct gaps *gaps, const struct apo_gap_key *key)
{
	_cleanup_free_ char *path = NULL;

	if (gaps->told[key->kind])
		return;
	gaps->told[key->kind] = true;
	path = path_of(gaps, key->cgroup_id);
	log_warn("cgroup %s %s; to do: %s. This is said once, the status (SIGUSR1) lists where it "
		 "is so",
		 path ? path : "(removed)", gap_words(key->kind), gap_remedy(key->kind));
}

/* --- making room for accounts -------------------------------------------------------------- */

/* The accounts there are, as room_make() wants them. */
static int read_accounts(const struct gaps *gaps, struct room_account **ret, size_t *ret_n)
{
	_cleanup_free_ struct apo_limit_key *keys = NULL;
	_cleanup_free_ struct apo_limit *limits = NULL;
	struct source *source = gaps->config.source;
	struct room_account *accounts;
	size_t n;
	int r = source_limits(source, &keys, &limits, &n);

	if (r)
		return r;
	accounts = calloc(n + 1, sizeof(*accounts));
	if (!accounts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		accounts[i] = (struct room_account){
			.key = keys[i],
			.account = limits[i],
			.is_lent = source_lent_pages(source, keys[i].cgroup_id) > 0,
		};
	*ret = accounts;
	*ret_n = n;
	return 0;
}

/* Once: none is idle, so that those that go come back at once. */
static void tell_of_turns(struct gaps *gaps)
{
	if (gaps->told_of_turns)
		return;
	gaps->told_of_turns = true;
	log_warn("more limits are in use at a time than the %u that there is room for: their "
		 "accounts take turns, and what they have counted is lost; to do: a larger "
		 "--accounts",
		 source_limits_room(gaps->config.source));
}

static size_t make_room(struct gaps *gaps)
{
	_cleanup_free_ struct room_account *accounts = NULL;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	size_t n, gone;
	int r = read_accounts(gaps, &accounts, &n);

	if (r) {
		log_warn("cannot read the accounts: %s, ignoring", strerror(-r));
		return 0;
	}
	gone = room_make(accounts, n, source_limits_room(gaps->config.source), now_ns);
	for (size_t i = 0; i < gone; i++) {
		source_drop_limit(gaps->config.source, &accounts[i].key);
		airbag_forget(gaps->config.airbag, accounts[i].key.cgroup_id);
	}
	if (gone && sat_sub(now_ns, accounts[0].account.last_ns) < IN_USE_NS)
		tell_of_turns(gaps);
	log_debug("made room for %zu accounts of limits, of %zu", gone, n);
	return gone;
}

static bool has_account(const struct room_account *accounts, size_t n, uint64_t cgroup_id)
{
	for (size_t i = 0; i < n; i++)
		if (accounts[i].key.cgroup_id == cgroup_id)
			return true;
	return false;
}

/* What the kernel side has found and is not over. Allocated; what is over is forgotten. */
static int read_found(const struct gaps *gaps, struct apo_gap_key **ret, size_t *ret_n)
{
	_cleanup_free_ struct room_account *accounts = NULL;
	_cleanup_free_ struct apo_gap_key *keys = NULL;
	_cleanup_free_ uint64_t *found_ns = NULL;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	size_t n, kept = 0, count;
	int r = source_gaps(gaps->config.source, &keys, &found_ns, &n);

	if (!r)
		r = read_accounts(gaps, &accounts, &count);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		uint32_t kind = keys[i].kind;

		if (kind < APO_GAPS &&
		    !(kind == APO_GAP_LIMIT && has_account(accounts, count, keys[i].cgroup_id)) &&
		    !(kind == APO_GAP_TARGET && sat_sub(now_ns, found_ns[i]) > FOLLOWED_NS))
			keys[kept++] = keys[i];
		else
			source_drop_gap(gaps->config.source, &keys[i]);
	}
	*ret = TAKE_PTR(keys);
	*ret_n = kept;
	return 0;
}

/*
 * Has idle accounts go, if limits wait for one. Then the kernel side forgets that they wait: whoever finds no
 * room all the same is told of anew. Else it is tried again.
 */
static void look_for_room(struct gaps *gaps)
{
	_cleanup_free_ struct apo_gap_key *keys = NULL;
	const struct apo_gap_key *waiting = NULL;
	bool made = false;
	size_t n = 0;

	if (read_found(gaps, &keys, &n))
		n = 0; /* the timer comes again */
	for (size_t i = 0; i < n; i++)
		if (keys[i].kind == APO_GAP_LIMIT)
			waiting = &keys[i];
	if (waiting)
		made = make_room(gaps) > 0;
	for (size_t i = 0; made && i < n; i++)
		if (keys[i].kind == APO_GAP_LIMIT)
			source_drop_gap(gaps->config.source, &keys[i]);
	if (waiting && !made)
		tell(gaps, waiting);
	if (!waiting || made)
		uv_timer_stop(&gaps->timer);
}

static void on_timer(uv_timer_t *timer)
{
	look_for_room(timer->data);
}

void gaps_on_found(struct gaps *gaps, const struct apo_gap_key *key)
{
	if (key->kind >= APO_GAPS)
		return;
	if (key->kind != APO_GAP_LIMIT) {
		tell(gaps, key);
		return;
	}
	uv_timer_start(&gaps->timer, on_timer, AGAIN_MS, AGAIN_MS);
	look_for_room(gaps);
}

/* --- the status ---------------------------------------------------------------------------- */

static void add(struct status *status, uint32_t kind, char *path, uint64_t cgroup_id)
{
	status->gaps[status->gap_count++] =
		(struct gap){.kind = kind, .cgroup = path, .cgroup_id = cgroup_id};
}

int gaps_read(struct gaps *gaps, struct status *status)
{
	const struct guards *guards = gaps->config.guards;
	_cleanup_free_ struct apo_gap_key *keys = NULL;
	size_t guard_count = policy_set_count(guards_policies(guards)), n;
	int r = read_found(gaps, &keys, &n);

	if (r)
		return r;
	status->gaps = calloc(guard_count + n + 1, sizeof(*status->gaps));
	if (!status->gaps)
		return -ENOMEM;
	for (uint32_t id = 0; id < guard_count; id++)
		if (guards_is_gone(guards, id))
			add(status, GAP_GONE, strdup(guards_cgroup(guards, id)), 0);
	for (size_t i = 0; i < n; i++)
		add(status, keys[i].kind, path_of(gaps, keys[i].cgroup_id), keys[i].cgroup_id);
	return 0;
}

void gaps_clear(struct status *status)
{
	for (size_t i = 0; i < status->gap_count; i++)
		free(status->gaps[i].cgroup);
	free(status->gaps);
	status->gaps = NULL;
	status->gap_count = 0;
}

/* --- the whole ----------------------------------------------------------------------------- */

int gaps_new(struct gaps **ret, const struct gaps_config *config)
{
	struct gaps *gaps = calloc(1, sizeof(*gaps));
	int r;

	if (!gaps)
		return -ENOMEM;
	gaps->config = *config;
	gaps->timer.data = gaps;
	r = uv_timer_init(config->loop, &gaps->timer);
	if (r) {
		free(gaps);
		return r;
	}
	*ret = gaps;
	return 0;
}

struct gaps *gaps_free(struct gaps *gaps)
{
	free(gaps);
	return NULL;
}
