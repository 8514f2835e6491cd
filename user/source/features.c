// SPDX-License-Identifier: BSD-2-Clause
#include "source/features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>

#include "base/util.h"

/* Id of the type of its programs; negative: there is no such tracepoint. */
static int tracepoint_type(const struct btf *btf, const char *tracepoint)
{
	char type[96];

	snprintf(type, sizeof(type), "btf_trace_%s", tracepoint);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF);
}

static bool takes_pointer(const struct btf *btf, const char *tracepoint)
{
	int id = tracepoint_type(btf, tracepoint);
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

static bool is_there(const struct btf *btf, const struct hook *hook)
{
	switch (hook->probe) {
	case HOOK_TRACEPOINT:
		return tracepoint_type(btf, hook->point) > 0;
	case HOOK_TRACEPOINT_POINTER:
		return takes_pointer(btf, hook->point);
	case HOOK_FEXIT:
		return fexit_works(btf, hook->point);
	}
	return false;
}

void features_read(const struct btf *btf, struct kernel_features *ret)
{
	*ret = (struct kernel_features){
		.has_btf = true,
		.bpf_send_signal_task =
			btf__find_by_name_kind(btf, "bpf_send_signal_task", BTF_KIND_FUNC) > 0 &&
			btf__find_by_name_kind(btf, "bpf_task_from_pid", BTF_KIND_FUNC) > 0,
	};
	for (size_t i = 0; i < hook_count; i++)
		ret->hooks[i] = is_there(btf, &hooks[i]);
}

bool features_counters_batched(const struct btf *btf)
{
	return btf__find_by_name_kind(btf, "mm_rss_stat", BTF_KIND_STRUCT) > 0;
}

struct btf *features_btf(void)
{
	struct btf *btf = btf__load_vmlinux_btf();

	return libbpf_get_error(btf) ? NULL : btf;
}
