/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What a signal would do to a task, and sending one: to the running process with
 * bpf_send_signal(), to another with the kfunc bpf_send_signal_task() where the kernel has it.
 */
#pragma once

#include "account.bpf.h"

#ifndef WITHOUT_SIGNAL_TASK
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type,
				__u64 value) __ksym;
#endif

/* A thread in sigwait() has what it waits for unblocked meanwhile: what it blocks otherwise is kept apart. */
static __always_inline unsigned long blocked_by(struct task_struct *thread)
{
	return BPF_CORE_READ(thread, blocked.sig[0]) | BPF_CORE_READ(thread, real_blocked.sig[0]);
}

/* What the signal would do to the task's process. A global function: verified once. */
__noinline __u32 disposition_of(__u64 task_address, __u32 signal)
{
	struct task_struct *task = (void *)task_address;
	struct sighand_struct *sighand = BPF_CORE_READ(task, sighand);
	struct k_sigaction *action;
	/* Worker threads often block everything; the main thread stands for the others. */
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	unsigned long blocked = blocked_by(task) & blocked_by(leader);
	__u64 handler = 0;

	if (!sighand || signal < 1 || signal > 64)
		return APO_DISP_UNKNOWN;
	action = (void *)sighand + bpf_core_field_offset(struct sighand_struct, action) +
		 (signal - 1) * bpf_core_type_size(struct k_sigaction);
	if (bpf_probe_read_kernel(&handler, sizeof(handler), &action->sa.sa_handler))
		return APO_DISP_UNKNOWN;
	if (handler == 1) /* SIG_IGN */
		return APO_DISP_IGNORED;
	if (blocked >> (signal - 1) & 1)
		return APO_DISP_BLOCKED;
	if (handler)
		return APO_DISP_HANDLED;
	if (BPF_CORE_READ(task, signal, flags) & SIGNAL_UNKILLABLE)
		return APO_DISP_INIT;
	return APO_DISP_DEFAULT;
}

/* What a signal is wanted for. */
enum signal_use {
	SIGNAL_WARN = 1,  /* a warning */
	SIGNAL_GIVEN = 2, /* the operator's choice */
};

/*
 * The signal to use on a task: the one wanted; or SIGINT, where that has a handler (many runtimes handle only
 * that, CPython first of all) and the one wanted has none, if that would do nothing or nobody has asked for it;
 * or 0: no signal would help. A warning goes only to a process that handles or blocks it: the default action of
 * most signals ends the process.
 */
static __always_inline __u32 signal_choose(__u64 task_address, __u32 wanted, __u32 use,
					   __u32 *ret_disposition)
{
	__u32 disposition = disposition_of(task_address, wanted);
	bool does_nothing = disposition == APO_DISP_IGNORED || disposition == APO_DISP_INIT;
	bool drains_nothing = disposition == APO_DISP_DEFAULT && !(use & SIGNAL_GIVEN);

	*ret_disposition = disposition;
	if (use & SIGNAL_WARN)
		return disposition == APO_DISP_HANDLED || disposition == APO_DISP_BLOCKED ? wanted
											  : 0;
	if ((does_nothing || drains_nothing) &&
	    disposition_of(task_address, SIGINT) == APO_DISP_HANDLED)
		return SIGINT;
	return does_nothing ? 0 : wanted;
}

/*
 * Whether a signal that is sent from the running thread reaches the thread that kill(2) would have it reach:
 * the main thread, unless that blocks it. bpf_send_signal() prefers the running one, which in many programs
 * only notes the signal for a main thread that sleeps on.
 */
static __always_inline bool signal_is_ours(struct task_struct *task, __u32 signal)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	return leader == task || (BPF_CORE_READ(leader, blocked.sig[0]) >> ((signal - 1) & 63) & 1);
}

/*
 * Whether the running process has taken the signal of its trip without a handler: by a thread in sigwait() or
 * with a signalfd. The kernel tells nobody, but then the signal is no longer pending.
 */
static __always_inline bool signal_was_waited_for(const struct apo_signalled *entry)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	unsigned long pending;

	if (!entry->generated_ns || entry->generate_result == TRACE_SIGNAL_IGNORED)
		return false;
	pending = BPF_CORE_READ(task, signal, shared_pending.signal.sig[0]);
	return !(pending >> ((entry->signal - 1) & 63) & 1);
}

/* Whether the running thread leaves that signal to others. */
static __always_inline bool signal_is_blocked_here(__u32 signal)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, blocked.sig[0]) >> ((signal - 1) & 63) & 1;
}

/*
 * Sends what signal_choose() chooses to a process, as kill(2) would. -ENOSYS: the kernel
 * cannot, -ESRCH: it is gone. *ret_signal is 0 where no signal would help; then nothing is sent.
 */
static __always_inline int signal_other_send(__u32 tgid, __u64 start_boottime_ns, __u32 wanted,
					     __u32 use, __u32 *ret_signal, __u32 *ret_disposition)
{
#ifdef WITHOUT_SIGNAL_TASK
	return -ENOSYS;
#else
	struct task_struct *task = bpf_task_from_pid(tgid);
	int r = 0;

	if (!task)
		return -ESRCH;
	if (BPF_CORE_READ(task, group_leader, start_boottime) != start_boottime_ns) {
		r = -ESRCH; /* the pid belongs to another process by now */
	} else {
		*ret_signal = signal_choose(verifier_number(task), wanted, use, ret_disposition);
		if (*ret_signal)
			r = bpf_send_signal_task(task, *ret_signal, PIDTYPE_TGID, 0);
	}
	bpf_task_release(task);
	return r;
#endif
}
