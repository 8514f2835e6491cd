// SPDX-License-Identifier: BSD-2-Clause
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbols/symbols.h"

#define MANGLED_MAX 4096 /* longer ones are bombs */

typedef char *(*demangle_fn)(const char *mangled, char *buffer, size_t *length, int *status);

static demangle_fn demangler;

void demangle_prepare(void)
{
	void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);

	if (library)
		*(void **)&demangler = dlsym(library, "__cxa_demangle");
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
	bool mangled = strncmp(name, "_Z", 2) == 0 && strlen(name) < MANGLED_MAX;
	char *plain = mangled && demangler ? demangler(name, NULL, NULL, NULL) : NULL;

	snprintf(ret, SYMBOL_NAME_MAX, "%s", plain ? plain : name);
	cut_rust_hash(ret);
	free(plain);
}
