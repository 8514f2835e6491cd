/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers, sizes, times and signals, from files and from people, and fields of kernel files: the second
 * part is the key that is looked for in the first.
 */
#include "base/parse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/util.h"
#include "fuzz/fuzz.h"

static void check_values(const char *text)
{
	char shown[16];
	uint64_t number;
	uint32_t permyriad;
	int signal;
	pid_t pid;

	(void)parse_u64(text, &number);
	if (parse_size(text, &number) == 0)
		format_size(shown, sizeof(shown), number);
	if (parse_duration(text, &number) == 0)
		format_duration(shown, sizeof(shown), number);
	if (parse_percent(text, &permyriad) == 0)
		FUZZ_CHECK(permyriad && permyriad <= 10000);
	if (parse_pid(text, &pid) == 0)
		FUZZ_CHECK(pid > 0);
	if (parse_signal(text, &signal) == 0) {
		int again = 0;

		FUZZ_CHECK(parse_signal(signal_name(signal), &again) == 0 && again == signal);
	}
}

static void check_fields(const char *text, const char *key)
{
	const char *value = *key ? parse_field(text, key) : NULL;
	uint64_t number;

	if (value)
		FUZZ_CHECK(value > text && value <= text + strlen(text));
	if (*key)
		(void)parse_field_u64(text, key, &number);
	for (const char *at = text; at; at = parse_number(at, 16, ' ', &number))
		FUZZ_CHECK(at <= text + strlen(text));
	(void)parse_number(text, 10, '\0', &number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	_cleanup_free_ char *text = fuzz_part(&input, NULL);
	_cleanup_free_ char *key = fuzz_part(&input, NULL);

	check_values(text);
	check_fields(text, key);
	return 0;
}
