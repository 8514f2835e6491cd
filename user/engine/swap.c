// SPDX-License-Identifier: BSD-2-Clause
#include "engine/swap.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "sense/machine.h"

#define FREE_SWAP "nr_swap_pages"

/*
 * Addresses are shown to who had CAP_SYSLOG when the file was opened: a service manager opens it for us, as standard
 * input, and we need not have it.
 */
static uint64_t find_free_swap(int root_fd)
{
	_cleanup_close_ int fd = openat(root_fd, "proc/kallsyms", O_RDONLY | O_CLOEXEC);
	struct statfs standard_input;
	uint64_t address = fd < 0 ? 0 : machine_kernel_symbol(fd, FREE_SWAP);

	if (address || fstatfs(STDIN_FILENO, &standard_input) ||
	    standard_input.f_type != PROC_SUPER_MAGIC)
		return address;
	return machine_kernel_symbol(STDIN_FILENO, FREE_SWAP);
}

static void tell(const struct swap_watch *watch)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct machine machine;
	uint64_t address = 0;

	if (root_fd < 0 || machine_read(root_fd, &machine))
		return;
	if (machine.swap_total_bytes) {
		address = find_free_swap(root_fd);
		if (!address)
			log_warn("of the machine's free swap only what guarded cgroups take is "
				 "seen, not what others do: "
				 "/proc/kallsyms hides the kernel's counter; to do: give "
				 "CAP_SYSLOG, or that file as "
				 "standard input (StandardInput=file:/proc/kallsyms)");
	}
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
