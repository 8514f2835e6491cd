/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsers of numbers as people and kernel files write them, and their formatters for people.
 *
 * Every parser takes the whole string: leading or trailing white space, a sign and anything after
 * the value are refused. They return 0, -EINVAL for what is not such a value, and -ERANGE for one
 * that is, but does not fit or is out of its range. Independent of the locale.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Decimal, 0 to UINT64_MAX. */
int parse_u64(const char *s, uint64_t *ret);

/*
 * Bytes: a number with an optional suffix K, M, G, T, P, each also as Ki, KB or KiB, or B, in any
 * case and after blanks. All are powers of 1024, as memory tools mean them. A fraction needs a
 * suffix above B ("1.5G") and is rounded down to a byte.
 */
int parse_size(const char *s, uint64_t *ret_bytes);

/*
 * "12.5%" as 1250 ten-thousandths. More than 0 and at most 100; at most two decimals count, more
 * are refused unless they are zeros.
 */
int parse_percent(const char *s, uint32_t *ret_permyriad);

/*
 * Nanoseconds: one or more numbers with the units d, h, m, s, ms, us, ns, largest first and each
 * at most once ("1m30s"); only the last may have a fraction ("1.5s"). A single number without unit
 * is seconds.
 */
int parse_duration(const char *s, uint64_t *ret_ns);

/*
 * A signal number: "TERM", "SIGTERM" or "term", "15", "RTMIN", "RTMIN+3", "RTMAX-1". Numbers are
 * 1 to 31 and SIGRTMIN to SIGRTMAX of this C library. KILL and STOP parse.
 */
int parse_signal(const char *s, int *ret_signal);

/* The name of a signal that a process can handle, which is like this one, as "TERM" is like "sigtrem"; or NULL. */
const char *parse_signal_guess(const char *s);

/* 1 to INT_MAX. */
int parse_pid(const char *s, pid_t *ret_pid);

/*
 * The value of `key` in the flat keyed text of kernel files (memory.stat, memory.events, meminfo,
 * /proc/PID/status): lines of key, then colon or blanks, then value. Returns a pointer to the
 * first byte of the value in text, not terminated before the line break, or NULL.
 */
const char *parse_field(const char *text, const char *key);

/*
 * The same for a decimal value; text after a blank ("kB") is ignored. -ENOENT if the key is not
 * there, -EBADMSG if its value is no number.
 */
int parse_field_u64(const char *text, const char *key, uint64_t *ret);

/*
 * Parses the number at the start of a longer text, in base 10 or 16 ("0x" may precede the latter),
 * and one `end` character. Returns the text after that; NULL if either is missing, or if the number
 * does not fit.
 */
const char *parse_number(const char *text, int base, char end, uint64_t *ret);

/* "TERM" for SIGTERM, "RTMIN+3"; "?" for what is no signal. Static text. */
const char *signal_name(int signal);

/*
 * "512 B", "231.4 MiB", "16.0 EiB": one decimal, rounded to nearest. UINT64_MAX is "unlimited".
 * 16 bytes hold any result.
 */
void format_size(char *buf, size_t size, uint64_t bytes);

/*
 * "850 ns", "57 us", "1.24 ms", "12.4 ms", "124 ms", "3.0 s", "2m05s", "1h03m": three digits at
 * most, rounded to nearest; from a minute on, rounded down. 16 bytes hold any result.
 */
void format_duration(char *buf, size_t size, uint64_t ns);
