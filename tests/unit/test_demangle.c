/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "base/util.h"
#include "symbols/symbols.h"

static const char *plain(const char *name)
{
	static char text[SYMBOL_NAME_MAX];

	demangle(name, text);
	return text;
}

Test(demangle, names_are_readable, .init = demangle_prepare)
{
	static const struct {
		const char *name, *plain;
	} cases[] = {
		{"", ""},
		{"malloc", "malloc"},
		{"_ZN5hoard4fillEm", "hoard::fill(unsigned long)"},
		{"_ZNSt6vectorIiSaIiEE9push_backERKi",
		 "std::vector<int, std::allocator<int> >::push_back(int const&)"},
		{"_Znwm", "operator new(unsigned long)"},
		/* Rust, the older scheme: the hash says nothing. */
		{"_ZN5hoard4fill17h0123456789abcdefE", "hoard::fill"},
		{"_ZN5alloc7raw_vec11finish_grow17hd2e2f00dcafe0123E",
		 "alloc::raw_vec::finish_grow"},
		/* What only looks like such a hash stays. */
		{"a::h0123456789abcdeg", "a::h0123456789abcdeg"},
		{"a::h0123456789abcde", "a::h0123456789abcde"},
		{"::h0123456789abcdef", "::h0123456789abcdef"},
		{"a::h0123456789abcdef", "a"},
		/* Not mangled, or not well. */
		{"_Z", "_Z"},
		{"_ZN", "_ZN"},
		{"_ZNSt6vectorIiSaIiE", "_ZNSt6vectorIiSaIiE"},
		{"_Z999999999999999999999f", "_Z999999999999999999999f"},
		{"_ZZZZZZZZ", "_ZZZZZZZZ"},
		{"_R", "_R"},
		{"main.(*hoard).fill", "main.(*hoard).fill"},
		{"\xff\xfe\x01", "\xff\xfe\x01"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_str_eq(plain(cases[i].name), cases[i].plain);
}

Test(demangle, long_names_are_cut, .init = demangle_prepare)
{
	static char name[100000];

	memset(name, 'x', sizeof(name) - 1);
	cr_expect_eq(strlen(plain(name)), SYMBOL_NAME_MAX - 1);
	memcpy(name, "_Z", 2);
	cr_expect_eq(strlen(plain(name)), SYMBOL_NAME_MAX - 1);
}

/* Each level is two of the one before. */
static void make_bomb(char *name, size_t size, int levels)
{
	size_t length = (size_t)snprintf(name, size, "_Z1fSt4pairIiiE");

	for (int i = 0; i < levels; i++) {
		char level = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i];

		length += (size_t)snprintf(name + length, size - length, "S_IS%c_S%c_E", level,
					   level);
	}
}

Test(demangle, what_would_grow_without_bounds_stays_mangled, .init = demangle_prepare,
     .timeout = 30)
{
	char name[512];

	make_bomb(name, sizeof(name), 2);
	cr_expect_str_eq(plain(name),
			 "f(std::pair<int, int>, "
			 "std::pair<std::pair<int, int>, std::pair<int, int> >, "
			 "std::pair<std::pair<std::pair<int, int>, std::pair<int, int> >, "
			 "std::pair<std::pair<int, int>, std::pair<int, int> > >)");
	for (int i = 3; i < 36; i++) {
		make_bomb(name, sizeof(name), i);
		cr_expect_leq(strlen(plain(name)), SYMBOL_NAME_MAX - 1);
	}
	cr_expect_str_eq(plain(name), name);
}

/* The library is looked for once, before nothing may be opened any more. */
Test(demangle, without_a_demangler_names_are_as_they_are)
{
	cr_expect_str_eq(plain("_Znwm"), "_Znwm");
	cr_expect_str_eq(plain("_ZN5hoard4fill17h0123456789abcdefE"),
			 "_ZN5hoard4fill17h0123456789abcdefE");
}
