/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closed incidents for people, from their documents (docs/apoptosis-events.5). A document may be of any
 * program and any version: what it lacks is shown as "?", and names are escaped.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "output/format.h"

/* A report from the text of its file. NULL: it is no incident of a schema that is understood. */
json_t *report_parse(const char *text, size_t size);

/*
 * What happened, the facts, who allocated, the memory over time, and what to do about it. 0,
 * -ENOMEM or file_result().
 */
int report_text(FILE *file, const json_t *document, const struct terminal *terminal);

/* The head of a list, or with a document one line of it. Same returns. */
int report_row(FILE *file, const json_t *document, const struct terminal *terminal);
