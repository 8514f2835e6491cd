/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <jansson.h>

/* What is printed of the document: one line. Takes it, and fails the test if there is none. */
char *json_line(json_t *document);
