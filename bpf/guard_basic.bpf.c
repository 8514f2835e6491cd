// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * The guard for kernels without the kfunc bpf_send_signal_task(), before 6.13. If an object names a
 * kfunc that the kernel lacks, libbpf searches the BTF of modules, which needs CAP_SYS_ADMIN.
 */
#define WITHOUT_SIGNAL_TASK
#include "guard.bpf.c"
