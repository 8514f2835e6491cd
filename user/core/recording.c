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

static bool is_runtime_function(const char *name, bool is_go)
{
	return matches(runtime_functions, ARRAY_SIZE(runtime_functions), name) ||
	       (is_go && is_go_library(name));
}

/* The innermost function at a place that is not of an allocator or a language's library. */
static size_t find_function(const struct recording_location *location, bool is_go)
{
	for (size_t i = 0; i < location->function_count; i++) {
		const char *name = location->functions[i].name;

		if (name && !is_runtime_function(name, is_go))
			return i;
	}
	return SIZE_MAX;
}

/* What is asked of a place for every stack that it is in. Names are compared once: there may be many. */
struct place {
	bool in_runtime_module;
	bool is_unnamed;
	bool is_go_runtime;
	size_t function, go_function; /* in a stack of Go; SIZE_MAX: none */
};

static struct place place_of(const struct recording *recording,
			     const struct recording_location *location)
{
	const char *name = location->function_count ? location->functions[0].name : NULL;

	return (struct place){
		.in_runtime_module = in_runtime_module(recording, location),
		.is_unnamed = !location->function_count,
		.is_go_runtime = name && strncmp(name, "runtime.", 8) == 0,
		.function = find_function(location, false),
		.go_function = find_function(location, true),
	};
}

static bool is_go_stack(const struct place *places, const struct recording_stack *stack)
{
	for (size_t i = 0; i < stack->count; i++)
		if (places[stack->locations[i]].is_go_runtime)
			return true;
	return false;
}

static struct recording_owner owner_of(const struct place *places,
				       const struct recording_stack *stack)
{
	uint32_t unnamed = RECORDING_NONE;
	struct recording_owner in_runtime = {.location = RECORDING_NONE};
	bool is_go = is_go_stack(places, stack);

	for (size_t i = 0; i < stack->count; i++) {
		uint32_t index = stack->locations[i];
		const struct place *place = &places[index];
		size_t function = is_go ? place->go_function : place->function;
		const struct recording_owner found = {index, function};

		if (place->in_runtime_module) {
			if (function != SIZE_MAX && in_runtime.location == RECORDING_NONE)
				in_runtime = found;
		} else if (function != SIZE_MAX) {
			return found;
		} else if (place->is_unnamed && unnamed == RECORDING_NONE) {
			unnamed = index;
		}
	}
	if (unnamed != RECORDING_NONE)
		return (struct recording_owner){.location = unnamed};
	if (in_runtime.location != RECORDING_NONE)
		return in_runtime;
	return (struct recording_owner){
		.location = stack->count ? stack->locations[0] : RECORDING_NONE,
	};
}

int recording_owners(const struct recording *recording, struct recording_owner *ret)
{
	_cleanup_free_ struct place *places =
		calloc(recording->location_count + 1, sizeof(*places));

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < recording->location_count; i++)
		places[i] = place_of(recording, &recording->locations[i]);
	for (size_t i = 0; i < recording->stack_count; i++)
		ret[i] = owner_of(places, &recording->stacks[i]);
	return 0;
}
