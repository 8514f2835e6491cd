// SPDX-License-Identifier: BSD-2-Clause
#include "engine/leftovers.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "engine/host.h"
#include "rescue/airbag.h"
#include "source/source.h"

/* As a next instance does it at its start, and at its end. */
static int put_back(void)
{
	struct airbag *airbag = NULL;
	struct host host;
	int r = host_open(&host);

	if (!r)
		r = airbag_new(&airbag, &(const struct airbag_config){
						.tree = host.tree,
						.proc_fd = host.proc_fd,
						.page_bytes = host.page_bytes,
					});
	airbag_free(airbag);
	host_close(&host);
	return r;
}

int leftovers_remove(const char *pin_dir)
{
	int n = pin_dir ? source_remove_kept(pin_dir) : 0, r = put_back();

	if (r)
		log_warn("cannot look for limits that are still raised: %s", strerror(-r));
	return n > 0 ? 1 : n == -ENOENT ? 0 : n;
}
