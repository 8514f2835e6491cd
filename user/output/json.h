/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of the JSON documents. Values go in by json_object_set_new(), which fails on a value that
 * could not be made; the failures of one object are OR-ed together and end in json_finish().
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "apoptosis/abi.h"

#define JSON_SCHEMA 1

/* {"event": ..., "schema": 1, "time": ...}; event NULL leaves the key out. */
json_t *json_event(const char *event, uint64_t realtime_ns);

/* Any byte string as a JSON string; NULL is null. */
json_t *json_text(const char *raw);

/* APO_UNLIMITED is null; what a JSON integer cannot hold is its maximum. */
json_t *json_u64(uint64_t value);

/* null unless known. */
json_t *json_known(bool known, uint64_t value);

/* later - earlier as a real, in units of unit_ns; null if either is 0. Never negative. */
json_t *json_span(uint64_t earlier_ns, uint64_t later_ns, uint64_t unit_ns);

/* {"file": .., "anon": .., "swap": .., "shmem": ..}: each count times the unit, in bytes. */
json_t *json_kinds(const uint64_t counts[APO_KINDS], uint64_t unit_bytes);

/* The object; or NULL, and the object released, if failed. Takes NULL. */
json_t *json_finish(json_t *object, int failed);

/* One compact line, with its end. The caller frees it. NULL: no memory. */
char *json_line_text(const json_t *document);

/* The same, flushed. 0, -ENOMEM or file_result(). */
int json_write_line(FILE *file, const json_t *document);
/* The same, and takes the document; NULL: there was no memory for it. */
int json_write_line_new(FILE *file, json_t *document);
