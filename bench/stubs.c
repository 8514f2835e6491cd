/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench.h"
void save_run(struct bench *bench)
{
	(void)bench;
}
void idle_run(struct bench *bench)
{
	(void)bench;
}
