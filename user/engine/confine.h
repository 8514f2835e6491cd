/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guard cannot need, it gives up before it does anything: who takes it over by what it reads has no more than that.
 * Kept is what it takes to load the kernel side again, since it does so at each reload, and to signal and to lend
 * (docs/security.md). Where it has been given less, by a service manager or a container, it has that.
 */
#pragma once

/*
 * Capabilities, of this process and what it starts, and system calls that change the machine, the mounts or another
 * process from within. To be called before there are threads. What cannot be given up is told, and kept.
 */
void confine_process(void);
