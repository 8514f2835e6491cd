// SPDX-License-Identifier: BSD-2-Clause
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbols/symbols.h"

#define MANGLED_MAX 4096
#define EXPANDED_MAX (16UL << 20) /* of one name, and of all */

typedef char *(*demangle_fn)(const char *mangled, char *buffer, size_t *length, int *status);

static demangle_fn demangler;

void demangle_prepare(void)
{
	void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);

	if (library)
		*(void **)&demangler = dlsym(library, "__cxa_demangle");
}

/*
 * A part that stands for an earlier one ("S1_", "T_") may double what there is, so that 300 bytes
 * become more than there is memory and time for. With three to a level n of them make it 3^(n/3)
 * times as long, which is less than 1.5^n.
 */
static bool is_bomb(const char *name)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t bound = strlen(name);

	for (; *name && bound <= EXPANDED_MAX; name++)
		if ((*name == 'S' || *name == 'T') && name[1 + strspn(name + 1, digits)] == '_')
			bound += bound / 2;
	return bound > EXPANDED_MAX;
}

static char *expand(const char *name)
{
	static size_t expanded;
	char *plain;

	if (!demangler || strncmp(name, "_Z", 2) != 0 || strlen(name) >= MANGLED_MAX ||
	    is_bomb(name) || expanded > EXPANDED_MAX)
		return NULL;
	plain = demangler(name, NULL, NULL, NULL);
	expanded += plain ? strlen(plain) : 0;
	return plain;
}

/* "a::b::h0123456789abcdef": Rust's hash says nothing to anyone. */
static void cut_rust_hash(char *name)
{
	size_t length = strlen(name);
	char *hash = length > 19 ? name + length - 19 : NULL;

	if (hash && strncmp(hash, "::h", 3) == 0 && strspn(hash + 3, "0123456789abcdef") == 16)
		*hash = '\0';
}

void demangle(const char *name, char ret[SYMBOL_NAME_MAX])
{
	char *plain = expand(name);

	snprintf(ret, SYMBOL_NAME_MAX, "%s", plain ? plain : name);
	cut_rust_hash(ret);
	free(plain);
}
