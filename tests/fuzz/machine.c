/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a machine is. The parts: meminfo, status, possible and online CPUs, possible and online nodes,
 * huge pages, lockdown, the kernel's release, its symbols.
 */
#include "sense/machine.h"

#include <fcntl.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const files[] = {
		"proc/meminfo",
		"proc/self/status",
		"sys/devices/system/cpu/possible",
		"sys/devices/system/cpu/online",
		"sys/devices/system/node/possible",
		"sys/devices/system/node/online",
		"sys/kernel/mm/transparent_hugepage/enabled",
		"sys/kernel/security/lockdown",
		"proc/sys/kernel/osrelease",
		"proc/kallsyms",
	};
	struct fuzz_input input = {data, size};
	struct machine machine;
	int symbols;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		fuzz_part_file(&input, files[i]);
	FUZZ_CHECK(machine_read(fuzz_dir(), &machine) == 0);
	FUZZ_CHECK(machine.cpus_possible && machine.cpus_online && machine.nodes_online);
	FUZZ_CHECK(machine.cpu_ids && machine.node_ids);
	FUZZ_CHECK(machine.cpu_ids <= 1 << 20 && machine.node_ids <= 1 << 20);
	FUZZ_CHECK(strnlen(machine.release, sizeof(machine.release)) < sizeof(machine.release));
	symbols = openat(fuzz_dir(), "proc/kallsyms", O_RDONLY | O_CLOEXEC);
	(void)machine_kernel_symbol(symbols, "nr_swap_pages");
	close_fd(symbols);
	return 0;
}
