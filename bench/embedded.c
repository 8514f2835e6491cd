/* SPDX-License-Identifier: BSD-2-Clause */
#include "embedded.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "bench.h"

#define OLDEST 8 /* 3.8 */
#define NEWEST 15
/* Of a service: a process is looked at when it holds a 32nd of its limit. */
#define STATE_BYTES (32 * MIB)

struct embedded {
	void *library;
	unsigned int depth;
	void *function; /* a PyObject; NULL: it is not started */
	void *state;
};

/* What the function in Python calls: ctypes passes nothing. */
static void (*current)(void *arg);
static void *current_arg;

static void call_current(void)
{
	current(current_arg);
}

struct embedded *embedded_open(unsigned int depth)
{
	struct embedded *embedded = calloc(1, sizeof(*embedded));

	if (!embedded)
		fail("out of memory");
	embedded->depth = depth;
	for (int minor = NEWEST; minor >= OLDEST && !embedded->library; minor--)
		embedded->library =
			dlopen(text("libpython3.%d.so.1.0", minor), RTLD_LAZY | RTLD_GLOBAL);
	return embedded->library ? embedded : embedded_free(embedded);
}

struct embedded *embedded_free(struct embedded *embedded)
{
	if (embedded)
		free(embedded->state);
	free(embedded); /* the library stays: it has been used */
	return NULL;
}

static void *symbol(const struct embedded *embedded, const char *name)
{
	void *found = dlsym(embedded->library, name);

	if (!found)
		fail("the library of CPython has no %s", name);
	return found;
}

static void start(struct embedded *embedded)
{
	void (*initialize)(int) = symbol(embedded, "Py_InitializeEx");
	int (*run)(const char *) = symbol(embedded, "PyRun_SimpleString");
	void *(*module)(const char *) = symbol(embedded, "PyImport_AddModule");
	void *(*attribute)(void *, const char *) = symbol(embedded, "PyObject_GetAttrString");

	embedded->state = malloc(STATE_BYTES);
	if (!embedded->state)
		fail("out of memory");
	memset(embedded->state, 1, STATE_BYTES);
	initialize(0);
	if (run(text("import ctypes\n"
		     "back = ctypes.CFUNCTYPE(None)(%ju)\n"
		     "def call(n):\n"
		     "  if n:\n"
		     "    call(n - 1)\n"
		     "  else:\n"
		     "    back()\n"
		     "def begin():\n"
		     "  call(%u)\n",
		     (uintmax_t)(uintptr_t)call_current, embedded->depth - 2)))
		fail("CPython has no ctypes");
	embedded->function = attribute(module("__main__"), "begin");
}

void embedded_call(struct embedded *embedded, void (*fn)(void *arg), void *arg)
{
	void *(*call)(void *, void *) = symbol(embedded, "PyObject_CallObject");

	if (!embedded->function)
		start(embedded);
	current = fn;
	current_arg = arg;
	if (!call(embedded->function, NULL))
		fail("a function in Python has failed");
}
