/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Has the kernel side take the machine's own memory for one more limit, as [host] of the configuration says: tells it how
 * much there is and is available, and whose growth counts more or less. Slow path, at the start and after
 * a reload.
 */
#pragma once

#include <stdint.h>

#include "core/config.h"
#include "source/source.h"

/* policy: its id. 0 or -errno, -ENOSPC: there are too many commands. */
int host_memory_guard(struct source *source, uint32_t policy, const struct config *config,
		      uint64_t page_bytes);
