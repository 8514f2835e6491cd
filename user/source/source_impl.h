/* SPDX-License-Identifier: BSD-2-Clause */
/* What a source is made of, for its two files: source.c, its life and its records, and entries.c, what is in its maps. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "source/maps.h"
#include "source/source.h"

struct attached;
struct bpf_object;
struct looks;
struct pins;
struct ring_buffer;

struct ring_callback {
	source_record_fn fn;
	void *userdata;
};

struct source {
	struct bpf_object *object; /* NULL: there is no kernel side, */
	struct looks *looks;	   /* but this */
	struct maps *maps;
	struct pins *pins;	   /* NULL: nothing is kept */
	struct attached *attached; /* NULL: not yet */
	uint64_t asked_ns,
		asked_checks; /* when its cost was asked for last, or since it is attached */
	uint32_t cpu_ids;
	bool ticks_stop;
	struct ring_buffer *records;
	struct ring_buffer *urgent;
	struct ring_callback on_record;
	struct ring_callback on_urgent;
};
