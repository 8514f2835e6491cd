/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's CPython in a program of ours, which it calls back from below functions of its own. */
#pragma once

struct embedded;

/* Its library, from wherever the linker finds it; starts nothing yet. NULL: there is none. */
struct embedded *embedded_open(unsigned int depth);
struct embedded *embedded_free(struct embedded *embedded);
/* Calls fn(arg) from that many calls deep in Python; the first time starts the interpreter. */
void embedded_call(struct embedded *embedded, void (*fn)(void *arg), void *arg);
