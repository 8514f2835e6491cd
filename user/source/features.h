/* SPDX-License-Identifier: BSD-2-Clause */
/* What this kernel offers, told by its BTF, or by trying. For this room only. */
#pragma once

#include <stdbool.h>

#include "core/protection.h"

struct btf;

/* The kernel's types, to be freed by btf__free(); NULL: it does not describe them. */
struct btf *features_btf(void);

/*
 * Probes for every row of core/hooks.h. load_error is 0: whether the programs load is for source.c to
 * find out.
 */
void features_read(const struct btf *btf, struct kernel_features *ret);

/* Before 6.2 the mm counters were plain atomics, fed once per 66 faults of a thread. */
bool features_counters_batched(const struct btf *btf);
