// SPDX-License-Identifier: BSD-2-Clause
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

#include "symbols/symbols.h"

#define MANGLED_MAX 4096

/*
 * A name as it is expanded. Parts can refer to earlier parts, so that 300 bytes expand to more than
 * there is time for: the expansion ends when the room is full.
 */
struct name {
	char *text;
	size_t length;
	jmp_buf full;
};

static void take(const char *part, size_t length, void *userdata)
{
	struct name *name = userdata;
	size_t room = SYMBOL_NAME_MAX - 1 - name->length, taken = length < room ? length : room;

	if (!length) /* then the part may be NULL */
		return;
	memcpy(name->text + name->length, part, taken);
	name->length += taken;
	name->text[name->length] = '\0';
	if (taken < length)
		longjmp(name->full, 1);
}

typedef int (*demangle_fn)(const char *mangled, int options, demangle_callbackref callback,
			   void *userdata);

/*
 * The longjmp() of take() leaks what libiberty has decoded a non-ASCII Rust identifier in, if it is just
 * then: at most 16 KiB, and the process ends soon. Nothing else in these functions is allocated.
 */
static bool expand(demangle_fn fn, const char *mangled, char ret[SYMBOL_NAME_MAX])
{
	struct name name = {.text = ret};

	if (setjmp(name.full))
		return true;
	return fn(mangled, DMGL_NO_OPTS, take, &name) && name.length;
}

void demangle(const char *name, char ret[SYMBOL_NAME_MAX])
{
	if (name[0] != '_' || strnlen(name, MANGLED_MAX) == MANGLED_MAX ||
	    (!expand(rust_demangle_callback, name, ret) &&
	     !expand(cplus_demangle_v3_callback, name, ret)))
		symbol_copy(ret, name);
}
