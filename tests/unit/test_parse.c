/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/parse.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>

#include "base/util.h"

#define UNTOUCHED 0x5a5a5a5a

struct u64_case {
	const char *text;
	int result;
	uint64_t value; /* where result is 0 */
};

static void check_u64(int (*parse)(const char *, uint64_t *), const struct u64_case *cases,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct u64_case *c = &cases[i];
		uint64_t value = UNTOUCHED;

		cr_expect_eq(parse(c->text, &value), c->result, "'%s' returns %d", c->text,
			     parse(c->text, &value));
		cr_expect_eq(value, c->result == 0 ? c->value : UNTOUCHED, "'%s' is %" PRIu64,
			     c->text, value);
	}
}

Test(parse, u64_is_decimal_and_nothing_else)
{
	static const struct u64_case cases[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"99999999999999999999999x", -EINVAL, 0},
		{"", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1\n", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
	};

	check_u64(parse_u64, cases, ARRAY_SIZE(cases));
}

Test(parse, size_suffixes_are_powers_of_1024)
{
	static const struct u64_case cases[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"4096B", 0, 4096},
		{"512K", 0, 524288},
		{"512k", 0, 524288},
		{"512KiB", 0, 524288},
		{"512kib", 0, 524288},
		{"64M", 0, 67108864},
		{"64MiB", 0, 67108864},
		{"1G", 0, 1073741824},
		{"1GiB", 0, 1073741824},
		{"2T", 0, 2199023255552},
		{"1P", 0, 1125899906842624},
		{"16383P", 0, 18445618173802708992U},
		{"512m", 0, 536870912},
		{"512mb", 0, 536870912},
		{"512MB", 0, 536870912},
		{"512Mi", 0, 536870912},
		{"512MiB", 0, 536870912},
		{"512 MiB", 0, 536870912},
		{"1.5  gb", 0, 1610612736},
		{"512 B", 0, 512},
	};

	check_u64(parse_size, cases, ARRAY_SIZE(cases));
}

Test(parse, size_fraction_is_exact_and_rounded_down)
{
	static const struct u64_case cases[] = {
		{"1.5G", 0, 1610612736},
		{"0.5K", 0, 512},
		{"1.0M", 0, 1048576},
		{"0.1K", 0, 102}, /* 102.4 */
		{"2.25MiB", 0, 2359296},
		{"0.000000000000000000000000001G", 0, 0},
		{"1.999999999999999999999P", 0, 2251799813685247},
		{"1.5", -EINVAL, 0},
		{"1.5B", -EINVAL, 0},
		{"1.G", -EINVAL, 0},
		{".5G", -EINVAL, 0},
		{"1..5G", -EINVAL, 0},
		{"1,5G", -EINVAL, 0},
	};

	check_u64(parse_size, cases, ARRAY_SIZE(cases));
}

Test(parse, size_with_trailing_junk_is_refused)
{
	static const struct u64_case cases[] = {
		{"12Q", -EINVAL, 0},   {"64M ", -EINVAL, 0},   {"64 ", -EINVAL, 0},
		{"64  ", -EINVAL, 0},  {"64  M ", -EINVAL, 0}, {"64MM", -EINVAL, 0},
		{"64MBi", -EINVAL, 0}, {"64MiBs", -EINVAL, 0}, {"64 Mi B", -EINVAL, 0},
		{"64iB", -EINVAL, 0},  {"64BiB", -EINVAL, 0},  {"10%", -EINVAL, 0},
		{"", -EINVAL, 0},      {"M", -EINVAL, 0},      {"-64M", -EINVAL, 0},
		{"+64M", -EINVAL, 0},  {"0x40M", -EINVAL, 0},  {"1e3", -EINVAL, 0},
		{"max", -EINVAL, 0},   {"64\xcd", -EINVAL, 0}, {"64M\n", -EINVAL, 0},
		{"\t64M", -EINVAL, 0},
	};

	check_u64(parse_size, cases, ARRAY_SIZE(cases));
}

Test(parse, size_that_overflows_is_out_of_range)
{
	static const struct u64_case cases[] = {
		{"16384P", -ERANGE, 0},
		{"18446744073709551615K", -ERANGE, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999Q", -EINVAL, 0},
		{"18014398509481983.999K", 0, 18446744073709551614U},
	};

	check_u64(parse_size, cases, ARRAY_SIZE(cases));
}

Test(parse, percent_is_permyriad_above_0_up_to_100)
{
	static const struct {
		const char *text;
		int result;
		uint32_t value;
	} cases[] = {
		{"10%", 0, 1000},
		{"12.5%", 0, 1250},
		{"0.01%", 0, 1},
		{"99.99%", 0, 9999},
		{"100%", 0, 10000},
		{"33.330%", 0, 3333},
		{"100.00%", 0, 10000},
		{"0%", -ERANGE, 0},
		{"0.00%", -ERANGE, 0},
		{"100.01%", -ERANGE, 0},
		{"101%", -ERANGE, 0},
		{"0.001%", -EINVAL, 0},
		{"33.333%", -EINVAL, 0},
		{"10", -EINVAL, 0},
		{"%", -EINVAL, 0},
		{"10%%", -EINVAL, 0},
		{"10 %", -EINVAL, 0},
		{"-10%", -EINVAL, 0},
		{"10%x", -EINVAL, 0},
		{"1e1%", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"184467440737095517%", -ERANGE, 0},
		{"99999999999999999999%", -ERANGE, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t value = UNTOUCHED;

		cr_expect_eq(parse_percent(cases[i].text, &value), cases[i].result, "'%s'",
			     cases[i].text);
		cr_expect_eq(value, cases[i].result == 0 ? cases[i].value : UNTOUCHED,
			     "'%s' is %" PRIu32, cases[i].text, value);
	}
}

Test(parse, duration_units_go_from_large_to_small)
{
	static const struct u64_case cases[] = {
		{"500ms", 0, 500000000},
		{"10s", 0, 10000000000},
		{"1m30s", 0, 90000000000},
		{"2h", 0, 7200000000000},
		{"100us", 0, 100000},
		{"7ns", 0, 7},
		{"1d2h3m4s5ms6us7ns", 0, 93784005006007},
		{"10", 0, 10000000000},
		{"0", 0, 0},
		{"0s", 0, 0},
		{"1.5s", 0, 1500000000},
		{"1.5", 0, 1500000000},
		{"1m0.25s", 0, 60250000000},
		{"0.5ns", 0, 0},
		{"30s1m", -EINVAL, 0},
		{"1m1m", -EINVAL, 0},
		{"1m30", -EINVAL, 0},
		{"1.5m30s", -EINVAL, 0},
		{"1 m", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"off", -EINVAL, 0},
		{"10S", -EINVAL, 0},
		{"10sec", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{"18446744073s", 0, 18446744073000000000U},
		{"18446744074s", -ERANGE, 0},
		{"213504d", -ERANGE, 0},
		{"213503d24h", -ERANGE, 0},
		{"99999999999999999999s", -ERANGE, 0},
		{"99999999999999999999q", -EINVAL, 0},
	};

	check_u64(parse_duration, cases, ARRAY_SIZE(cases));
}

Test(parse, signal_by_name_or_number)
{
	const struct {
		const char *text;
		int result, signal;
	} cases[] = {
		{"TERM", 0, SIGTERM},
		{"SIGTERM", 0, SIGTERM},
		{"term", 0, SIGTERM},
		{"SigUsr1", 0, SIGUSR1},
		{"15", 0, 15},
		{"1", 0, 1},
		{"31", 0, 31},
		{"KILL", 0, SIGKILL},
		{"STOP", 0, SIGSTOP},
		{"RTMIN", 0, SIGRTMIN},
		{"SIGRTMIN+3", 0, SIGRTMIN + 3},
		{"rtmax-1", 0, SIGRTMAX - 1},
		{"64", 0, 64},
		{"0", -ERANGE, 0},
		{"32", -ERANGE, 0},
		{"65", -ERANGE, 0},
		{"RTMIN+31", -ERANGE, 0},
		{"RTMIN-1", -EINVAL, 0},
		{"RTMIN+", -EINVAL, 0},
		{"RTMIN+1x", -EINVAL, 0},
		{"-15", -EINVAL, 0},
		{"15x", -EINVAL, 0},
		{"TERMX", -EINVAL, 0},
		{"SIGSIGTERM", -EINVAL, 0},
		{"SIG", -EINVAL, 0},
		{"", -EINVAL, 0},
		{" TERM", -EINVAL, 0},
		{"BOGUS", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int signal = UNTOUCHED;

		cr_expect_eq(parse_signal(cases[i].text, &signal), cases[i].result, "'%s'",
			     cases[i].text);
		cr_expect_eq(signal, cases[i].result == 0 ? cases[i].signal : UNTOUCHED,
			     "'%s' is %d", cases[i].text, signal);
	}
}

Test(parse, every_signal_name_parses_back)
{
	for (int signal = 1; signal <= 64; signal++) {
		const char *name = signal_name(signal);
		int parsed = 0;

		if (signal > 31 && signal < SIGRTMIN) {
			cr_expect_str_eq(name, "?");
			continue;
		}
		cr_expect_eq(parse_signal(name, &parsed), 0, "%d is %s", signal, name);
		cr_expect_eq(parsed, signal, "%s", name);
	}
	cr_expect_str_eq(signal_name(SIGTERM), "TERM");
	cr_expect_str_eq(signal_name(SIGRTMIN), "RTMIN");
	cr_expect_str_eq(signal_name(0), "?");
	cr_expect_str_eq(signal_name(-1), "?");
	cr_expect_str_eq(signal_name(65), "?");
}

Test(parse, pid_is_positive_and_fits)
{
	static const struct {
		const char *text;
		int result;
		pid_t pid;
	} cases[] = {
		{"1", 0, 1},	     {"4194304", 0, 4194304},	 {"2147483647", 0, INT_MAX},
		{"0", -ERANGE, 0},   {"2147483648", -ERANGE, 0}, {"-1", -EINVAL, 0},
		{"12a", -EINVAL, 0}, {"", -EINVAL, 0},		 {"self", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pid_t pid = UNTOUCHED;

		cr_expect_eq(parse_pid(cases[i].text, &pid), cases[i].result, "'%s'",
			     cases[i].text);
		cr_expect_eq(pid, cases[i].result == 0 ? cases[i].pid : UNTOUCHED, "'%s'",
			     cases[i].text);
	}
}

Test(parse, field_is_found_by_its_whole_name_at_a_line_start)
{
	static const char text[] = "Name:\tSwapTotal: 7\n"
				   "\n"
				   "total_cache 1\n"
				   "cache 22\n"
				   "SwapTotal:      4194300 kB\n"
				   "bad x\n"
				   "glued 12x\n"
				   "huge 18446744073709551616\n"
				   "last 9";
	static const struct {
		const char *key;
		int result;
		uint64_t value;
	} cases[] = {
		{"cache", 0, 22},	{"total_cache", 0, 1},	{"SwapTotal", 0, 4194300},
		{"last", 0, 9},		{"ache", -ENOENT, 0},	{"cach", -ENOENT, 0},
		{"absent", -ENOENT, 0}, {"bad", -EBADMSG, 0},	{"glued", -EBADMSG, 0},
		{"huge", -EBADMSG, 0},	{"last 9", -ENOENT, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = UNTOUCHED;

		cr_expect_eq(parse_field_u64(text, cases[i].key, &value), cases[i].result, "%s",
			     cases[i].key);
		cr_expect_eq(value, cases[i].result == 0 ? cases[i].value : UNTOUCHED, "%s",
			     cases[i].key);
	}
	cr_expect_eq(parse_field(text, "Name"), text + 6);
	cr_expect_null(parse_field("", "Name"));
}

Test(parse, size_is_shown_with_one_decimal)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1.0 KiB"},
		{1536, "1.5 KiB"},
		{242640486, "231.4 MiB"},
		{268435456, "256.0 MiB"},
		{1048524, "1023.9 KiB"},
		{1048575, "1.0 MiB"}, /* not 1024.0 KiB */
		{1073741823, "1.0 GiB"},
		{UINT64_MAX - 1, "16.0 EiB"},
		{UINT64_MAX, "unlimited"},
	};
	char buf[16];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		format_size(buf, sizeof(buf), cases[i].bytes);
		cr_expect_str_eq(buf, cases[i].text, "%s for %" PRIu64, buf, cases[i].bytes);
	}
}

Test(parse, duration_is_shown_with_three_digits)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},
		{999, "999 ns"},
		{1000, "1 us"},
		{57400, "57 us"},
		{999499, "999 us"},
		{999500, "1.00 ms"},
		{1236000, "1.24 ms"},
		{9994999, "9.99 ms"},
		{9995000, "10.0 ms"},
		{12400000, "12.4 ms"},
		{124000000, "124 ms"},
		{999499999, "999 ms"},
		{999500000, "1.0 s"},
		{3000000000, "3.0 s"},
		{59940000000, "59.9 s"},
		{59960000000, "1m00s"},
		{125900000000, "2m05s"},
		{3599000000000, "59m59s"},
		{3780000000000, "1h03m"},
		{UINT64_MAX, "5124095h34m"},
	};
	char buf[16];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		format_duration(buf, sizeof(buf), cases[i].ns);
		cr_expect_str_eq(buf, cases[i].text, "%s for %" PRIu64, buf, cases[i].ns);
	}
}

Test(util, arithmetic_saturates)
{
	cr_expect_eq(sat_add(UINT64_MAX, 1), UINT64_MAX);
	cr_expect_eq(sat_add(1, 2), 3);
	cr_expect_eq(sat_sub(1, 2), 0);
	cr_expect_eq(sat_sub(2, 1), 1);
	cr_expect_eq(sat_mul(UINT64_MAX / 2, 3), UINT64_MAX);
	cr_expect_eq(sat_mul(6, 7), 42);
	cr_expect_eq(sat_diff(5, 7), -2);
	cr_expect_eq(sat_diff(7, 5), 2);
	cr_expect_eq(sat_diff(UINT64_MAX, 0), INT64_MAX);
	cr_expect_eq(sat_diff(0, UINT64_MAX), INT64_MIN);
}

Test(util, minimum_and_maximum_evaluate_once)
{
	int calls = 0;

	cr_expect_eq(MIN(++calls, 5), 1);
	cr_expect_eq(MAX(++calls, 1), 2);
	cr_expect_eq(calls, 2);
}

Test(parse, number_ends_with_its_character)
{
	static const struct {
		const char *text;
		int base;
		char end;
		const char *rest; /* NULL: refused */
		uint64_t value;
	} cases[] = {
		{"1f-20", 16, '-', "20", 0x1f},
		{"1F-", 16, '-', "", 0x1f},
		{"0x1f x", 16, ' ', "x", 0x1f},
		{"ffffffffffffffff ", 16, ' ', "", UINT64_MAX},
		{"18446744073709551615:", 10, ':', "", UINT64_MAX},
		{"007 ", 10, ' ', "", 7},
		{"10000000000000000 ", 16, ' ', NULL, 0},
		{"18446744073709551616 ", 10, ' ', NULL, 0},
		{"", 16, ' ', NULL, 0},
		{" 1 ", 16, ' ', NULL, 0},
		{"-1 ", 10, ' ', NULL, 0},
		{"+1 ", 10, ' ', NULL, 0},
		{"1", 16, ' ', NULL, 0},
		{"1-", 16, ' ', NULL, 0},
		{"1g ", 16, ' ', NULL, 0},
		{"a ", 10, ' ', NULL, 0},
		{"0x ", 16, ' ', NULL, 0},
		{"\n1 ", 10, ' ', NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = UNTOUCHED;
		const char *rest = parse_number(cases[i].text, cases[i].base, cases[i].end, &value);

		cr_expect_eq(value, cases[i].rest ? cases[i].value : UNTOUCHED, "'%s' is %" PRIu64,
			     cases[i].text, value);
		cr_expect_eq(!rest, !cases[i].rest, "'%s'", cases[i].text);
		if (rest && cases[i].rest)
			cr_expect_str_eq(rest, cases[i].rest);
	}
}

Test(parse, signal_that_was_meant)
{
	cr_expect_str_eq(parse_signal_guess("TREM"), "TERM");
	cr_expect_str_eq(parse_signal_guess("sigterrm"), "TERM");
	cr_expect_str_eq(parse_signal_guess("usr"), "USR1");
	cr_expect_str_eq(parse_signal_guess("ABORT"), "ABRT");
	cr_expect_null(parse_signal_guess("900"));
	cr_expect_null(parse_signal_guess("NOSUCH"));
	cr_expect_null(parse_signal_guess(""));
	cr_expect_null(parse_signal_guess("a name of more than sixteen bytes"));
}
