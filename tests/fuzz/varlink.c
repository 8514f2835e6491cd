/* SPDX-License-Identifier: BSD-2-Clause */
/* A call that systemd-oomd makes, or somebody in its place. What it names comes back in an answer. */
#include "output/varlink.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const json_t *parameters = NULL;
	const char *method = NULL;
	json_t *call = varlink_call((const char *)data, size, &method, &parameters);
	_cleanup_free_ char *answer = NULL;
	json_t *document;

	FUZZ_CHECK(!call == !method);
	if (!call)
		return 0;
	answer = varlink_error("org.varlink.service.MethodNotFound", "method", method);
	document = answer ? json_loads(answer, 0, NULL) : NULL;
	FUZZ_CHECK(document && json_string_value(json_object_get(
				       json_object_get(document, "parameters"), "method")));
	json_decref(document);
	json_decref(call);
	return 0;
}
