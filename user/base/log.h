/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Diagnostics for the person at the terminal or in the journal: one line on stderr per call,
 * "apoptosis: " and the message, in a single write so that lines of several threads do not mix.
 * Control characters, line breaks and invalid UTF-8 in the message are escaped (text_escape_line),
 * so a hostile process name cannot forge or break a line. Colour only where stderr is a terminal
 * and NO_COLOR is unset or empty.
 *
 * If stderr takes nothing for LOG_PATIENCE_MS, the line is lost: the guard never waits for its
 * reader. A line is cut to what a pipe takes at once.
 *
 * The level, and of each thread whether it waits, are the global state in this program. errno is kept by
 * every function.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#define LOG_PATIENCE_MS 100

enum log_level {
	LOG_LEVEL_ERROR = 0, /* what was asked for cannot be done */
	LOG_LEVEL_WARN = 1,  /* done, but not all of it */
	LOG_LEVEL_INFO = 2,  /* default */
	LOG_LEVEL_DEBUG = 3, /* -v: what is done */
	LOG_LEVEL_TRACE = 4, /* -vv: also what libraries say about it */
};

/* From now on lines of this thread are lost at once where stderr takes nothing. */
void log_never_wait(void);

/* Messages above this level are dropped. */
void log_set_level(enum log_level level);

/* Whether a message of this level would be written: spares the work of composing it. */
bool log_enabled(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For callbacks of libraries that hand over their messages. A trailing newline is dropped. */
void log_print(enum log_level level, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));
