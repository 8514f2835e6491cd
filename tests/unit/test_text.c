/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <criterion/criterion.h>

#include "base/util.h"

Test(text, escaped_line_is_printable_and_one_line)
{
	static const struct {
		const char *raw, *line;
	} cases[] = {
		{"", ""},
		{"worker \"a\" 'b'", "worker \"a\" 'b'"},
		{"two\nlines\r\tx", "two\\nlines\\r\\tx"},
		{"\x1b[31mred", "\\x1B[31mred"},
		{"del\x7f", "del\\x7F"},
		{"\x01\x1f", "\\x01\\x1F"},
		{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		 "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"csi \xc2\x9b", "csi \\xC2\\x9B"},
		{"latin caf\xe9", "latin caf\\xE9"},
		{"cut \xe2\x82", "cut \\xE2\\x82"},
		{"over \xe2\x80\xae line", "over \\xE2\\x80\\xAE line"},
		{"sep\xe2\x80\xa8", "sep\\xE2\\x80\\xA8"},
		{"bom\xef\xbb\xbf", "bom\\xEF\\xBB\\xBF"},
		{"getty\\x2dtty1.slice", "getty\\x2dtty1.slice"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *line = text_escape_line(cases[i].raw);

		cr_expect_str_eq(line, cases[i].line);
	}
}

Test(text, utf8_replaces_each_invalid_byte)
{
	static const struct {
		const char *raw, *text;
	} cases[] = {
		{"", ""},
		{"plain \n \x01", "plain \n \x01"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
		{"caf\xe9!", "caf\xef\xbf\xbd!"},
		{"\x80\xbf", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf0\x9f\x98", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = text_utf8(cases[i].raw);

		cr_expect_str_eq(text, cases[i].text);
	}
}

Test(text, utf8_sequences_follow_rfc_3629)
{
	static const struct {
		const char *bytes;
		size_t length;
		unsigned int code;
	} cases[] = {
		{"", 0, 0},
		{"A", 1, 0x41},
		{"\x7f", 1, 0x7f},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xed\x9f\xbf", 3, 0xd7ff},
		{"\xee\x80\x80", 3, 0xe000},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"\xc0\xaf", 0, 0},	    /* overlong "/" */
		{"\xc1\xbf", 0, 0},	    /* overlong */
		{"\xe0\x9f\xbf", 0, 0},	    /* overlong */
		{"\xf0\x8f\xbf\xbf", 0, 0}, /* overlong */
		{"\xed\xa0\x80", 0, 0},	    /* surrogate */
		{"\xf4\x90\x80\x80", 0, 0}, /* beyond U+10FFFF */
		{"\xf5\x80\x80\x80", 0, 0},
		{"\x80", 0, 0},
		{"\xc3", 0, 0},
		{"\xc3(", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int code = 0;

		cr_expect_eq(text_utf8_sequence(cases[i].bytes, &code), cases[i].length, "case %zu",
			     i);
		cr_expect_eq(code, cases[i].code, "case %zu: %x", i, code);
	}
}

Test(text, prefix_and_suffix)
{
	cr_expect(text_starts_with("docker-abc", "docker-"));
	cr_expect(text_starts_with("x", ""));
	cr_expect_not(text_starts_with("dock", "docker"));
	cr_expect(text_ends_with("a.scope", ".scope"));
	cr_expect_not(text_ends_with("scope", ".scope"));
	cr_expect(text_ends_with("x", ""));
}

Test(text, word_is_matched_whole)
{
	cr_expect(text_has_word("rw,memory", ",", "memory"));
	cr_expect(text_has_word("cpuset cpu io memory\n", " \n", "memory"));
	cr_expect_not(text_has_word("rw,memory.x,xmemory", ",", "memory"));
	cr_expect_not(text_has_word("", ",", "memory"));
}

Test(text, json_size_is_an_upper_bound)
{
	static const struct {
		const char *raw;
		size_t size;
	} cases[] = {
		{"", 2},	 {"abc", 5},   {"\x1b", 8}, {"\"\\", 6}, {"caf\xc3\xa9", 11},
		{"\xff\xfe", 8}, {"\x7f/", 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(text_json_size(cases[i].raw), cases[i].size, "case %zu", i);
}

Test(text, distance_counts_what_fingers_do)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} cases[] = {
		{"", "", 0},
		{"a", "", 1},
		{"status", "statu", 1},
		{"trem", "term", 1},
		{"airbg", "airbag", 1},
		{"watch", "wacth", 1},
		{"kitten", "sitting", 3},
		{"abc", "xyz", 3},
		{"reserve", "resevre", 1},
		{"abcdef", "uvwxyz", TEXT_LIKE_MAX + 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cr_expect_eq(text_distance(cases[i].a, cases[i].b), cases[i].distance, "case %zu",
			     i);
		cr_expect_eq(text_distance(cases[i].b, cases[i].a), cases[i].distance, "case %zu",
			     i);
	}
}

Test(text, guess_is_the_first_of_the_nearest_if_half_of_it_is_right)
{
	struct text_guess guess = {.word = "term"};

	text_guess_offer(&guess, "x");
	cr_expect_null(guess.nearest);
	text_guess_offer(&guess, "tramp");
	text_guess_offer(&guess, "trem");
	text_guess_offer(&guess, "terms");
	cr_expect_str_eq(guess.nearest, "trem");
	guess = (struct text_guess){.word = "ps"};
	text_guess_offer(&guess, "top");
	cr_expect_null(guess.nearest);
}
