// SPDX-License-Identifier: BSD-2-Clause
#include "source/features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>

#include "base/util.h"

static bool has_tracepoint(const struct btf *btf, const char *name)
{
	char type[96];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* mark_victim carried a bare pid until 6.8 and its backports; ours needs the task. */
static bool mark_victim_has_task(const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "btf_trace_mark_victim", BTF_KIND_TYPEDEF);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, id) : NULL;

	while (type && (btf_is_typedef(type) || btf_is_ptr(type)))
		type = btf__type_by_id(btf, type->type);
	if (!type || !btf_is_func_proto(type) || btf_vlen(type) < 2)
		return false;
	type = btf__type_by_id(btf, btf_params(type)[1].type); /* [0] is the private data */
	return type && btf_is_ptr(type);
}

/*
 * Whether fexit may attach to a kernel function; only trying tells: it takes trampolines, function
 * tracing (which a machine can switch off), and on hardened kernels a permission of its own.
 */
static bool fexit_works(const struct btf *btf, const char *function)
{
	const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FEXIT,
		    .attach_btf_id = id > 0 ? id : 0);
	_cleanup_close_ int program = -1, link = -1;

	if (id <= 0)
		return false;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "probe", "GPL", nothing, ARRAY_SIZE(nothing),
				&opts);
	if (program < 0)
		return false;
	link = bpf_raw_tracepoint_open(NULL, program);
	return link >= 0;
}

void features_read(const struct btf *btf, struct kernel_features *ret)
{
	*ret = (struct kernel_features){
		.has_btf = true,
		.rss_stat = has_tracepoint(btf, "rss_stat"),
		.hrtimer_expire_entry = has_tracepoint(btf, "hrtimer_expire_entry"),
		.mm_vmscan_memcg_reclaim_begin =
			has_tracepoint(btf, "mm_vmscan_memcg_reclaim_begin"),
		.mark_victim = mark_victim_has_task(btf),
		.signal_generate = has_tracepoint(btf, "signal_generate"),
		.signal_deliver = has_tracepoint(btf, "signal_deliver"),
		.sched_process_exit = has_tracepoint(btf, "sched_process_exit"),
		.sched_process_fork = has_tracepoint(btf, "sched_process_fork"),
		.cgroup_attach_task = has_tracepoint(btf, "cgroup_attach_task"),
		.cgroup_rmdir = has_tracepoint(btf, "cgroup_rmdir"),
		.page_counter_try_charge = fexit_works(btf, "page_counter_try_charge"),
		.bpf_send_signal_task =
			btf__find_by_name_kind(btf, "bpf_send_signal_task", BTF_KIND_FUNC) > 0 &&
			btf__find_by_name_kind(btf, "bpf_task_from_pid", BTF_KIND_FUNC) > 0,
	};
}

/* Before 6.2 the mm counters were plain atomics, fed once per 66 faults of a thread. */
bool features_counters_batched(const struct btf *btf)
{
	return btf__find_by_name_kind(btf, "mm_rss_stat", BTF_KIND_STRUCT) > 0;
}

struct btf *features_btf(void)
{
	struct btf *btf = btf__load_vmlinux_btf();

	return libbpf_get_error(btf) ? NULL : btf;
}
