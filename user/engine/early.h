/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers of the responder that overtook the record of their trip, which may still be on its way from
 * another CPU, or be lost. A bounded number; the oldest goes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rescue/respond.h"

#define EARLY_MAX 64

struct early {
	struct responder_result results[EARLY_MAX]; /* trip_id 0: none */
	size_t next;
};

/* Returns whether one had to go for it, in *ret_gone. */
bool early_keep(struct early *early, const struct responder_result *result,
		struct responder_result *ret_gone);
/* The oldest one of that trip. False: there is none any more. */
bool early_take(struct early *early, uint64_t trip_id, struct responder_result *ret);
