// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * The guard for kernels without the kfunc bpf_send_signal_task(), before 6.13. An object that only
 * names a kfunc the kernel lacks has libbpf search the BTF of modules, which needs CAP_SYS_ADMIN.
 */
#define WITHOUT_SIGNAL_TASK
#include "guard.bpf.c"
