/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Profiles: how well-known programs are told to stop, each a section of an INI file (docs/profiles.md). They
 * are tried in the order in which they were added; the first that fits a process counts. A set is filled once
 * and then only read, by any thread: finding one allocates nothing and reads no file. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apoptosis/abi.h"

#define PROFILE_NAME_LEN 32	/* with its NUL */
#define PROFILE_COMMANDS_MAX 16 /* of one profile */

enum profile_role {
	PROFILE_ANY = 0,
	PROFILE_MASTER, /* its parent runs another command */
	PROFILE_WORKER, /* its parent runs the same one */
};

/* Who is told to stop. */
enum profile_target {
	PROFILE_SELF = 0,
	PROFILE_TO_MASTER, /* the topmost ancestor that runs a command of the profile, in its place */
	PROFILE_TO_CHILD, /* its latest child that does, if there is one */
};

/* One name of a command, or how names begin. */
struct profile_command {
	char name[APO_COMM_LEN];
	bool is_prefix;
};

struct profile {
	char name[PROFILE_NAME_LEN];
	char *file; /* where it is from, as it was added */
	struct profile_command commands[PROFILE_COMMANDS_MAX];
	size_t command_count;
	char *arguments; /* a glob for the whole command line; NULL: any */
	enum profile_role role;
	bool is_protected; /* stop = none: it is never told to stop */
	enum profile_target target;
	int stop_signal;     /* 0: none is named */
	int warn_signal;     /* 0: none */
	uint64_t never_warn; /* signals that are no warning for it, bit signal - 1 */
	uint64_t time_ns;    /* how long its stop may take; 0: not known */
};

struct profiles;

/* NULL: no memory. */
struct profiles *profiles_new(void);
/* Takes NULL. Returns NULL. */
struct profiles *profiles_free(struct profiles *profiles);

/*
 * Adds the profiles of a file. A section that makes no sense is left out and told of, one line each; the rest
 * counts. 0 or -ENOMEM.
 */
typedef void (*profiles_complain_fn)(const char *line, void *userdata);
int profiles_add(struct profiles *profiles, const char *file, const char *text,
		 profiles_complain_fn complain, void *userdata);

size_t profiles_count(const struct profiles *profiles);
const struct profile *profiles_get(const struct profiles *profiles, size_t index);

/* What is known of a process. */
struct profile_subject {
	const char *comm;
	const char *arguments;	 /* words joined by blanks; NULL: not known, which no glob fits */
	const char *parent_comm; /* NULL: it has none that can be seen */
};

/* NULL: none fits. From: the index to begin at; ret_next, where more may fit, may be NULL. */
const struct profile *profiles_find(const struct profiles *profiles,
				    const struct profile_subject *subject, size_t from,
				    size_t *ret_next);

/* Whether any is for that command: only then more need be known of a process. */
bool profiles_know(const struct profiles *profiles, const char *comm);

/* Whether that is a command of the profile. */
bool profile_is_for(const struct profile *profile, const char *comm);

/* Whether that signal may be sent to it as a warning. */
bool profile_may_warn(const struct profile *profile, int signal);

/*
 * What the kernel side is to know of commands: who of them is told to stop, or warned, in another way than
 * everybody else. Allocated; each stands for the longest that fits a command.
 */
struct profile_mark {
	struct profile_command command;
	uint32_t uses; /* enum apo_profiled */
};
int profiles_marks(const struct profiles *profiles, struct profile_mark **ret, size_t *ret_n);
