/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration of the daemon, as its files say it (docs/apoptosis.conf.5): defaults, and guards, each of
 * which says for which cgroups it is, and what is other for these. A value is kept as it was written, with its
 * place; a guard's policy is made of the defaults of the program, those of the files, and its own, in this order.
 *
 * A set is filled once and then only read. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/options.h"
#include "core/workload.h"

#define CONFIG_NAME_LEN 64 /* of a guard, with its NUL */
/* The rest of the policies that there can be: of what no guard is for, and of the machine's own memory. */
#define CONFIG_GUARDS_MAX (APO_MAX_POLICIES - 2)

struct config;

/* NULL: no memory. */
struct config *config_new(void);
/* Takes NULL. Returns NULL. */
struct config *config_free(struct config *config);

/*
 * Adds a file. What it says of a key takes the place of what earlier ones said. Whatever makes no sense is told
 * of, one line each, "FILE:LINE: [SECTION] KEY: ...", and left out; config_mistakes() counts it. 0 or -ENOMEM.
 */
typedef void (*config_complain_fn)(const char *line, void *userdata);
int config_add(struct config *config, const char *file, const char *text,
	       config_complain_fn complain, void *userdata);
/*
 * After the last file: the guards in the order in which they are tried, each with its policy. Complains as
 * config_add(), of values that do not go together and of guards that are for nothing.
 */
int config_finish(struct config *config, config_complain_fn complain, void *userdata);
size_t config_mistakes(const struct config *config);

/* A number of all that the files say, which is another one if they say something else; not 0. */
uint32_t config_fingerprint(const struct config *config);

/* What the options say for the whole of the daemon. After config_finish(). */
const struct options *config_options(const struct config *config);

/*
 * The index of the guard of the machine's own memory, which is behind all others and for no cgroup; 0: there is none.
 */
size_t config_host(const struct config *config);
/* Whose growth counts ten times there, and whose a tenth: words, as of `prefer` and `avoid`; NULL: nobody's. */
const char *config_host_prefers(const struct config *config);
const char *config_host_avoids(const struct config *config);

struct config_guard {
	const char *name; /* NULL: what no guard is for */
	struct policy policy;
	int priority;
	bool is_enabled;    /* else what it is for is not guarded */
	bool is_selectable; /* a workload may ask for it, whoever else it is for */
};

/* In the order in which they are tried; the last is what no guard is for. After config_finish(). */
size_t config_guards(const struct config *config);
const struct config_guard *config_guard(const struct config *config, size_t index);

/*
 * Who knows of what runs in cgroups: of that the parts (WORKLOAD_*) are in *ret, which is empty before, and owned by
 * the caller after it. Is asked only where a guard is for more than a path shows, and only for what guards go by. NULL,
 * as at first: nobody.
 */
typedef void (*config_look_fn)(const char *cgroup, unsigned int parts, struct workload *ret,
			       void *userdata);
void config_look_with(struct config *config, config_look_fn look, void *userdata);

/*
 * The index of the guard that is for a cgroup: the selectable one that its workload asks for, else the first that is
 * for it by its path and what that shows (unit, which is that of a user where there is one, slice, id of a container)
 * and by its workload; config_guards() - 1: none is. What is below a cgroup has its guard, unless one is for it: that
 * is not asked here.
 */
size_t config_find(const struct config *config, const char *cgroup);

/*
 * The guard that covers a cgroup: of the nearest cgroup at or above it that one is for, whose path's length is in
 * *ret_length. config_guards() - 1: none.
 */
size_t config_covering(const struct config *config, const char *cgroup, size_t *ret_length);

/* One value of a guard's policy, and where it is from. */
struct config_value {
	const char *key;
	const char *value; /* NULL: none, which is the program's own rule */
	const char *file;  /* NULL: the default of the program */
	unsigned int line;
	const char *section; /* "defaults", or the guard's name */
	bool applies;	     /* false: of that guard it says nothing */
};

/* The values of that guard, one for each key that a guard may have. */
size_t config_values(void);
struct config_value config_value(const struct config *config, size_t guard, size_t index);
