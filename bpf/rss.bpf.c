// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Memory of one process, now, exact to the page: an iterator over tasks that writes one record,
 * the counters of the process asked for. /proc does not serve: its RSS is an estimate on 6.2+.
 */
#include "rss.bpf.h"

/* The process, by its pid in the caller's PID namespace (named by its inode). */
const volatile __u32 wanted_pid = 0;
const volatile __u32 wanted_pid_ns = 0;

#define MAX_PID_NS_LEVEL 32 /* MAX_PID_NS_LEVEL in linux/pid_namespace.h */

SEC("raw_tp")
int prepare(void *ctx)
{
	offsets_find();
	return 0;
}

/* Whether the caller knows this task by the pid it asked for. */
static __always_inline bool is_wanted(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);

	for (__u32 i = 0; i <= MAX_PID_NS_LEVEL && i <= level; i++) {
		struct upid *upid = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				    i * bpf_core_type_size(struct upid);

		if (BPF_CORE_READ(upid, ns, ns.inum) == wanted_pid_ns)
			return (__u32)BPF_CORE_READ(upid, nr) == wanted_pid;
	}
	return false;
}

SEC("iter/task")
int rss_dump(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct apo_rss record = {};
	struct mm_struct *mm;

	if (!task || task->pid != task->tgid || !is_wanted(task))
		return 0;
	mm = BPF_CORE_READ(task, mm);
	record.tgid = task->tgid;
	if (mm) /* else a kernel thread, or exited and not reaped */
		rss_exact(mm, (void *)verifier_number(task), record.pages);
	record.has_memory = mm != NULL;
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
