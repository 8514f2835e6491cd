/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A status as metrics, in the text format that Prometheus reads; docs/metrics.md has what each of them means. The lines
 * of one metric follow each other, and every value that a label can have is there from the start, with 0. Pure.
 */
#pragma once

#include <stdio.h>

#include "core/status.h"

enum metrics_place {
	METRICS_ALONE = 0, /* a program reads them from us */
	/* Among those of other programs: process_* would be another's, and is called apoptosis_process_*. */
	METRICS_AMONG_OTHERS,
};

/* 0, -ENOMEM or file_result(). */
int metrics_write(FILE *file, const struct status *status, enum metrics_place place);
