/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPython, 3.8 to 3.15, without a flag and in any build that has its dynamic symbols: where its structures are in
 * a process, and the lines of the frames that the kernel side has taken from them (bpf/python.bpf.h). As all
 * input here, what was taken may be anything.
 */
#pragma once

#include "symbols/symbols.h"

/*
 * What the kernel side needs of a process whose interpreter is among the files of `code`; the start of the
 * process is left out. file: the name of the interpreter's file, where the version is not said in it. False: it
 * is no CPython, or one that is not understood: *ret says in what it differs.
 */
bool python_find(struct code *code, const char *file, struct apo_python *ret);

/*
 * The line of a code object's instruction, `at` counted as its version does. What is not known stays empty, or 0.
 */
void python_name(const struct apo_python_code *code, uint32_t at, struct symbol *ret);

/*
 * Puts the frames of CPython among those of the machine, which there are `count` of, each run of them in place of
 * the interpreter's function that has run it. Returns how many there are then, FRAMES_MAX at most.
 */
size_t python_merge(struct code *code, const struct apo_stack *stack,
		    struct frame frames[FRAMES_MAX], size_t count);
