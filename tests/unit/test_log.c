/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/util.h"
#include "unit/fixture.h"

static int saved_stderr = -1;

/* From here on stderr is the file "log" of the fixture. */
static void capture(void)
{
	int fd;

	fixture_make();
	fixture_file("log", "");
	fd = openat(fixture_root(), "log", O_WRONLY | O_APPEND | O_CLOEXEC);
	saved_stderr = dup(STDERR_FILENO);
	cr_assert_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
}

static void release(void)
{
	if (saved_stderr >= 0)
		dup2(saved_stderr, STDERR_FILENO);
	saved_stderr = close_fd(saved_stderr);
	fixture_remove();
}

TestSuite(log, .init = capture, .fini = release);

static void expect_logged(const char *expected)
{
	_cleanup_free_ char *text = NULL;

	cr_assert_eq(file_read(fixture_root(), "log", &text, NULL), 0);
	dup2(saved_stderr, STDERR_FILENO);
	cr_expect_str_eq(text, expected);
}

Test(log, messages_up_to_info_are_one_line_each)
{
	log_error("cannot open %s", "x");
	log_warn("a warning");
	log_info("%d guards", 2);
	log_debug("dropped");
	expect_logged("apoptosis: cannot open x\n"
		      "apoptosis: a warning\n"
		      "apoptosis: 2 guards\n");
}

Test(log, level_drops_what_is_above)
{
	log_set_level(LOG_LEVEL_ERROR);
	cr_expect(log_enabled(LOG_LEVEL_ERROR));
	cr_expect_not(log_enabled(LOG_LEVEL_WARN));
	log_warn("dropped");
	log_set_level(LOG_LEVEL_DEBUG);
	cr_expect(log_enabled(LOG_LEVEL_DEBUG));
	cr_expect_not(log_enabled(LOG_LEVEL_TRACE));
	log_debug("detail");
	expect_logged("apoptosis: detail\n");
}

Test(log, hostile_names_cannot_forge_a_line_or_colour)
{
	log_info("process %s", "x\napoptosis: all is well\x1b[2J\xff");
	expect_logged("apoptosis: process x\\napoptosis: all is well\\x1B[2J\\xFF\n");
}

static void print_as_library(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void print_as_library(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_print(LOG_LEVEL_WARN, fmt, args);
	va_end(args);
}

Test(log, newline_at_the_end_of_a_library_message_is_dropped)
{
	print_as_library("libbpf: %s\n", "failed");
	print_as_library("%s", "");
	expect_logged("apoptosis: libbpf: failed\napoptosis: \n");
}

Test(log, errno_is_kept)
{
	errno = EXDEV;
	log_info("x");
	log_debug("x");
	cr_expect_eq(errno, EXDEV);
}
