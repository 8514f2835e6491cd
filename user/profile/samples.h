/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel side has sampled of a process's growth, taken out of its maps into a capture. */
#pragma once

#include "profile/profiler.h"

/* The heaviest stacks, as many as the room holds; the others count as lost. -ENOMEM, or why no weights can be read. */
int samples_take_stacks(struct source *source, const struct profiler_subject *subject,
			uint64_t room_bytes, struct capture *capture);
/* What names the frames of CPython in them, as the kernel side has kept it: the process may be gone by now. */
void samples_take_codes(struct source *source, uint64_t room_bytes, struct capture *capture);
/* Whether any of them has such frames. */
bool samples_have_python(const struct capture *capture);
