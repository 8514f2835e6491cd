/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INI files, read by inih: sections, lines of key = value, comments. With the place of each, and a value is one line:
 * what inih would add to the line before, and what it would cut, is a mistake. Pure.
 */
#pragma once

#include <stdbool.h>

/* One key, and the section it stands in ("": none). Texts last as long as the call. */
struct ini_key {
	unsigned int line;
	const char *section, *key, *value;
};

struct ini_events {
	void (*on_key)(const struct ini_key *key, void *userdata);
	/* A line that cannot be read as it is meant, and is left out. */
	void (*on_mistake)(unsigned int line, const char *wrong, void *userdata);
	void *userdata;
};

/* 0; -ENOMEM; > 0: the first line that is none of these at all, INI_NONSENSE. */
#define INI_NONSENSE "neither a section, a key = value, nor a comment"
int ini_file_read(const char *text, const struct ini_events *events);

/*
 * "FILE:LINE: [SECTION] KEY 'VALUE': WRONG", without what is NULL, or "", of section, key and value; made safe to
 * show. Allocated; NULL: no memory.
 */
char *ini_complaint(const char *file, const struct ini_key *at, const char *wrong);
