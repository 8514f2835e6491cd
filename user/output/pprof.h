/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stacks of a report as a profile.proto message, uncompressed, for `go tool pprof` and others:
 * samples/count and space/bytes, the latter by default.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* Binary. 0, -ENOMEM or file_result(). */
int pprof_write(FILE *file, const json_t *document);
