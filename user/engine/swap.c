// SPDX-License-Identifier: BSD-2-Clause
#include "engine/swap.h"

#include <fcntl.h>

#include "base/util.h"
#include "sense/machine.h"

static void tell(const struct swap_watch *watch)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct machine machine;
	uint64_t address = 0;

	if (root_fd < 0 || machine_read(root_fd, &machine))
		return;
	if (machine.swap_total_bytes)
		address = machine_kernel_symbol(root_fd, "nr_swap_pages");
	source_set_swap(watch->source, machine.swap_free_bytes / watch->page_bytes, address);
}

static void on_swaps(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	tell(poll->data);
}

int swap_watch_start(struct swap_watch *watch, struct source *source, uint64_t page_bytes,
		     uv_loop_t *loop)
{
	int r;

	watch->source = source;
	watch->page_bytes = page_bytes;
	watch->fd = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
	tell(watch);
	if (watch->fd < 0)
		return 0;
	watch->poll.data = watch;
	r = uv_poll_init(loop, &watch->poll, watch->fd);
	return r ?: uv_poll_start(&watch->poll, UV_PRIORITIZED, on_swaps);
}

void swap_watch_stop(struct swap_watch *watch)
{
	watch->fd = close_fd(watch->fd);
}
