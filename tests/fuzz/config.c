/* SPDX-License-Identifier: BSD-2-Clause */
/* Two files of a configuration, the second over the first, and the path of a cgroup, which a tenant may have named. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/config.h"
#include "fuzz/fuzz.h"

static void complain(const char *line, void *userdata)
{
	size_t *count = userdata;

	++*count;
	FUZZ_CHECK(line && !strpbrk(line, "\n\033"));
}

static void check_guard(const struct config *config, size_t index)
{
	const struct config_guard *guard = config_guard(config, index);

	FUZZ_CHECK(!guard->name == (index == config_guards(config) - 1));
	FUZZ_CHECK(!guard->name || (*guard->name && strlen(guard->name) < CONFIG_NAME_LEN));
	FUZZ_CHECK(guard->policy.signal > 0 && guard->policy.signal <= 64);
	for (size_t i = 0; i < config_values(); i++) {
		struct config_value value = config_value(config, index, i);

		FUZZ_CHECK(value.key && value.value);
		FUZZ_CHECK(!value.file == !value.line && !value.file == !value.section);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	_cleanup_free_ char *first = fuzz_part(&input, NULL), *second = fuzz_part(&input, NULL),
			    *name = fuzz_part(&input, NULL), *cgroup = NULL;
	struct config *config = config_new();
	size_t complaints = 0, length = 0, found;

	FUZZ_CHECK(config && asprintf(&cgroup, "/%s", name) > 0);
	FUZZ_CHECK(config_add(config, "first", first, complain, &complaints) == 0);
	FUZZ_CHECK(config_add(config, "second", second, complain, &complaints) == 0);
	FUZZ_CHECK(config_finish(config, complain, &complaints) == 0);
	FUZZ_CHECK(complaints == config_mistakes(config));
	FUZZ_CHECK(config_guards(config) > 0 && config_guards(config) <= CONFIG_GUARDS_MAX + 1);
	for (size_t i = 0; i < config_guards(config); i++)
		check_guard(config, i);
	found = config_covering(config, cgroup, &length);
	FUZZ_CHECK(found < config_guards(config) && length <= strlen(cgroup));
	FUZZ_CHECK(config_fingerprint(config));
	config_free(config);
	return 0;
}
