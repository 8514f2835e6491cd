/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What configuration files say, as it was written: sections, and the values of their keys, each with its place. What
 * is said later of a key takes the place of what was said before. For core/config.c. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct section_value {
	const char *key; /* static */
	char *text;
	const char *file; /* kept by sections_keep_file() */
	unsigned int line;
};

struct section {
	char *title; /* "defaults", "guard web" */
	struct section_value *values;
	size_t count;
	struct section_value place; /* where it was named last, for what is wrong with all of it */
};

/* Empty: all zero. Those that are added move the others. */
struct sections {
	struct section *all;
	size_t count;
	char **files;
	size_t file_count;
};

void sections_clear(struct sections *sections);

/* The name of a file for as long as the sections; NULL: no memory. */
const char *sections_keep_file(struct sections *sections, const char *file);
/* NULL: there is none of that title. */
const struct section *sections_find(const struct sections *sections, const char *title);
/* Makes it where there is none. NULL: no memory. */
struct section *sections_of(struct sections *sections, const char *title);

/* Takes the text, also when it fails. 0 or -ENOMEM. */
int section_put(struct section *section, const struct section_value *value);
/* NULL: it says nothing of that key, or is NULL. */
const struct section_value *section_value(const struct section *section, const char *key);
bool section_says_yes(const struct section *section, const char *key);

/* A number of all that they say, which is another one if they say something else; not 0. */
uint32_t sections_fingerprint(const struct sections *sections);
