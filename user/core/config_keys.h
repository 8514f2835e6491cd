/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may be said in a section of a configuration file: options of the command line that have a key
 * (core/option_table.h), and, of a guard, for whom it is, and how it stands among others. For core/config.c. Pure.
 */
#pragma once

#include <stdbool.h>

#include "core/option_table.h"

#define CONFIG_PRIORITY_MAX 1000

/*
 * For whom a guard is: words, each a glob. Where there are several of these keys each must have a word that fits.
 */
enum config_match {
	CONFIG_CGROUP,
	CONFIG_UNIT,
	CONFIG_SLICE,
	CONFIG_CONTAINER, /* by id or name */
	CONFIG_NAMESPACE, /* of Kubernetes; this and what follows is not in a path */
	CONFIG_POD,
	CONFIG_LABEL,	/* "key=value" */
	CONFIG_COMMAND, /* of the main process */
	CONFIG_UID,	/* of that; numbers, no globs */
	CONFIG_MATCHES,
};
extern const char *const config_matches[CONFIG_MATCHES];

/*
 * Sections of the daemon as a whole, each about one thing, whose keys are those of [defaults] by shorter names: the key
 * there. NULL: there is none. Whether there is such a section: config_is_topic().
 */
bool config_is_topic(const char *section);
const char *config_topic_key(const char *section, const char *key);
/* The key of such a section that is like this one; NULL: none is. */
const char *config_topic_guess(const char *section, const char *key);

/* What is said in a section: all that the others say as well, of one guard, or of the machine's own memory. */
enum config_section { CONFIG_OF_DEFAULTS, CONFIG_OF_GUARD, CONFIG_OF_HOST };

/*
 * Whether a section takes that; the key as it is kept in *ret_key, static. 0; -EINVAL with what is wrong and what to
 * give, without the key, in *ret_error (freed by the caller); -ENOMEM.
 */
int config_check_key(enum config_section section, const char *key, const char *value,
		     const char **ret_key, char **ret_error);

/* Whether the value of a key, or of the one that it is most like, is a secret. */
bool config_is_secret(const char *key);

/* The option of a key that a section takes; NULL: it is none. */
const struct option_row *config_option(const char *key, enum config_section section);
/* The index-th option that a guard may have; NULL: there are not so many. */
const struct option_row *config_policy_option(size_t index);

/* -1000 to 1000. 0, -EINVAL or -ERANGE. */
int config_priority(const char *value, int *ret);
