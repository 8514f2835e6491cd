// SPDX-License-Identifier: BSD-2-Clause
#include "engine/host.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "core/policy.h"
#include "sense/pidref.h"

/* With vm.swappiness 0 the kernel does not swap at a cgroup's limit. Unknown: it does. */
static bool may_swap(int proc_fd)
{
	uint64_t swappiness;

	return file_read_u64(proc_fd, "sys/vm/swappiness", &swappiness) || swappiness > 0;
}

int host_open(struct host *host)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat ns;
	int r;

	*host = (struct host){.proc_fd = -1, .page_bytes = sysconf(_SC_PAGESIZE)};
	if (root_fd < 0)
		return -errno;
	host->proc_fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (host->proc_fd < 0 || fstatat(host->proc_fd, "self/ns/pid", &ns, 0))
		return -errno;
	host->pid_ns = ns.st_ino;
	host->initial_pid_ns = host->pid_ns == PID_NS_INITIAL_INO;
	host->may_swap = may_swap(host->proc_fd);
	r = machine_read(root_fd, &host->machine);
	return r ?: cgroup_tree_new(&host->tree, root_fd);
}

uint64_t host_lend_most_bytes(const struct host *host, uint64_t bytes, uint32_t permyriad)
{
	uint64_t total_bytes, available_bytes;

	if (bytes)
		return bytes;
	if (!permyriad || machine_memory_read(host->proc_fd, &total_bytes, &available_bytes))
		return UINT64_MAX;
	return total_bytes / PERMYRIAD * permyriad;
}

int host_cgroup_of(pid_t pid, char **ret, void *userdata)
{
	const struct host *host = userdata;

	return cgroup_path_of_pid(host->tree, host->proc_fd, pid, ret);
}

void host_close(struct host *host)
{
	host->proc_fd = close_fd(host->proc_fd);
	host->tree = cgroup_tree_free(host->tree);
}
