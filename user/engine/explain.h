/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathers what would be done for a process by a policy, from files alone: nothing is loaded or changed. */
#pragma once

#include "core/explanation.h"
#include "core/policy.h"

/*
 * The caller clears *ret, also after an error; it points into the profiles (NULL: there are none). -ESRCH: no such process; -EPERM: one that is never signalled
 * (a kernel thread, the machine's init); -ENODEV: no memory controller.
 */
int explain(pid_t pid, const struct policy *policy, const struct profiles *profiles,
	    struct explanation *ret);
