/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names that others chose (of processes, command lines, cgroups) made safe to show. Input is any
 * byte string up to its NUL. Results are allocated, the caller frees them; NULL: no memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * One printable line. Line break, tab and carriage return become \n, \t and \r. Other control
 * characters (DEL and the C1 set too), invalid UTF-8, and the Unicode line separators and direction
 * overrides, which make a line read as another, become \xNN byte by byte. A backslash stays single,
 * because systemd's cgroup names are full of them: for a reversible form use JSON.
 */
char *text_escape_line(const char *raw);

/* Valid UTF-8: each byte that is not part of a valid sequence becomes U+FFFD. */
char *text_utf8(const char *raw);

/* The most bytes that text_utf8(raw) takes as a JSON string, quotation marks included. */
size_t text_json_size(const char *raw);

/*
 * Length of the valid UTF-8 sequence (RFC 3629: no surrogates, no overlong forms, at most
 * U+10FFFF) at the start of s, 1 to 4; 0 if there is none or s is empty. With ret_code not NULL,
 * its code point.
 */
size_t text_utf8_sequence(const char *s, unsigned int *ret_code);

/*
 * Words that NULs end, as in /proc/PID/cmdline, become one string with single blanks between them; NULs at
 * the end go. In place; words: has room for length + 1 bytes.
 */
void text_join_words(char *words, size_t length);

/* Whether s starts, or ends, with the other. */
bool text_starts_with(const char *s, const char *prefix);
bool text_ends_with(const char *s, const char *suffix);

/* Whether `word` is one of the words of `list`, which the separator characters keep apart. */
bool text_has_word(const char *list, const char *separators, const char *word);

/*
 * How many characters are to be added, removed or changed, or swapped with the next, to make b of a; more than
 * TEXT_LIKE_MAX where they are not alike.
 */
#define TEXT_LIKE_MAX 3
size_t text_distance(const char *a, const char *b);

/*
 * What somebody may have meant by a word that is none. Begin with {.word = ...}, offer the words that there are; the
 * first of the nearest is then in `nearest`. Only what is like it counts: at least half of the word is right.
 */
struct text_guess {
	const char *word;
	const char *nearest; /* of those offered; NULL: none is like it */
	size_t distance;     /* of that one */
};
void text_guess_offer(struct text_guess *guess, const char *offered);

/*
 * Formats a line for the user, which says what is refused and what to give instead, into *ret_error
 * (freed by the caller). Returns -EINVAL; or -ENOMEM, and then *ret_error is NULL.
 */
__attribute__((format(printf, 2, 3))) int text_refuse(char **ret_error, const char *format, ...);
