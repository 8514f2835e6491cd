/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs of an object that is loaded, attached to what this kernel has: by the table of core/hooks.h,
 * in its order. The growth trigger comes and goes from then on, where another one sees in time that it is
 * wanted (source/arming.h). For this room only; the others see it by source/source.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/hooks.h"
#include "core/status.h"

struct attached;
struct bpf_object;
struct maps;
struct pins;

struct attached_config {
	const struct bpf_object *object;
	const struct maps *maps;
	uint32_t cpu_ids;	 /* highest possible CPU number + 1 */
	bool ticks_stop;	 /* on some CPUs, while one process runs */
	const struct pins *pins; /* where links are kept; NULL: nowhere */
};

/*
 * ret_used: by row, which are in use. What cannot be attached and is not needed is logged and ignored. 0 or
 * -errno, which is logged too.
 */
int attached_new(struct attached **ret, const struct attached_config *config,
		 bool ret_used[HOOKS_MAX]);
/* Detaches all. Takes NULL. Returns NULL. */
struct attached *attached_free(struct attached *attached);

/* The kernel side wants the growth trigger. From any thread; never waits. */
void attached_want_growth(const struct attached *attached);

/* What each program in use has cost, as far as the kernel counts that. How many there are. */
size_t attached_programs(const struct attached *attached, struct status_program ret[HOOKS_MAX]);
