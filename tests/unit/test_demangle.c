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

Test(demangle, names_are_readable)
{
	static const struct {
		const char *name, *plain;
	} cases[] = {
		{"", ""},
		{"malloc", "malloc"},
		{"_ZN5hoard4fillEm", "hoard::fill"},
		{"_ZNSt6vectorIiSaIiEE9push_backERKi",
		 "std::vector<int, std::allocator<int> >::push_back"},
		{"_Znwm", "operator new"},
		{"_ZN5hoard4fillEm.cold", "hoard::fill"},
		/* Rust, the older scheme: the hash says nothing. */
		{"_ZN5hoard4fill17h0123456789abcdefE", "hoard::fill"},
		{"_ZN5alloc7raw_vec11finish_grow17hd2e2f00dcafe0123E",
		 "alloc::raw_vec::finish_grow"},
		{"_ZN3std2rt10lang_start28_$u7b$$u7b$closure$u7d$$u7d$17h0f1e2d3c4b5a6978E",
		 "std::rt::lang_start::{{closure}}"},
		/* And the newer one. */
		{"_RNvNtCslCIAqueYAw2_1h5cache12remember_row", "h::cache::remember_row"},
		{"_RINvMs6_NtCsgvbsrvnw3yD_9hashbrown3rawINtB6_8RawTableTyINtNtCslNYArtu3iFV_"
		 "5alloc3vec3VechEEE14reserve_rehashNCINvNtB8_3map11make_hasheryBR_NtNtNtCsjrHSEGn"
		 "Q3l9_3std4hash6random11RandomStateE0ECslCIAqueYAw2_1h",
		 "<hashbrown::raw::RawTable<(u64, alloc::vec::Vec<u8>)>>::reserve_rehash::"
		 "<hashbrown::map::make_hasher<u64, alloc::vec::Vec<u8>, "
		 "std::hash::random::RandomState>::{closure#0}>"},
		/* Not mangled, or not well. */
		{"_Z", "_Z"},
		{"_ZN", "_ZN"},
		{"_ZNSt6vectorIiSaIiE", "_ZNSt6vectorIiSaIiE"},
		{"_Z999999999999999999999f", "_Z999999999999999999999f"},
		{"_ZZZZZZZZ", "_ZZZZZZZZ"},
		{"_R", "_R"},
		/* libiberty has a part of no length, which is NULL. */
		{"_RIC0C0", "_RIC0C0"},
		{"main.(*hoard).fill", "main.(*hoard).fill"},
		{"\xff\xfe\x01", "\xff\xfe\x01"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_str_eq(plain(cases[i].name), cases[i].plain);
}

Test(demangle, long_names_are_cut)
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
	size_t length = (size_t)snprintf(name, size, "_Z1fISt4pairIiiE");

	for (int i = 0; i < levels; i++) {
		char level = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i];

		length += (size_t)snprintf(name + length, size - length, "S0_IS%c_S%c_E", level,
					   level);
	}
	snprintf(name + length, size - length, "Evv");
}

/* The same of tuples, "TB.B.E": references are places in the name, in base 62. */
static void make_rust_bomb(char *name, size_t size, int levels)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t length = (size_t)snprintf(name, size, "_RINvC1a1fTuuE"), last = 8;

	for (int i = 0; i < levels; i++) {
		size_t here = length - 2;
		char place[8];

		if (last > 62)
			snprintf(place, sizeof(place), "%c%c_", digits[(last - 1) / 62],
				 digits[(last - 1) % 62]);
		else
			snprintf(place, sizeof(place), "%c_", digits[last - 1]);
		length += (size_t)snprintf(name + length, size - length, "TB%sB%sE", place, place);
		last = here;
	}
	snprintf(name + length, size - length, "E");
}

Test(demangle, what_would_grow_without_bounds_is_cut, .timeout = 30)
{
	char name[512];

	make_bomb(name, sizeof(name), 2);
	cr_expect_str_eq(plain(name),
			 "f<std::pair<int, int>, "
			 "std::pair<std::pair<int, int>, std::pair<int, int> >, "
			 "std::pair<std::pair<std::pair<int, int>, std::pair<int, int> >, "
			 "std::pair<std::pair<int, int>, std::pair<int, int> > > >");
	make_rust_bomb(name, sizeof(name), 2);
	cr_expect_str_eq(plain(name), "a::f::<((), ()), (((), ()), ((), ())), "
				      "((((), ()), ((), ())), (((), ()), ((), ())))>");
	for (int i = 3; i < 36; i++) {
		make_bomb(name, sizeof(name), i);
		cr_expect_leq(strlen(plain(name)), SYMBOL_NAME_MAX - 1);
		make_rust_bomb(name, sizeof(name), i);
		cr_expect_leq(strlen(plain(name)), SYMBOL_NAME_MAX - 1);
	}
	cr_expect_eq(strlen(plain(name)), SYMBOL_NAME_MAX - 1);
	cr_expect_eq(strncmp(plain(name), "a::f::<((), ()), ", 17), 0);
}
