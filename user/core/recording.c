// SPDX-License-Identifier: BSD-2-Clause
#include "core/recording.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct recording *recording_new(void)
{
	return calloc(1, sizeof(struct recording));
}

void recording_location_clear(struct recording_location *location)
{
	for (size_t i = 0; i < location->function_count; i++) {
		free(location->functions[i].name);
		free(location->functions[i].source);
	}
	free(location->functions);
	*location = (struct recording_location){};
}

void recording_forget_modules(struct recording *recording)
{
	for (size_t i = 0; i < recording->module_count; i++) {
		free(recording->modules[i].path);
		free(recording->modules[i].build_id);
		free(recording->modules[i].error);
	}
	free(recording->modules);
	recording->modules = NULL;
	recording->module_count = 0;
}

struct recording *recording_free(struct recording *recording)
{
	if (!recording)
		return NULL;
	recording_forget_modules(recording);
	for (size_t i = 0; i < recording->location_count; i++)
		recording_location_clear(&recording->locations[i]);
	for (size_t i = 0; i < recording->stack_count; i++)
		free(recording->stacks[i].locations);
	free(recording->locations);
	free(recording->stacks);
	free(recording->usage_samples);
	free(recording);
	return NULL;
}

/* --- who it was ---------------------------------------------------------------------------- */

/* Modules that hold no code of the program itself. */
static const char *const runtime_modules[] = {
	"libc.so.*",	 "libc-2.*.so",	  "ld-linux*.so.*",   "ld-2.*.so",
	"ld-musl-*",	 "libm.so.*",	  "libpthread*.so.*", "libstdc++.so.*",
	"libc++.so.*",	 "libgcc_s.so.*", "libjemalloc.*",    "libtcmalloc*",
	"libmimalloc*",	 "libpython*",	  "python3*",	      "libnode.so.*",
	"node",		 "nodejs",	  "libjvm.so",	      "libv8*",
	"libruby*",	 "ruby*",	  "[[]vdso]",	      "[[]vsyscall]",
	"libcoreclr.so",
};

/* The same linked into a program; and helpers that allocate for their callers. */
static const char *const runtime_functions[] = {
	"malloc",	"calloc",	  "realloc",	   "reallocarray",
	"free",		"posix_memalign", "aligned_alloc", "memset",
	"memcpy",	"memmove",	  "mempcpy",	   "__mem*",
	"__str*",	"strdup",	  "strndup",	   "_int_malloc",
	"_int_realloc", "_int_free",	  "_mid_memalign", "sysmalloc*",
	"__libc_*",	"__GI_*",	  "brk",	   "sbrk",
	"mmap",		"mmap64",	  "mremap",	   "madvise",
	"clear_page*",	"operator new*",  "std::*",	   "__gnu_cxx::*",
	"je_*",		"tc_*",		  "mi_*",	   "alloc::*",
	"core::*",	"<alloc::*",	  "<core::*",	   "<* as alloc::*",
	"<std::*",	"hashbrown::*",	  "<hashbrown::*", "__rust_*",
	"__rdl_*",	"_Py*",		  "Py*",	   "v8::*",
	"node::*",	"Builtin:*",	  "Builtins_*",	   "BytecodeHandler:*",
	"Stub:*",	"RegExp:*",	  "py::<frozen*",  "* node:*",
};

static bool matches(const char *const patterns[], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

static bool in_runtime_module(const struct recording *recording,
			      const struct recording_location *location)
{
	const char *path = location->module < recording->module_count
				   ? recording->modules[location->module].path
				   : NULL;
	const char *slash = path ? strrchr(path, '/') : NULL;

	return path &&
	       matches(runtime_modules, ARRAY_SIZE(runtime_modules), slash ? slash + 1 : path);
}

/*
 * Go's names begin with the path of their package. The standard library's has no dot in its first
 * part, and a program's own code is in "main" or below a domain.
 */
static bool is_go_library(const char *name)
{
	size_t part = strcspn(name, "/");
	bool in_path = name[part] == '/';

	if (strncmp(name, "main.", 5) == 0)
		return false;
	return !in_path || !memchr(name, '.', part);
}

static bool is_go_stack(const struct recording *recording, const struct recording_stack *stack)
{
	for (size_t i = 0; i < stack->count; i++) {
		const struct recording_location *location =
			&recording->locations[stack->locations[i]];
		const char *name = location->function_count ? location->functions[0].name : NULL;

		if (name && strncmp(name, "runtime.", 8) == 0)
			return true;
	}
	return false;
}

static bool is_runtime_function(const char *name, bool is_go)
{
	return matches(runtime_functions, ARRAY_SIZE(runtime_functions), name) ||
	       (is_go && is_go_library(name));
}

/* The innermost function at a place that is not of an allocator or a language's library. */
static bool find_function(const struct recording_location *location, bool is_go, size_t *ret)
{
	for (size_t i = 0; i < location->function_count; i++) {
		const char *name = location->functions[i].name;

		if (name && !is_runtime_function(name, is_go)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

uint32_t recording_owner(const struct recording *recording, const struct recording_stack *stack,
			 size_t *ret_function)
{
	uint32_t unnamed = RECORDING_NONE, in_runtime = RECORDING_NONE;
	bool is_go = is_go_stack(recording, stack);
	size_t runtime_function = 0, function = 0;

	*ret_function = 0;
	for (size_t i = 0; i < stack->count; i++) {
		uint32_t place = stack->locations[i];
		const struct recording_location *location = &recording->locations[place];
		bool found = find_function(location, is_go, &function);

		if (in_runtime_module(recording, location)) {
			if (found && in_runtime == RECORDING_NONE) {
				in_runtime = place;
				runtime_function = function;
			}
		} else if (found) {
			*ret_function = function;
			return place;
		} else if (!location->function_count && unnamed == RECORDING_NONE) {
			unnamed = place;
		}
	}
	if (unnamed != RECORDING_NONE)
		return unnamed;
	if (in_runtime != RECORDING_NONE) {
		*ret_function = runtime_function;
		return in_runtime;
	}
	return stack->count ? stack->locations[0] : RECORDING_NONE;
}
