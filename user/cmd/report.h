/* SPDX-License-Identifier: BSD-2-Clause */
/* apoptosis report: what a report directory holds, for people. */
#pragma once

int cmd_report(int argc, char **argv);
