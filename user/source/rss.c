// SPDX-License-Identifier: BSD-2-Clause
#include "source/rss.h"

#include <bpf/libbpf.h>

#include "base/util.h"
#include "source/load.h"
#include "rss.skel.h"

/* Runs the iterator, which writes one record: that of the process asked for. */
static int iterate(const struct bpf_program *program, struct apo_rss *ret)
{
	ssize_t n = load_iterate(program, ret, sizeof(*ret));

	if (n < 0)
		return (int)n;
	return n == sizeof(*ret) ? 0 : -ESRCH;
}

int rss_read(pid_t pid, uint32_t pid_ns, uint32_t cpu_ids, struct apo_rss *ret)
{
	struct rss_bpf *skel;
	int r;

	load_begin();
	skel = rss_bpf__open();
	if (!skel)
		return -errno;
	skel->rodata->wanted_pid = pid;
	skel->rodata->wanted_pid_ns = pid_ns;
	skel->rodata->nr_cpus = cpu_ids;
	r = bpf_map__set_max_entries(skel->maps.cpu_offsets, cpu_ids);
	if (!r)
		r = rss_bpf__load(skel);
	if (!r)
		r = load_prepare(skel->obj);
	if (!r)
		r = iterate(skel->progs.rss_dump, ret);
	rss_bpf__destroy(skel);
	if (r && r != -ESRCH)
		load_explain(r);
	return r;
}
