/* SPDX-License-Identifier: BSD-2-Clause */
/* `apoptosis doctor`. */
#pragma once

/* argv[0] is "doctor". The exit status: 0 full, 1 partial, 3 impossible, 2 bad usage. */
int cmd_doctor(int argc, char **argv);
