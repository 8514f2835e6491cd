/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hooks of the kernel side: one row for each program of bpf/guard.bpf.c that the kernel calls. By
 * its row a program is probed for, loaded and attached (source/), shown by `doctor` (core/protection.h)
 * and listed among the triggers. A new hook is a program there, a row here, and a test. Pure.
 *
 * Rows are in the order of attaching: what closes a trip is there before anything can trip. People are
 * shown them from the last to the first, so that they read of the triggers first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apoptosis/abi.h"

/* What a missing thing costs. */
enum protection_weight {
	PROTECTION_NEEDED = 0, /* without it: impossible */
	PROTECTION_PART,       /* without it: partial */
	PROTECTION_EXTRA,      /* without it: still full */
};

/* How to find out whether a kernel has the point that a program hangs on. */
enum hook_probe {
	HOOK_TRACEPOINT = 0,	 /* the kernel's BTF has the tracepoint */
	HOOK_TRACEPOINT_POINTER, /* and its first argument is a pointer */
	HOOK_FEXIT,		 /* fexit attaches to the function, which only trying tells */
};

/* All text is static. */
struct hook {
	const char *program; /* in bpf/guard.bpf.c */
	const char *point;   /* tracepoint or kernel function */
	enum hook_probe probe;
	const char *trigger;	 /* which one it is; NULL: none, it does not check */
	enum apo_trigger number; /* of that trigger, in records */
	const char *where;	 /* a trip was found by it, for people: "in the fault" */
	const char *unless;	 /* the trigger that takes its place; NULL: none does */
	bool needed;		 /* without it nothing starts */
	enum protection_weight weight;
	const char *gives;  /* what it is good for */
	const char *lost;   /* what its absence costs */
	const char *remedy; /* how to get it */
};

#define HOOKS_MAX 24 /* of arrays that are indexed as the table is */

extern const struct hook hooks[];
extern const size_t hook_count;

/* The row of a program; NULL: it has none. */
const struct hook *hook_find(const char *program);

/* Of the hooks that are there, those to put to use: all but those whose place is taken. */
void hooks_choose(const bool there[HOOKS_MAX], bool ret_used[HOOKS_MAX]);

/* A row of the trigger that records call by that number; NULL: there is none. */
const struct hook *hook_of_trigger(uint32_t number);

/* The name of what is no hook: looking at a limit, where there is no kernel side (source/looks.h). */
#define HOOKS_LOOK "look"

/* Names of triggers, each once. */
struct trigger_names {
	size_t count;
	const char *names[HOOKS_MAX];
};

/* The triggers that the hooks in use are, in the order to show them. */
void hooks_triggers(const bool used[HOOKS_MAX], struct trigger_names *ret);
