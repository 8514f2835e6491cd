/* SPDX-License-Identifier: BSD-2-Clause */
#include "numbers.h"

#include <math.h>
#include <stdlib.h>

#include "bench.h"

void samples_add(struct samples *samples, double value)
{
	if (samples->n == samples->room) {
		samples->room = samples->room ? samples->room * 2 : 64;
		samples->values =
			realloc(samples->values, samples->room * sizeof(*samples->values));
		if (!samples->values)
			fail("out of memory");
	}
	samples->values[samples->n++] = value;
	samples->sorted = 0;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void sort(struct samples *samples)
{
	if (!samples->sorted && samples->n)
		qsort(samples->values, samples->n, sizeof(*samples->values), compare);
	samples->sorted = 1;
}

double samples_quantile(struct samples *samples, double q)
{
	size_t rank;

	if (!samples->n)
		return 0;
	sort(samples);
	rank = (size_t)ceil(q * (double)samples->n);
	return samples->values[rank ? rank - 1 : 0];
}

double samples_median(struct samples *samples)
{
	size_t half = samples->n / 2;

	if (!samples->n)
		return 0;
	sort(samples);
	return samples->n % 2 ? samples->values[half]
			      : (samples->values[half - 1] + samples->values[half]) / 2;
}

double samples_max(struct samples *samples)
{
	return samples_quantile(samples, 1);
}

void samples_done(struct samples *samples)
{
	free(samples->values);
	*samples = (struct samples){0};
}
