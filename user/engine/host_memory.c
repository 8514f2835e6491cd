/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/host_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "sense/machine.h"

/* Thousandths. */
#define PREFERRED 10000
#define AVOIDED 100

/* words: checked by core/config_keys.c. */
static int weigh(struct source *source, const char *words, uint32_t weight)
{
	int r = 0;

	while (!r && words && *words) {
		size_t length = strcspn(words, " \t");
		bool is_prefix = length && words[length - 1] == '*';
		char name[APO_COMM_LEN];

		snprintf(name, sizeof(name), "%.*s", (int)(length - is_prefix), words);
		r = source_weigh_command(source, name, is_prefix, weight);
		words += length + strspn(words + length, " \t");
	}
	return r;
}

int host_memory_guard(struct source *source, uint32_t policy, const struct config *config,
		      uint64_t page_bytes)
{
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t total_bytes = 0, available_bytes = 0;
	int r = proc_fd < 0 ? -errno : machine_memory_read(proc_fd, &total_bytes, &available_bytes);

	if (r)
		return r;
	r = weigh(source, config_host_prefers(config), PREFERRED)
		    ?: weigh(source, config_host_avoids(config), AVOIDED);
	return r
		       ?: source_guard_host(source, &(const struct source_host){
							    .policy = policy,
							    .pages = total_bytes / page_bytes,
							    .available_pages = MAX(
								    available_bytes / page_bytes,
								    (uint64_t)1),
						    });
}
