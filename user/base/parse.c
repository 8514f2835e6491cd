/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/parse.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "base/util.h"

#define FRACTION_DIGITS 18 /* 10^18 fits 64 bits; further digits are below any unit here */

__extension__ typedef unsigned __int128 wide;

/* A decimal number as written, before its unit is known. */
struct decimal {
	uint64_t whole;
	uint64_t fraction; /* numerator over scale */
	uint64_t scale;	   /* power of ten; 1: no fraction was written */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits at *s into *ret; moves *s behind them. */
static int scan_digits(const char **s, uint64_t *ret)
{
	uint64_t value = 0;
	bool overflow = false;

	if (!is_digit(**s))
		return -EINVAL;
	for (; is_digit(**s); (*s)++) {
		overflow |= __builtin_mul_overflow(value, 10, &value);
		overflow |= __builtin_add_overflow(value, (uint64_t)(**s - '0'), &value);
	}
	if (overflow)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* Digits, optionally a point and more digits. An overflow is reported after all were read. */
static int scan_decimal(const char **s, struct decimal *ret)
{
	struct decimal number = {.scale = 1};
	int r = scan_digits(s, &number.whole);

	if (r == -EINVAL)
		return r;
	if (**s == '.') {
		(*s)++;
		if (!is_digit(**s))
			return -EINVAL;
		for (int i = 0; is_digit(**s); (*s)++, i++) {
			if (i >= FRACTION_DIGITS)
				continue;
			number.fraction = number.fraction * 10 + (uint64_t)(**s - '0');
			number.scale *= 10;
		}
	}
	if (r == 0)
		*ret = number;
	return r;
}

/* number * unit, rounded down. */
static int decimal_times(const struct decimal *number, uint64_t unit, uint64_t *ret)
{
	uint64_t whole, part;

	/* fraction < scale, so the quotient is below unit. */
	part = (uint64_t)((wide)number->fraction * unit / number->scale);
	if (__builtin_mul_overflow(number->whole, unit, &whole) ||
	    __builtin_add_overflow(whole, part, &whole))
		return -ERANGE;
	*ret = whole;
	return 0;
}

int parse_u64(const char *s, uint64_t *ret)
{
	uint64_t value = 0;
	int r = scan_digits(&s, &value);

	if (r == -EINVAL || *s != '\0')
		return -EINVAL;
	if (r < 0)
		return r;
	*ret = value;
	return 0;
}

/* The shift of a size suffix, -EINVAL if it is none. */
static int size_shift(const char *suffix)
{
	static const char letters[] = "KMGTP";
	const char *letter;

	if (*suffix == '\0' || strcasecmp(suffix, "B") == 0)
		return 0;
	letter = strchr(letters, *suffix & ~0x20);
	if (!letter || *letter == '\0')
		return -EINVAL;
	suffix++;
	if (*suffix != '\0' && strcasecmp(suffix, "B") != 0 && strcasecmp(suffix, "i") != 0 &&
	    strcasecmp(suffix, "iB") != 0)
		return -EINVAL;
	return (int)(letter - letters + 1) * 10;
}

int parse_size(const char *s, uint64_t *ret_bytes)
{
	struct decimal number = {0};
	int r = scan_decimal(&s, &number);
	size_t blanks;
	int shift;

	if (r == -EINVAL)
		return r;
	blanks = strspn(s, " ");
	if (s[blanks]) /* blanks alone are no unit */
		s += blanks;
	shift = size_shift(s);
	if (shift < 0)
		return shift;
	if (r < 0)
		return r;
	if (shift == 0 && number.scale != 1)
		return -EINVAL;
	return decimal_times(&number, 1ULL << shift, ret_bytes);
}

int parse_percent(const char *s, uint32_t *ret_permyriad)
{
	struct decimal number = {0};
	uint64_t permyriad = 0;
	int r = scan_decimal(&s, &number);

	if (r == -EINVAL || strcmp(s, "%") != 0)
		return -EINVAL;
	if (r < 0)
		return r;
	if (number.scale > 100 && number.fraction % (number.scale / 100) != 0)
		return -EINVAL;
	r = decimal_times(&number, 100, &permyriad);
	if (r < 0)
		return r;
	if (permyriad == 0 || permyriad > 10000)
		return -ERANGE;
	*ret_permyriad = (uint32_t)permyriad;
	return 0;
}

static const struct duration_unit {
	const char *name;
	uint64_t ns;
} duration_units[] = {
	{"d", 86400 * NSEC_PER_SEC},
	{"h", 3600 * NSEC_PER_SEC},
	{"m", 60 * NSEC_PER_SEC},
	{"s", NSEC_PER_SEC},
	{"ms", NSEC_PER_MSEC},
	{"us", NSEC_PER_USEC},
	{"ns", 1},
};

/* The unit whose name is all letters at *s; moves *s behind it. NULL: no such unit. */
static const struct duration_unit *scan_duration_unit(const char **s)
{
	size_t length = strspn(*s, "abcdefghijklmnopqrstuvwxyz");

	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
		const struct duration_unit *unit = &duration_units[i];

		if (strlen(unit->name) == length && memcmp(unit->name, *s, length) == 0) {
			*s += length;
			return unit;
		}
	}
	return NULL;
}

int parse_duration(const char *s, uint64_t *ret_ns)
{
	uint64_t total = 0, below = UINT64_MAX;
	bool overflow = false, first = true;

	do {
		const struct duration_unit *unit;
		struct decimal number = {.scale = 1};
		uint64_t ns = 0;
		int r = scan_decimal(&s, &number);

		if (r == -EINVAL)
			return r;
		overflow |= r < 0;
		if (first && *s == '\0')
			unit = &duration_units[3];
		else
			unit = scan_duration_unit(&s);
		if (!unit || unit->ns >= below || (number.scale != 1 && *s != '\0'))
			return -EINVAL;
		overflow |= decimal_times(&number, unit->ns, &ns) < 0;
		overflow |= __builtin_add_overflow(total, ns, &total);
		below = unit->ns;
		first = false;
	} while (*s != '\0');

	if (overflow)
		return -ERANGE;
	*ret_ns = total;
	return 0;
}

int parse_pid(const char *s, pid_t *ret_pid)
{
	uint64_t value = 0;
	int r = parse_u64(s, &value);

	if (r < 0)
		return r;
	if (value == 0 || value > INT_MAX)
		return -ERANGE;
	*ret_pid = (pid_t)value;
	return 0;
}

const char *parse_field(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, key, length) == 0 && line[length] != '\0' &&
		    strchr(": \t", line[length])) {
			line += length;
			return line + strspn(line, ": \t");
		}
	}
	return NULL;
}

const char *parse_number(const char *text, int base, char end, uint64_t *ret)
{
	unsigned long long value;
	char *rest;

	if (!isxdigit((unsigned char)*text))
		return NULL;
	errno = 0;
	value = strtoull(text, &rest, base);
	if (errno || rest == text || *rest != end)
		return NULL;
	*ret = value;
	return rest + 1;
}

int parse_field_u64(const char *text, const char *key, uint64_t *ret)
{
	const char *value = parse_field(text, key);
	uint64_t number = 0;

	if (!value)
		return -ENOENT;
	if (scan_digits(&value, &number) < 0 || !strchr(" \t\n", *value))
		return -EBADMSG;
	*ret = number;
	return 0;
}

static const char *const signal_names[] = {
	[SIGHUP] = "HUP",   [SIGINT] = "INT",	    [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
	[SIGTRAP] = "TRAP", [SIGABRT] = "ABRT",	    [SIGBUS] = "BUS",	[SIGFPE] = "FPE",
	[SIGKILL] = "KILL", [SIGUSR1] = "USR1",	    [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
	[SIGPIPE] = "PIPE", [SIGALRM] = "ALRM",	    [SIGTERM] = "TERM", [SIGSTKFLT] = "STKFLT",
	[SIGCHLD] = "CHLD", [SIGCONT] = "CONT",	    [SIGSTOP] = "STOP", [SIGTSTP] = "TSTP",
	[SIGTTIN] = "TTIN", [SIGTTOU] = "TTOU",	    [SIGURG] = "URG",	[SIGXCPU] = "XCPU",
	[SIGXFSZ] = "XFSZ", [SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGWINCH] = "WINCH",
	[SIGIO] = "IO",	    [SIGPWR] = "PWR",	    [SIGSYS] = "SYS",
};

/* Indexed by distance from SIGRTMIN, which is 34 with glibc and 35 with musl; SIGRTMAX is 64. */
static const char *const realtime_names[] = {
	"RTMIN",    "RTMIN+1",	"RTMIN+2",  "RTMIN+3",	"RTMIN+4",  "RTMIN+5",	"RTMIN+6",
	"RTMIN+7",  "RTMIN+8",	"RTMIN+9",  "RTMIN+10", "RTMIN+11", "RTMIN+12", "RTMIN+13",
	"RTMIN+14", "RTMIN+15", "RTMIN+16", "RTMIN+17", "RTMIN+18", "RTMIN+19", "RTMIN+20",
	"RTMIN+21", "RTMIN+22", "RTMIN+23", "RTMIN+24", "RTMIN+25", "RTMIN+26", "RTMIN+27",
	"RTMIN+28", "RTMIN+29", "RTMIN+30",
};

/* "RTMIN", "RTMIN+n", "RTMAX", "RTMAX-n". */
static int parse_realtime_signal(const char *s, int *ret_signal)
{
	bool from_min = strncasecmp(s, "RTMIN", 5) == 0;
	uint64_t distance = 0;
	int r;

	if (!from_min && strncasecmp(s, "RTMAX", 5) != 0)
		return -EINVAL;
	if (s[5] != '\0') {
		if (s[5] != (from_min ? '+' : '-'))
			return -EINVAL;
		r = parse_u64(s + 6, &distance);
		if (r < 0)
			return r;
	}
	if (distance > (uint64_t)(SIGRTMAX - SIGRTMIN))
		return -ERANGE;
	*ret_signal = from_min ? SIGRTMIN + (int)distance : SIGRTMAX - (int)distance;
	return 0;
}

int parse_signal(const char *s, int *ret_signal)
{
	uint64_t number = 0;

	if (is_digit(*s)) {
		int r = parse_u64(s, &number);

		if (r < 0)
			return r;
		if ((number < 1 || number > 31) &&
		    (number < (uint64_t)SIGRTMIN || number > (uint64_t)SIGRTMAX))
			return -ERANGE;
		*ret_signal = (int)number;
		return 0;
	}

	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (int i = 1; i < (int)ARRAY_SIZE(signal_names); i++) {
		if (signal_names[i] && strcasecmp(s, signal_names[i]) == 0) {
			*ret_signal = i;
			return 0;
		}
	}
	return parse_realtime_signal(s, ret_signal);
}

const char *parse_signal_guess(const char *s)
{
	char upper[16] = "";
	struct text_guess guess = {.word = upper};

	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (size_t i = 0; i + 1 < sizeof(upper) && s[i]; i++)
		upper[i] = (char)toupper((unsigned char)s[i]);
	for (int i = 1; i < (int)ARRAY_SIZE(signal_names); i++) {
		if (signal_names[i] && i != SIGKILL && i != SIGSTOP)
			text_guess_offer(&guess, signal_names[i]);
	}
	return guess.nearest;
}

const char *signal_name(int signal)
{
	if (signal >= 1 && signal < (int)ARRAY_SIZE(signal_names) && signal_names[signal])
		return signal_names[signal];
	if (signal >= SIGRTMIN && signal <= SIGRTMAX &&
	    signal - SIGRTMIN < (int)ARRAY_SIZE(realtime_names))
		return realtime_names[signal - SIGRTMIN];
	return "?";
}

/* value / unit to the nearest; a half goes up. */
static uint64_t rounded(uint64_t value, uint64_t unit)
{
	return value / unit + (value % unit >= unit - unit / 2);
}

void format_size(char *buf, size_t size, uint64_t bytes)
{
	static const char letters[] = "KMGTPE";
	uint64_t unit = 1024, tenths;
	int i = 0;

	if (bytes == UINT64_MAX) {
		snprintf(buf, size, "unlimited");
		return;
	}
	if (bytes < 1024) {
		snprintf(buf, size, "%" PRIu64 " B", bytes);
		return;
	}

	/* Whole and fraction apart do not overflow. What rounds up to 1024 takes the next unit. */
	for (;; i++, unit *= 1024) {
		tenths = bytes / unit * 10 + rounded(bytes % unit * 5, unit / 2);
		if (tenths < 10240 || letters[i + 1] == '\0')
			break;
	}
	snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " %ciB", tenths / 10, tenths % 10, letters[i]);
}

void format_duration(char *buf, size_t size, uint64_t ns)
{
	uint64_t seconds = ns / NSEC_PER_SEC;

	if (ns < NSEC_PER_USEC) {
		snprintf(buf, size, "%" PRIu64 " ns", ns);
	} else if (rounded(ns, NSEC_PER_USEC) < 1000) {
		snprintf(buf, size, "%" PRIu64 " us", rounded(ns, NSEC_PER_USEC));
	} else if (rounded(ns, NSEC_PER_MSEC / 100) < 1000) {
		uint64_t hundredths = rounded(ns, NSEC_PER_MSEC / 100);

		snprintf(buf, size, "%" PRIu64 ".%02" PRIu64 " ms", hundredths / 100,
			 hundredths % 100);
	} else if (rounded(ns, NSEC_PER_MSEC / 10) < 1000) {
		uint64_t tenths = rounded(ns, NSEC_PER_MSEC / 10);

		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " ms", tenths / 10, tenths % 10);
	} else if (rounded(ns, NSEC_PER_MSEC) < 1000) {
		snprintf(buf, size, "%" PRIu64 " ms", rounded(ns, NSEC_PER_MSEC));
	} else if (rounded(ns, NSEC_PER_SEC / 10) < 600) {
		uint64_t tenths = rounded(ns, NSEC_PER_SEC / 10);

		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " s", tenths / 10, tenths % 10);
	} else if (seconds < 3600) {
		/* 59.96 s rounds to a minute: "1m00s", not "0m59s". */
		seconds = MAX(seconds, (uint64_t)60);
		snprintf(buf, size, "%" PRIu64 "m%02" PRIu64 "s", seconds / 60, seconds % 60);
	} else {
		snprintf(buf, size, "%" PRIu64 "h%02" PRIu64 "m", seconds / 3600,
			 seconds / 60 % 60);
	}
}
