/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which code is not the program's own, but a language's runtime or library, an allocator or a libc's:
 * what nobody who has to mend a program can change. It is told by the file that is mapped, by the
 * function's name, and by the file of its source. All of what is known of them is one table, in
 * runtime.c.
 */
#pragma once

#include <stdbool.h>

/* The later is the nearer to the program: where code of two is in a stack, it runs on that one. */
enum runtime {
	RUNTIME_NONE,
	RUNTIME_C,
	RUNTIME_ALLOCATOR,
	RUNTIME_CPP,
	RUNTIME_RUST,
	RUNTIME_GO,
	RUNTIME_ERLANG,
	RUNTIME_LUA,
	RUNTIME_PERL,
	RUNTIME_PHP,
	RUNTIME_RUBY,
	RUNTIME_NET,
	RUNTIME_JVM,
	RUNTIME_V8,
	RUNTIME_PYTHON,
	RUNTIMES
};

/* In words, for a report: "the C library". NULL for none. */
const char *runtime_name(enum runtime runtime);

/*
 * What its unnamed code is, in words: "JavaScript without names". NULL: it compiles none at run time, or there is a word
 * for nothing in it.
 */
const char *runtime_code(enum runtime runtime);

/*
 * What memory a function of a runtime is about, in words: "its collector". The lower ret_rank, the more it says of a
 * stack. NULL: nothing is known.
 */
const char *runtime_space(enum runtime runtime, const char *function, unsigned int *ret_rank);

/* How functions of programs that run on it get names the next time, a sentence; NULL: they have, or there is no way. */
const char *runtime_hint(enum runtime runtime);

/* Whose all code of this file is; its path may be NULL. */
enum runtime runtime_of_file(const char *path);

/* Whether all code in its files is its own. Not Go's: a program is one file. */
bool runtime_owns_files(enum runtime runtime);

/*
 * Whose file one with this function is, whatever the file is called: a program may have its runtime
 * linked into it.
 */
enum runtime runtime_of_sign(const char *function);

/* Whose function it is, in a file of that runtime; its source may be NULL. */
enum runtime runtime_of_function(enum runtime file, const char *function, const char *source);

/* Whose a function of an interpreted language is, which may have any name. */
enum runtime runtime_of_script(const char *source);

/*
 * Whether a file of code, or a script, is of a package that was installed: somebody else's, mostly. So is a script that
 * is a command, which only starts what it has been installed with. May be NULL.
 */
bool runtime_is_package(const char *path);
bool runtime_is_package_script(const char *source);
