/* SPDX-License-Identifier: BSD-2-Clause */
/* A name of a symbol. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "symbols/symbols.h"

/* The one leak that is known of: see expand() in symbols/demangle.c. The frame is libiberty's. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:print_ident\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *name = fuzz_text(data, size);
	char plain[SYMBOL_NAME_MAX];

	memset(plain, 'x', sizeof(plain));
	demangle(name, plain);
	FUZZ_CHECK(memchr(plain, '\0', sizeof(plain)));
	FUZZ_CHECK(!*name == !*plain);
	return 0;
}
