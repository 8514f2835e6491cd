/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What a signal would do to a task, and sending one: to the running process with
 * bpf_send_signal(), to another with the kfunc bpf_send_signal_task() where the kernel has it.
 */
#pragma once

#include "state.bpf.h"

extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type,
				__u64 value) __ksym __weak;

static __always_inline __u32 disposition_of(struct task_struct *task, __u32 signal)
{
	struct sighand_struct *sighand = BPF_CORE_READ(task, sighand);
	struct k_sigaction *action;
	unsigned long blocked = BPF_CORE_READ(task, blocked.sig[0]);
	__u64 handler = 0;

	if (!sighand || signal < 1 || signal > 64)
		return APO_DISP_UNKNOWN;
	action = (void *)sighand + bpf_core_field_offset(struct sighand_struct, action) +
		 (signal - 1) * bpf_core_type_size(struct k_sigaction);
	if (bpf_probe_read_kernel(&handler, sizeof(handler), &action->sa.sa_handler))
		return APO_DISP_UNKNOWN;
	if (handler > 1) /* not SIG_DFL, not SIG_IGN */
		return APO_DISP_HANDLED;
	if (blocked >> (signal - 1) & 1)
		return APO_DISP_BLOCKED;
	if (handler == 1)
		return APO_DISP_IGNORED;
	if (BPF_CORE_READ(task, signal, flags) & SIGNAL_UNKILLABLE)
		return APO_DISP_INIT;
	return APO_DISP_DEFAULT;
}

/*
 * The signal to use on a task: the one wanted, or SIGINT where that one would do nothing and
 * SIGINT has a handler (many runtimes handle only that), or 0: no signal would help.
 */
static __always_inline __u32 signal_choose(struct task_struct *task, __u32 wanted,
					   __u32 *ret_disposition)
{
	*ret_disposition = disposition_of(task, wanted);
	if (*ret_disposition != APO_DISP_IGNORED && *ret_disposition != APO_DISP_INIT)
		return wanted;
	if (disposition_of(task, SIGINT) == APO_DISP_HANDLED)
		return SIGINT;
	return 0;
}

static __always_inline void task_describe(struct task_struct *task, __u64 cgroup_id,
					  struct apo_task *ret)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	int nr = 0;

	bpf_probe_read_kernel(&nr, sizeof(nr),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid) +
				      bpf_core_field_offset(struct upid, nr));
	ret->tgid = BPF_CORE_READ(task, tgid);
	ret->ns_tgid = nr;
	ret->ns_level = level;
	ret->start_boottime_ns = BPF_CORE_READ(leader, start_boottime);
	ret->cgroup_id = cgroup_id;
	bpf_probe_read_kernel(ret->comm, sizeof(ret->comm), &leader->comm);
}

/* Whether a signal to a process other than the running one can be sent from here. */
static __always_inline bool signal_task_possible(void)
{
	return bpf_task_from_pid && bpf_task_release && bpf_send_signal_task;
}
