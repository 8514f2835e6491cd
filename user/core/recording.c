// SPDX-License-Identifier: BSD-2-Clause
#include "core/recording.h"

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

const char *recording_interpreter_trouble(const struct recording_interpreter *interpreter)
{
	static const char *const words[] = {
		[APO_PYTHON_OLDER] = "it is older than what is understood, 3.8 to 3.15",
		[APO_PYTHON_NEWER] = "it is newer than what is understood, 3.8 to 3.15",
		[APO_PYTHON_WITHOUT_GIL] = "builds without the GIL (free-threaded) are not "
					   "understood, others of that version are",
		[APO_PYTHON_STRANGE] = "its structures are not those of that version",
		[APO_PYTHON_WITHOUT_NAMES] =
			"it has no symbols that say where its structures are, as every "
			"distribution's has (it is stripped, or another program has it built in)",
		[APO_PYTHON_UNREADABLE] = "who allocated ran none of its code, or its structures "
					  "are not those of that version",
	};

	return interpreter->is_known && interpreter->trouble < ARRAY_SIZE(words)
		       ? words[interpreter->trouble]
		       : NULL;
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

void recording_forget_places(struct recording *recording)
{
	for (size_t i = 0; i < recording->location_count; i++)
		recording_location_clear(&recording->locations[i]);
	for (size_t i = 0; i < recording->stack_count; i++) {
		free(recording->stacks[i].locations);
		recording->stacks[i].locations = NULL;
		recording->stacks[i].count = 0;
	}
	free(recording->locations);
	recording->locations = NULL;
	recording->location_count = 0;
}

struct recording *recording_free(struct recording *recording)
{
	if (!recording)
		return NULL;
	recording_forget_modules(recording);
	recording_forget_places(recording);
	free(recording->stacks);
	free(recording->usage_samples);
	free(recording);
	return NULL;
}

/* --- who it was ---------------------------------------------------------------------------- */

/* What is asked of a place for every stack that it is in. Names are compared once: there may be many. */
struct place {
	enum runtime file, runtime; /* of the file it is in; of its functions, if all are of one */
	bool is_by_sign; /* the file by what is in it: it has the program's own code, too */
	bool is_sign;
	size_t function; /* the innermost of the program's own; SIZE_MAX: none */
	bool is_script;
	bool is_package;   /* that function is of one that was installed */
	bool is_code;	   /* compiled at run time, and without a name */
	const char *space; /* of its runtime, what it is about; NULL: nothing that is known */
	unsigned int rank;
};

/* What a module is of. */
struct origin {
	enum runtime runtime;
	bool is_by_sign; /* not by its name */
};

/* RUNTIME_NONE: it is no sign of any. */
static enum runtime sign_of(const struct recording_location *location)
{
	const char *name = location->function_count ? location->functions[0].name : NULL;

	return name && !location->is_script ? runtime_of_sign(name) : RUNTIME_NONE;
}

/* Of each module, by its name or by what is in it. */
static void find_origins(const struct recording *recording, struct origin *ret)
{
	for (size_t i = 0; i < recording->module_count; i++)
		ret[i].runtime = runtime_of_file(recording->modules[i].path);
	for (size_t i = 0; i < recording->location_count; i++) {
		const struct recording_location *location = &recording->locations[i];
		enum runtime sign = sign_of(location);

		if (sign && location->module < recording->module_count &&
		    !ret[location->module].runtime)
			ret[location->module] = (struct origin){sign, true};
	}
}

static struct place place_of(const struct recording *recording,
			     const struct recording_location *location, struct origin origin)
{
	enum runtime file = origin.runtime;
	struct place place = {
		.file = file,
		.is_by_sign = origin.is_by_sign,
		.is_sign = sign_of(location) != RUNTIME_NONE,
		.function = SIZE_MAX,
		.is_script = location->is_script,
		.is_package = location->module < recording->module_count &&
			      runtime_is_package(recording->modules[location->module].path),
	};

	for (size_t i = 0; i < location->function_count; i++) {
		const struct recording_function *function = &location->functions[i];
		enum runtime runtime = location->is_script ? runtime_of_script(function->source)
				       : function->name ? runtime_of_function(file, function->name,
									      function->source)
							: RUNTIME_NONE;

		place.runtime = MAX(place.runtime, runtime);
		if (function->name && !runtime) {
			place.function = i;
			if (location->is_script)
				place.is_package = runtime_is_package_script(function->source);
			break;
		}
	}
	return place;
}

static bool is_code(const struct recording *recording, const struct recording_location *location)
{
	const char *path = location->module < recording->module_count
				   ? recording->modules[location->module].path
				   : NULL;

	return !location->function_count && path && strcmp(path, RECORDING_JIT) == 0;
}

/* What the functions of its runtime are about. */
static void find_space(const struct recording_location *location, struct place *place)
{
	enum runtime runtime = MAX(place->file, place->runtime);

	for (size_t i = 0; i < location->function_count && !place->space; i++)
		if (location->functions[i].name)
			place->space =
				runtime_space(runtime, location->functions[i].name, &place->rank);
}

static bool has_sign(const struct place *places, const struct recording_stack *stack)
{
	for (size_t i = 0; i < stack->count; i++)
		if (places[stack->locations[i]].is_sign)
			return true;
	return false;
}

/* Of a stack that is all a runtime's: what is told best, else that it was code without names. */
static const char *space_of(const struct place *places, const struct recording_stack *stack,
			    enum runtime runtime)
{
	const struct place *best = NULL;
	bool is_code = false;

	for (size_t i = 0; i < stack->count; i++) {
		const struct place *place = &places[stack->locations[i]];

		is_code |= place->is_code;
		if (place->space && MAX(place->file, place->runtime) == runtime &&
		    (!best || place->rank < best->rank))
			best = place;
	}
	if (best)
		return best->space;
	return is_code ? runtime_code(runtime) : NULL;
}

/*
 * All of a file that has a runtime linked in is that runtime's only where that runs: the rest is the program's own. Of
 * a script that calls a package the script is to blame, whatever the package does, be it in C; else the package's own
 * script, or what it has in C.
 */
static struct recording_owner owner_of(const struct place *places,
				       const struct recording_stack *stack, enum runtime host)
{
	bool is_running = has_sign(places, stack);
	uint32_t unnamed = RECORDING_NONE, package = RECORDING_NONE;
	enum runtime runtime = RUNTIME_NONE;

	for (size_t i = 0; i < stack->count; i++) {
		uint32_t index = stack->locations[i];
		const struct place *place = &places[index];

		if (runtime_owns_files(place->file) && (!place->is_by_sign || is_running)) {
			runtime = MAX(runtime, place->file);
		} else if (place->function != SIZE_MAX && place->is_package) {
			if (package == RECORDING_NONE ||
			    (place->is_script && !places[package].is_script))
				package = index;
		} else if (place->function != SIZE_MAX &&
			   (package == RECORDING_NONE || place->is_script)) {
			return (struct recording_owner){index, place->function, RUNTIME_NONE, NULL};
		} else if (place->runtime) {
			runtime = MAX(runtime, place->runtime);
		} else if (place->is_code && host) {
			runtime = MAX(runtime, host);
		} else if (unnamed == RECORDING_NONE) {
			unnamed = index;
		}
	}
	if (package != RECORDING_NONE)
		return (struct recording_owner){package, places[package].function, RUNTIME_NONE,
						NULL};
	if (unnamed != RECORDING_NONE)
		return (struct recording_owner){unnamed, 0, RUNTIME_NONE, NULL};
	return (struct recording_owner){RECORDING_NONE, 0, runtime,
					space_of(places, stack, runtime)};
}

/* What compiles code in this process, if anything does. */
static enum runtime find_host(const struct recording *recording, const struct origin *origins)
{
	enum runtime host = RUNTIME_NONE;

	for (size_t i = 0; i < recording->module_count; i++)
		if (runtime_code(origins[i].runtime))
			host = MAX(host, origins[i].runtime);
	return host;
}

int recording_owners(const struct recording *recording, struct recording_owner *ret)
{
	_cleanup_free_ struct place *places =
		calloc(recording->location_count + 1, sizeof(*places));
	_cleanup_free_ struct origin *origins =
		calloc(recording->module_count + 1, sizeof(*origins));
	enum runtime host;

	if (!places || !origins)
		return -ENOMEM;
	find_origins(recording, origins);
	host = find_host(recording, origins);
	for (size_t i = 0; i < recording->location_count; i++) {
		const struct recording_location *location = &recording->locations[i];

		places[i] = place_of(recording, location,
				     location->module < recording->module_count
					     ? origins[location->module]
					     : (struct origin){RUNTIME_NONE, false});
		places[i].is_code = is_code(recording, location);
		find_space(location, &places[i]);
	}
	for (size_t i = 0; i < recording->stack_count; i++)
		ret[i] = owner_of(places, &recording->stacks[i], host);
	return 0;
}
