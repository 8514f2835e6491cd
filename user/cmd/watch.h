/* SPDX-License-Identifier: BSD-2-Clause */
/* `apoptosis watch`: guards a process, a cgroup or the machine until it is interrupted. */
#pragma once

/* argv[0] is "watch". Exit status: 0, 1 failed, 2 bad usage, 3 no protection here. */
int cmd_watch(int argc, char **argv);
