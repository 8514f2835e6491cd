/* SPDX-License-Identifier: BSD-2-Clause */
/* `apoptosis doctor`: facts and judgement of a machine, as text and as JSON. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/protection.h"

/* 0 or -errno: see file_result(). */
int doctor_text(FILE *file, const struct protection_facts *facts,
		const struct protection *protection, bool colour);
/* {"event": "doctor", ...}; a new reference, NULL if there is no memory. */
json_t *doctor_json(const struct protection_facts *facts, const struct protection *protection,
		    uint64_t realtime_ns);
