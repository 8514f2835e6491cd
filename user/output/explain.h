/* SPDX-License-Identifier: BSD-2-Clause */
/* `apoptosis explain`: what would be done for a process, as text and as JSON. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "core/explanation.h"

/* 0 or -errno: see file_result(). */
int explain_text(FILE *file, const struct explanation *explanation, const struct policy *policy);
/* {"event": "explain", ...}; a new reference, NULL if there is no memory. */
json_t *explain_json(const struct explanation *explanation, const struct policy *policy);
