/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process in /proc: its name, command line and parent are its own choice. The parts: stat, status,
 * the status of a thread, comm, cmdline.
 */
#include "sense/proc.h"

#include <fcntl.h>
#include <signal.h>

#include "base/util.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int signals[] = {SIGHUP, SIGKILL, SIGTERM, SIGCHLD, 64};
	struct fuzz_input input = {data, size};
	_cleanup_proc_info_ struct proc_info *info = NULL;
	_cleanup_free_ char *cmdline = NULL;
	_cleanup_close_ int dirfd = -1;
	uint64_t ticks;

	fuzz_part_file(&input, "7/stat");
	fuzz_part_file(&input, "7/status");
	fuzz_part_file(&input, "7/task/7/status");
	fuzz_part_file(&input, "7/comm");
	fuzz_file("7/cmdline", input.at, input.left);
	if (proc_info_read(fuzz_dir(), 7, &info) == 0) {
		FUZZ_CHECK(info->comm);
		FUZZ_CHECK(proc_start_ticks(fuzz_dir(), 7, &ticks) == 0);
		FUZZ_CHECK(ticks == info->start_ticks);
		FUZZ_CHECK(proc_is_kernel_thread(fuzz_dir(), 7) == info->kernel_thread);
	}
	dirfd = openat(fuzz_dir(), "7", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(proc_cmdline_read(dirfd, &cmdline) == 0);
	FUZZ_CHECK(!cmdline || *cmdline);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)proc_disposition(fuzz_dir(), 7, signals[i]);
	return 0;
}
