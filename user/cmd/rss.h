/* SPDX-License-Identifier: BSD-2-Clause */
/* `apoptosis rss PID`: the memory of one process and its cgroup, now. */
#pragma once

/* argv[0] is "rss". Exit status: 0, 1 failed, 2 bad usage, 3 cannot read here. */
int cmd_rss(int argc, char **argv);
