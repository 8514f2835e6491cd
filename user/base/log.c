/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/text.h"
#include "base/util.h"

static enum log_level threshold = LOG_LEVEL_INFO;
static _Thread_local int patience_ms = LOG_PATIENCE_MS;

void log_never_wait(void)
{
	patience_ms = 0;
}

void log_set_level(enum log_level level)
{
	__atomic_store_n(&threshold, level, __ATOMIC_RELAXED);
}

bool log_enabled(enum log_level level)
{
	return level <= __atomic_load_n(&threshold, __ATOMIC_RELAXED);
}

static const char *level_colour(enum log_level level)
{
	const char *no_color = getenv("NO_COLOR");

	if ((no_color && *no_color) || !isatty(STDERR_FILENO))
		return "";
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "\033[31m";
	case LOG_LEVEL_WARN:
		return "\033[33m";
	case LOG_LEVEL_DEBUG:
	case LOG_LEVEL_TRACE:
		return "\033[2m";
	default:
		return "";
	}
}

/* Of the text: all parts together are written whole into a pipe that takes anything. */
#define LINE_MAX_BYTES (PIPE_BUF - 64)

static size_t length_to_write(const char *text)
{
	size_t length = strlen(text);

	if (length <= LINE_MAX_BYTES)
		return length;
	for (length = LINE_MAX_BYTES; length && (text[length] & 0xC0) == 0x80; length--)
		; /* not within a character */
	return length;
}

static void write_line(enum log_level level, const char *text)
{
	const char *colour = level_colour(level);
	enum { TEXT = 2 };
	const char *parts[] = {colour, "apoptosis: ", text, *colour ? "\033[0m\n" : "\n"};
	struct pollfd standard_error = {.fd = STDERR_FILENO, .events = POLLOUT};
	struct iovec vector[ARRAY_SIZE(parts)];
	ssize_t ignored;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		vector[i] = (struct iovec){(void *)parts[i], strlen(parts[i])};
	vector[TEXT].iov_len = length_to_write(text);
	if (poll(&standard_error, 1, patience_ms) == 0)
		return;
	/* A failure cannot be reported: stderr is gone or full. */
	ignored = writev(STDERR_FILENO, vector, ARRAY_SIZE(vector));
	(void)ignored;
}

void log_print(enum log_level level, const char *fmt, va_list args)
{
	_cleanup_free_ char *message = NULL, *line = NULL;
	int saved = errno;
	int length;

	if (!log_enabled(level))
		return;

	length = vasprintf(&message, fmt, args);
	if (length < 0) {
		message = NULL;
	} else {
		if (length > 0 && message[length - 1] == '\n')
			message[length - 1] = '\0';
		line = text_escape_line(message);
	}
	write_line(level, line ? line : "out of memory, message lost");
	errno = saved;
}

#define LOG_AT(level, fmt)                       \
	do {                                     \
		va_list args;                    \
		va_start(args, fmt);             \
		log_print((level), (fmt), args); \
		va_end(args);                    \
	} while (0)

void log_error(const char *fmt, ...)
{
	LOG_AT(LOG_LEVEL_ERROR, fmt);
}

void log_warn(const char *fmt, ...)
{
	LOG_AT(LOG_LEVEL_WARN, fmt);
}

void log_info(const char *fmt, ...)
{
	LOG_AT(LOG_LEVEL_INFO, fmt);
}

void log_debug(const char *fmt, ...)
{
	LOG_AT(LOG_LEVEL_DEBUG, fmt);
}
