/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/machine.h"

#include <criterion/criterion.h>
#include <unistd.h>
#include <fcntl.h>
#include <errno.h>
#include <linux/capability.h>

#include "base/util.h"
#include "unit/fixture.h"

TestSuite(machine, .init = fixture_make, .fini = fixture_remove);

Test(machine, every_fact_is_read)
{
	struct machine machine;

	fixture_file("proc/sys/kernel/osrelease", "6.12.107-cloud-amd64\n");
	fixture_file("sys/kernel/btf/vmlinux", "BTF");
	fixture_file("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	fixture_file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	fixture_file("proc/meminfo", "MemTotal:       16318340 kB\n"
				     "SwapCached:            7 kB\n"
				     "SwapTotal:       4194300 kB\n"
				     "SwapFree:        1048576 kB\n");
	fixture_file("proc/self/status", "Name:\tx\nCapPrm:\t0\nCapEff:\t000001c000200000\n");
	fixture_file("sys/devices/system/cpu/possible", "0-63\n");
	fixture_file("sys/devices/system/cpu/online", "0-3,8,10-11\n");
	fixture_file("sys/devices/system/cpu/nohz_full", "2-3\n");
	fixture_file("sys/devices/system/node/possible", "0-3\n");
	fixture_file("sys/devices/system/node/online", "0,2\n");

	cr_assert_eq(machine_read(fixture_root(), &machine), 0);
	cr_expect_str_eq(machine.release, "6.12.107-cloud-amd64");
	cr_expect(machine.btf);
	cr_expect_eq(machine.lockdown, MACHINE_LOCKDOWN_INTEGRITY);
	cr_expect_eq(machine.thp, MACHINE_THP_MADVISE);
	cr_expect_eq(machine.memory_bytes, 16709980160);
	cr_expect_eq(machine.swap_total_bytes, 4294963200);
	cr_expect_eq(machine.swap_free_bytes, 1073741824);
	cr_expect_eq(machine.cpus_possible, 64);
	cr_expect_eq(machine.cpu_ids, 64);
	cr_expect_eq(machine.cpus_online, 7);
	cr_expect(machine.ticks_stop);
	cr_expect_eq(machine.node_ids, 4);
	cr_expect_eq(machine.nodes_online, 2);
	cr_expect(machine_has_capability(&machine, CAP_SYS_ADMIN));
	cr_expect(machine_has_capability(&machine, CAP_PERFMON));
	cr_expect(machine_has_capability(&machine, CAP_BPF));
	cr_expect_not(machine_has_capability(&machine, CAP_SYS_RESOURCE));
	cr_expect_not(machine_has_capability(&machine, -1));
	cr_expect_not(machine_has_capability(&machine, 64));
}

Test(machine, capabilities_of_a_user_namespace_are_none)
{
	const struct {
		const char *map;
		bool counts;
	} cases[] = {
		{"         0          0 4294967295\n", true},
		{"         0       1000          1\n", false},
		{"         0          0          1\n", false},
		{"         0     100000      65536\n", false},
	};

	fixture_file("proc/self/status", "CapEff:\t000001ffffffffff\n");
	cr_expect_neq(machine_capabilities(fixture_root()), 0, "there are no namespaces");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fixture_file("proc/self/uid_map", cases[i].map);
		cr_expect_eq(machine_capabilities(fixture_root()) != 0, cases[i].counts, "%s",
			     cases[i].map);
	}
}

Test(machine, memory_of_the_machine_is_read_or_nothing)
{
	int proc_fd;
	uint64_t total = 7, available = 7;

	fixture_file("proc/meminfo", "MemTotal:       16318340 kB\nMemFree:        1 kB\n"
				     "MemAvailable:        200 kB\n");
	proc_fd = openat(fixture_root(), "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(machine_memory_read(proc_fd, &total, &available), 0);
	cr_expect_eq(total, 16709980160);
	cr_expect_eq(available, 204800);
	fixture_file("proc/meminfo", "MemTotal:       16318340 kB\n");
	cr_expect_eq(machine_memory_read(proc_fd, &total, &available), -EBADMSG);
	cr_expect_eq(available, 204800);
	close(proc_fd);
}

Test(machine, missing_files_are_the_documented_defaults)
{
	struct machine machine;

	cr_assert_eq(machine_read(fixture_root(), &machine), 0);
	cr_expect_str_eq(machine.release, "");
	cr_expect_not(machine.btf);
	cr_expect_eq(machine.lockdown, MACHINE_LOCKDOWN_UNKNOWN);
	cr_expect_eq(machine.thp, MACHINE_THP_NONE);
	cr_expect_eq(machine.memory_bytes, 0);
	cr_expect_eq(machine.swap_total_bytes, 0);
	cr_expect_eq(machine.cpus_possible, 1);
	cr_expect_eq(machine.cpus_online, 1);
	cr_expect_not(machine.ticks_stop);
	cr_expect_eq(machine.cpu_ids, 1);
	cr_expect_eq(machine.node_ids, 1);
	cr_expect_eq(machine.nodes_online, 1);
	cr_expect_eq(machine.capabilities, 0);
}

Test(machine, sparse_and_senseless_lists)
{
	static const struct {
		const char *text;
		uint32_t possible, ids;
	} cases[] = {
		{"0\n", 1, 1},
		{"0,64-65\n", 3, 66},
		{"5\n", 1, 6},
		{"", 1, 1},
		{"junk\n", 1, 1},
		{"0-\n", 1, 1},
		{"3-1\n", 1, 1},
		{"0,\n", 1, 1},
		{"0-18446744073709551615\n", 1, 1},
		{"0-99999999999999\n", 1, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct machine machine;

		fixture_file("sys/devices/system/cpu/possible", cases[i].text);
		cr_assert_eq(machine_read(fixture_root(), &machine), 0);
		cr_expect_eq(machine.cpus_possible, cases[i].possible, "%s", cases[i].text);
		cr_expect_eq(machine.cpu_ids, cases[i].ids, "%s", cases[i].text);
	}
}

Test(machine, choices_are_the_words_in_brackets)
{
	static const struct {
		const char *lockdown_file, *thp_file;
		enum machine_lockdown lockdown;
		enum machine_thp thp;
	} cases[] = {
		{"[none] integrity confidentiality", "[always] madvise never",
		 MACHINE_LOCKDOWN_NONE, MACHINE_THP_ALWAYS},
		{"none integrity [confidentiality]", "always madvise [never]",
		 MACHINE_LOCKDOWN_CONFIDENTIALITY, MACHINE_THP_NEVER},
		{"none integrity", "always madvise", MACHINE_LOCKDOWN_UNKNOWN, MACHINE_THP_NONE},
		{"[other]", "[]", MACHINE_LOCKDOWN_UNKNOWN, MACHINE_THP_NONE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct machine machine;

		fixture_file("sys/kernel/security/lockdown", cases[i].lockdown_file);
		fixture_file("sys/kernel/mm/transparent_hugepage/enabled", cases[i].thp_file);
		cr_assert_eq(machine_read(fixture_root(), &machine), 0);
		cr_expect_eq(machine.lockdown, cases[i].lockdown, "%s", cases[i].lockdown_file);
		cr_expect_eq(machine.thp, cases[i].thp, "%s", cases[i].thp_file);
	}
}

Test(machine, bad_root_is_an_error)
{
	struct machine machine = {.cpus_online = 99};

	cr_expect_eq(machine_read(-1, &machine), -EBADF);
	cr_expect_eq(machine.cpus_online, 99);
}

static uint64_t symbol(const char *name)
{
	_cleanup_close_ int fd = openat(fixture_root(), "proc/kallsyms", O_RDONLY | O_CLOEXEC);

	return machine_kernel_symbol(fd, name);
}

Test(machine, kernel_symbols_are_found_by_their_whole_name)
{
	fixture_file("proc/kallsyms", "ffffffff81000000 T _text\n"
				      "ffffffff8c25a5b8 b nr_swap_pages_old\n"
				      "ffffffff8c25a5c0 B nr_swap_pages\n"
				      "ffffffffc0001000 t nr_swap_pages\t[zram]\n"
				      "0000000000000000 B hidden\n");
	cr_expect_eq(symbol("nr_swap_pages"), 0xffffffff8c25a5c0);
	cr_expect_eq(symbol("swap_pages"), 0);
	cr_expect_eq(symbol("hidden"), 0);
}

/* As one that was opened by somebody else, who may see more. */
Test(machine, kernel_symbols_are_read_from_the_beginning_each_time)
{
	_cleanup_close_ int fd = -1;

	fixture_file("proc/kallsyms", "ffffffff8c25a5c0 B nr_swap_pages\n");
	fd = openat(fixture_root(), "proc/kallsyms", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 2; i++)
		cr_expect_eq(machine_kernel_symbol(fd, "nr_swap_pages"), 0xffffffff8c25a5c0);
}

Test(machine, without_kallsyms_no_symbol_is_known)
{
	cr_expect_eq(symbol("nr_swap_pages"), 0);
}
