/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which signal asks a process for its shutdown, and why. The same rule as the kernel side's signal_choose(),
 * in bpf/signal.bpf.h. Pure.
 */
#pragma once

#include <stdbool.h>

#include "apoptosis/abi.h"

struct stop_signal {
	int signal;	 /* 0: neither makes sense */
	const char *why; /* "it has a handler"; static text */
};

/*
 * The one of the policy; or SIGINT, where that has a handler and the one of the policy has none, if that would
 * do nothing or nobody has asked for it. Dispositions are of the process: of that signal, and of SIGINT.
 */
struct stop_signal stop_signal_choose(int wanted, bool is_given, enum apo_disposition disposition,
				      enum apo_disposition interrupt);

/* A warning goes only to who handles or awaits it: most signals end everybody else. */
struct stop_signal stop_signal_warn(int wanted, enum apo_disposition disposition);
