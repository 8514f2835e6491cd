/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs of an earlier instance go by and have found out, while nobody listened (source/pins.h). For this
 * room only.
 */
#pragma once

#include <bpf/libbpf.h>
#include <stdbool.h>

struct maps;

/*
 * Who was signalled, and has not ended, is known here too: nobody is signalled a second time for it. 0 or -errno.
 * is_known: what is kept there is as this version has it; else all that is known is that they were signalled, which
 * counts from now on.
 */
int adopt_signalled(const struct maps *maps, const char *dir, bool is_known);
/* Hands over the records that nobody has read, which are as this version has them. 0 or -errno. */
int adopt_records(const char *dir, ring_buffer_sample_fn fn, void *userdata);
