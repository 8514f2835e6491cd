/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define TEXT_WORD_MAX 64 /* longer ones are like no other */

size_t text_utf8_sequence(const char *s, unsigned int *ret_code)
{
	static const unsigned int least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)s[0];
	unsigned int code;
	size_t length;

	if (first == 0)
		return 0;
	if (first < 0x80) {
		length = 1;
		code = first;
	} else if (first >= 0xc2 && first < 0xe0) {
		length = 2;
		code = first & 0x1f;
	} else if (first >= 0xe0 && first < 0xf0) {
		length = 3;
		code = first & 0x0f;
	} else if (first >= 0xf0 && first < 0xf5) {
		length = 4;
		code = first & 0x07;
	} else {
		return 0;
	}

	/* The NUL at the end is no continuation byte, so this stops there. */
	for (size_t i = 1; i < length; i++) {
		unsigned char byte = (unsigned char)s[i];

		if ((byte & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (byte & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	if (ret_code)
		*ret_code = code;
	return length;
}

/* Whether a terminal or a reader would take this for something else than a visible character. */
static bool is_unprintable(unsigned int code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || /* C0, DEL, C1 */
	       (code >= 0x200e && code <= 0x200f) ||	       /* direction marks */
	       (code >= 0x2028 && code <= 0x202e) || /* line separators, direction overrides */
	       (code >= 0x2066 && code <= 0x2069) || /* direction isolates */
	       code == 0xfeff;
}

static char *escape_byte(char *out, unsigned char byte)
{
	static const char hex[] = "0123456789ABCDEF";

	*out++ = '\\';
	switch (byte) {
	case '\n':
		*out++ = 'n';
		break;
	case '\t':
		*out++ = 't';
		break;
	case '\r':
		*out++ = 'r';
		break;
	default:
		*out++ = 'x';
		*out++ = hex[byte >> 4];
		*out++ = hex[byte & 0xf];
	}
	return out;
}

char *text_escape_line(const char *raw)
{
	char *result, *out;

	/* At worst every byte takes four. */
	out = result = malloc(strlen(raw) * 4 + 1);
	if (!result)
		return NULL;

	while (*raw) {
		unsigned int code = 0;
		size_t length = text_utf8_sequence(raw, &code);

		if (length > 0 && !is_unprintable(code)) {
			memcpy(out, raw, length);
			out += length;
			raw += length;
			continue;
		}
		for (size_t i = 0; i < (length > 0 ? length : 1); i++)
			out = escape_byte(out, (unsigned char)raw[i]);
		raw += length > 0 ? length : 1;
	}
	*out = '\0';
	return result;
}

char *text_utf8(const char *raw)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *result, *out;

	/* At worst every byte becomes the three of U+FFFD. */
	out = result = malloc(strlen(raw) * 3 + 1);
	if (!result)
		return NULL;

	while (*raw) {
		size_t length = text_utf8_sequence(raw, NULL);

		if (length > 0) {
			memcpy(out, raw, length);
			out += length;
			raw += length;
		} else {
			memcpy(out, replacement, 3);
			out += 3;
			raw++;
		}
	}
	*out = '\0';
	return result;
}

size_t text_json_size(const char *raw)
{
	size_t size = 2;

	for (; *raw; raw++) {
		unsigned char byte = (unsigned char)*raw;

		if (byte < 0x20)
			size += 6; /* \u001f */
		else if (byte >= 0x80)
			size += 3; /* U+FFFD */
		else
			size += byte == '"' || byte == '\\' ? 2 : 1;
	}
	return size;
}

void text_join_words(char *words, size_t length)
{
	while (length && !words[length - 1])
		length--;
	for (size_t i = 0; i < length; i++)
		words[i] = words[i] ?: ' ';
	words[length] = '\0';
}

bool text_starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends_with(const char *s, const char *suffix)
{
	size_t s_length = strlen(s), suffix_length = strlen(suffix);

	return s_length >= suffix_length && strcmp(s + s_length - suffix_length, suffix) == 0;
}

bool text_has_word(const char *list, const char *separators, const char *word)
{
	size_t length = strlen(word);

	while (*list) {
		size_t n = strcspn(list, separators);

		if (n == length && memcmp(list, word, n) == 0)
			return true;
		list += n;
		list += strspn(list, separators);
	}
	return false;
}

size_t text_distance(const char *a, const char *b)
{
	/* Of the first i bytes of a to the first j of b, j - 1 and j - 2. */
	size_t rows[3][TEXT_WORD_MAX + 1];
	size_t *row = rows[0], *before = rows[1], *second = rows[2];
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length > TEXT_WORD_MAX)
		return TEXT_LIKE_MAX + 1;
	for (size_t i = 0; i <= a_length; i++)
		row[i] = i;
	for (size_t j = 0; j < b_length; j++) {
		size_t *spare = second;

		second = before;
		before = row;
		row = spare;
		row[0] = j + 1;
		for (size_t i = 0; i < a_length; i++) {
			size_t changed = before[i] + (a[i] != b[j]);
			size_t added = MIN(row[i], before[i + 1]) + 1;

			row[i + 1] = MIN(changed, added);
			if (i && j && a[i] == b[j - 1] && a[i - 1] == b[j])
				row[i + 1] = MIN(row[i + 1], second[i - 1] + 1);
		}
	}
	return MIN(row[a_length], (size_t)TEXT_LIKE_MAX + 1);
}

void text_guess_offer(struct text_guess *guess, const char *offered)
{
	size_t distance = text_distance(guess->word, offered);

	if (distance > TEXT_LIKE_MAX || distance * 2 > MAX(strlen(guess->word), strlen(offered)))
		return;
	if (guess->nearest && distance >= guess->distance)
		return;
	guess->distance = distance;
	guess->nearest = offered;
}

int text_refuse(char **ret_error, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(ret_error, format, args);
	va_end(args);
	if (r < 0) {
		*ret_error = NULL;
		return -ENOMEM;
	}
	return -EINVAL;
}
