/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a report says, in words: the same for a terminal and for a page. All text is one line of
 * valid UTF-8, with names escaped.
 */
#pragma once

#include <jansson.h>

/* [[NAME, VALUE], ...], in the order to be shown. NULL: no memory. */
json_t *report_facts(const json_t *document);

/* A paragraph: who needed what, what was done, how it ended, who allocated. The caller frees it. */
char *report_summary(const json_t *document);

/* What to do about it; static text, "" if there is nothing to say. */
const char *report_advice(const json_t *document);

/* [TEXT, ...]: what the incident and its recording lack, and why. NULL: no memory. */
json_t *report_missing(const json_t *document);
