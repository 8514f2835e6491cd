// SPDX-License-Identifier: BSD-2-Clause
#include "engine/microhttpd.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"

/* A function's address as dlsym(3) gives it. */
static bool find(void *handle, const char *name, void *ret)
{
	void *address = dlsym(handle, name);

	memcpy(ret, &address, sizeof(address));
	return address;
}

int microhttpd_load(struct microhttpd *ret)
{
	struct microhttpd library = {.handle = dlopen(MICROHTTPD_SONAME, RTLD_NOW | RTLD_LOCAL)};
	bool is_whole = library.handle;

#define MICROHTTPD_FIND(name) \
	is_whole = is_whole && find(library.handle, "MHD_" #name, &library.name);
	MICROHTTPD_EACH(MICROHTTPD_FIND)
#undef MICROHTTPD_FIND
	if (!is_whole) {
		log_debug("%s", dlerror() ?: MICROHTTPD_SONAME);
		return -ENOENT;
	}
	*ret = library;
	return 0;
}
