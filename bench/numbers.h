/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples and what they say. */
#pragma once

#include <stddef.h>

struct samples {
	double *values;
	size_t n, room;
	int sorted;
};

void samples_add(struct samples *samples, double value);
/* Nearest rank, 0 < q <= 1; 0 without samples. */
double samples_quantile(struct samples *samples, double q);
double samples_median(struct samples *samples);
double samples_max(struct samples *samples);
void samples_done(struct samples *samples);
