/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs of one test together; for harness.c alone. */
#pragma once

/* What each of them said, on standard error. */
void process_dump_all(void);
/* The tool takes down what it made, a cgroup of `run --limit` for one, if it is asked to end. */
void process_end_tools(void);
/* SIGKILL for all that still run, and their exit statuses taken. */
void process_kill_all(void);
/* Takes exit statuses without waiting. */
void process_reap_all(void);
void process_free_all(void);
