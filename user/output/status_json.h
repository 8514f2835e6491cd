/* SPDX-License-Identifier: BSD-2-Clause */
/* The ready and status events as JSON documents, schema 1. */
#pragma once

#include <jansson.h>

#include "core/status.h"

/* New references; NULL if there is no memory. */
json_t *ready_json(const struct ready *ready);
json_t *status_json(const struct status *status);
