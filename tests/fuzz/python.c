/* SPDX-License-Identifier: BSD-2-Clause */
/* A code object of CPython, as its process had it in memory: names of any width, and its table of lines. */
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "symbols/python.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct apo_python_code code;
	static struct symbol symbol;

	memset(&code, 0, sizeof(code));
	memcpy(&code, data, MIN(size, sizeof(code)));
	/* What no kernel side would write is for the versions: there are seven. */
	code.version = 0x308 + code.version % 7;
	for (uint32_t at = 0; at < 4096; at += 1 + at / 8) {
		python_name(&code, at, &symbol);
		FUZZ_CHECK(memchr(symbol.function, '\0', SYMBOL_NAME_MAX));
		FUZZ_CHECK(memchr(symbol.source, '\0', SYMBOL_NAME_MAX));
	}
	return 0;
}
