// SPDX-License-Identifier: BSD-2-Clause
#include "source/rss.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/util.h"
#include "source/load.h"
#include "rss.skel.h"

/* Runs the iterator, which writes one record: that of the process asked for. */
static int iterate(const struct bpf_program *program, struct apo_rss *ret)
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	_cleanup_close_ int fd = -1;
	struct apo_rss record;
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	bpf_link__destroy(link);
	if (fd < 0)
		return -errno;
	n = read(fd, &record, sizeof(record));
	if (n < 0)
		return -errno;
	if (n != sizeof(record))
		return -ESRCH;
	*ret = record;
	return 0;
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
