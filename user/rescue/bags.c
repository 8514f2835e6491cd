// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/bags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/util.h"
#include "sense/cgroup_dir.h"
#include "sense/cgroup_memory.h"

static struct bag **bucket_of(struct bags *bags, uint64_t cgroup_id)
{
	return &bags->buckets[cgroup_id * 0x9e3779b97f4a7c15ULL >> (64 - BAG_BUCKET_BITS)];
}

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL; /* FNV-1a */

	while (*text)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3ULL;
	return hash;
}

struct bag *bags_find(const struct bags *bags, uint64_t cgroup_id)
{
	struct bag *bag = *bucket_of((struct bags *)bags, cgroup_id);

	while (bag && bag->loan.cgroup_id != cgroup_id)
		bag = bag->next;
	return bag;
}

void bags_set_state(struct bags *bags, struct bag *bag, enum bag_state state)
{
	struct bag **link = &bags->raised;

	if (bag->state == BAG_READY && state != BAG_READY) {
		bag->next_raised = bags->raised;
		bags->raised = bag;
		bags->raised_count++;
		bags->raises++;
	} else if (bag->state != BAG_READY && state == BAG_READY) {
		while (*link != bag)
			link = &(*link)->next_raised;
		*link = bag->next_raised;
		bags->raised_count--;
	}
	bag->state = state;
}

void bags_each_raised(const struct bags *bags, void (*fn)(struct bag *bag, void *userdata),
		      void *userdata)
{
	for (struct bag *bag = bags->raised; bag; bag = bag->next_raised)
		fn(bag, userdata);
}

uint64_t bag_lent_bytes(const struct bag *bag)
{
	return bag_is_raised(bag) ? sat_sub(loan_limit_bytes(&bag->loan.entry.raised),
					    loan_limit_bytes(&bag->loan.entry.before))
				  : 0;
}

/* What is lent below a limit that is raised as well is of that limit's loan, as far as that goes. */
static void add_lent(struct bag *bag, void *userdata)
{
	uint64_t *sum = userdata, above = 0;

	for (const struct bag *b = bag->above; b; b = b->above)
		above = MAX(above, bag_lent_bytes(b));
	*sum = sat_add(*sum, sat_sub(bag_lent_bytes(bag), above));
}

uint64_t bags_lent_bytes(const struct bags *bags)
{
	uint64_t sum = 0;

	bags_each_raised(bags, add_lent, &sum);
	return sum;
}

static void bag_close(struct bags *bags, struct bag *bag)
{
	struct bag **link = bucket_of(bags, bag->loan.cgroup_id);

	while (*link != bag)
		link = &(*link)->next;
	*link = bag->next;
	if (bag->above)
		bag->above->below--;
	close_fd(bag->loan.dirfd);
	free(bag);
}

/* --- making room --------------------------------------------------------------------------- */

/* Nobody needs it now, and none that is open has it above it. */
static bool is_idle(const struct bag *bag)
{
	return bag->state == BAG_READY && !bag->open_trips && !bag->below;
}

static bool is_gone(const struct bag *bag)
{
	return faccessat(bag->loan.dirfd, "cgroup.procs", F_OK, 0);
}

/* Closes those whose cgroups are gone. */
static void sweep(struct bags *bags)
{
	for (size_t i = 0; i < BAG_BUCKETS; i++)
		for (struct bag *bag = bags->buckets[i], *next; bag; bag = next) {
			next = bag->next;
			if (is_idle(bag) && is_gone(bag))
				bag_close(bags, bag);
		}
}

/* Closes the longest unused. False: all are needed. */
static bool make_room(struct bags *bags)
{
	struct bag *oldest = NULL;

	for (size_t i = 0; i < BAG_BUCKETS; i++)
		for (struct bag *bag = bags->buckets[i]; bag; bag = bag->next)
			if (is_idle(bag) && (!oldest || bag->used_ns < oldest->used_ns))
				oldest = bag;
	if (oldest)
		bag_close(bags, oldest);
	return oldest;
}

static int open_cgroup(struct bags *bags, const struct cgroup_tree *tree, const char *rel,
		       int *ret_dirfd)
{
	int r;

	do {
		r = cgroup_open(tree, rel, ret_dirfd);
		if (!r)
			r = file_keep(ret_dirfd);
	} while ((r == -EMFILE || r == -ENFILE) && make_room(bags));
	return r;
}

/* --- opening ------------------------------------------------------------------------------- */

#define SWEEP_EVERY 64 /* new ones: then those whose cgroups are gone are closed */

static int bag_add(struct bags *bags, const struct cgroup_tree *tree, const char *rel,
		   uint64_t cgroup_id, struct bag **ret)
{
	struct bag *bag = calloc(1, sizeof(*bag)), **bucket = bucket_of(bags, cgroup_id);
	int r = bag ? open_cgroup(bags, tree, rel, &bag->loan.dirfd) : -ENOMEM;

	if (++bags->added % SWEEP_EVERY == 0)
		sweep(bags);
	if (r) {
		free(bag);
		return r;
	}
	bag->loan.cgroup_id = cgroup_id;
	bag->path_hash = hash_of(rel);
	bag->next = *bucket;
	*bucket = bag;
	*ret = bag;
	return 0;
}

/* The bag of the cgroup of that path; *ret_added: it is new. */
static int bag_of_path(struct bags *bags, const struct cgroup_tree *tree, const char *rel,
		       struct bag **ret, bool *ret_added)
{
	_cleanup_close_ int dirfd = -1;
	uint64_t cgroup_id_here;
	int r = open_cgroup(bags, tree, rel, &dirfd);

	if (!r)
		r = cgroup_id(dirfd, &cgroup_id_here);
	if (r)
		return r;
	*ret = bags_find(bags, cgroup_id_here);
	*ret_added = !*ret;
	return *ret ? 0 : bag_add(bags, tree, rel, cgroup_id_here, ret);
}

/* Opens what is above a bag, as far as it is charged to it. path is cut on the way. */
static void climb(struct bags *bags, const struct cgroup_tree *tree, struct bag *bag, char *path)
{
	bool added = true;

	while (added && strcmp(path, "/") != 0) {
		char *slash = strrchr(path, '/');
		struct bag *above;

		slash[slash == path] = '\0';
		/* What cannot be opened has a limit that cannot be raised: the walk ends there. */
		if (bag_of_path(bags, tree, path, &above, &added) ||
		    !cgroup_charges_children(tree, above->loan.dirfd))
			return;
		above->below++;
		bag->above = above;
		bag = above;
	}
}

int bags_open(struct bags *bags, const struct cgroup_tree *tree, uint64_t cgroup_id,
	      struct bag **ret)
{
	struct bag *bag = bags_find(bags, cgroup_id);
	_cleanup_free_ char *rel = NULL;
	int r = 0;

	if (!bag)
		r = cgroup_path_of_id(tree, cgroup_id, &rel);
	if (!bag && !r) {
		r = bag_add(bags, tree, rel, cgroup_id, &bag);
		if (!r) {
			bag->below++; /* it stays while those above it are opened */
			climb(bags, tree, bag, rel);
			bag->below--;
		}
	}
	if (r)
		return r;
	bag->used_ns = clock_ns(CLOCK_BOOTTIME);
	*ret = bag;
	return 0;
}

void bags_done(struct bags *bags)
{
	for (size_t i = 0; i < BAG_BUCKETS; i++)
		while (bags->buckets[i]) {
			struct bag *bag = bags->buckets[i];

			bags->buckets[i] = bag->next;
			close_fd(bag->loan.dirfd);
			free(bag);
		}
}
