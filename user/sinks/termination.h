/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of Kubernetes: the termination message of a container, which `kubectl describe pod` shows.
 */
#pragma once

/*
 * Writes it to /dev/termination-log, if that is there; the last one wins. A failure is logged.
 */
void termination_write(const char *line);
