/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The subcommands, one row each: ROW(ENUM, function, name, synopsis, summary, details). The enum, the parser,
 * the help and main()'s table are made from it. A row here and a file user/cmd/FUNCTION.c with
 * `int cmd_FUNCTION(int argc, char **argv)` are a subcommand; its options are rows of option_table.c.
 *
 * synopsis: what follows "apoptosis NAME ". summary: one line, no full stop. details: a paragraph
 * for --help.
 */
#pragma once

#define COMMANDS_EACH(ROW)                                                                         \
	ROW(WATCH, watch, "watch", "(--pid PID | --cgroup PATH | --pod UID | --all) [OPTIONS]",    \
	    "guard a process, a cgroup, a pod or every limited cgroup",                            \
	    "Guards until interrupted. Prints one line per event on standard output. SIGUSR1 "     \
	    "prints the status.")                                                                  \
	ROW(RUN, run, "run", "[OPTIONS] [--limit SIZE] -- CMD [ARG...]",                           \
	    "start a command guarded",                                                             \
	    "Starts CMD guarded, in a cgroup of its own if --limit asks for one, forwards "        \
	    "signals to it, reaps orphans and exits with its status, or with that of "             \
	    "--exit-on-trip. Prints one line per event on standard error.")                        \
	ROW(RSS, rss, "rss", "PID [--json]",                                                       \
	    "show the memory of a process now, exact to the page",                                 \
	    "Shows the memory of a process by kind, and the usage, the reclaimable part and the "  \
	    "binding limit of its cgroup.")                                                        \
	ROW(EXPLAIN, explain, "explain", "PID [OPTIONS]",                                          \
	    "show what would be done for a process, and why",                                      \
	    "Shows whose limit binds a process, whether it could be raised, who would be "         \
	    "signalled when it grows, with which signal, and why. Does nothing.")                  \
	ROW(TRIP, trip, "trip", "--dry-run CGROUP|PID [-c FILE]",                                  \
	    "rehearse a trip: who would be told, by the configuration",                            \
	    "Shows what the daemon would do if the largest process of a cgroup, or this one, "     \
	    "grew beyond its limit now: by whose guard, how much would be lent, who would be "     \
	    "signalled, with which signal, and why. Does nothing.")                                \
	ROW(REPORT, report, "report", "[latest | list | ID | FILE] [OPTIONS]",                     \
	    "show what happened, from the reports",                                                \
	    "Shows one report of --report-dir, or lists all of them, the latest last. One report " \
	    "can also be a page for a browser, or its stacks a file for flame graph tools and "    \
	    "pprof.")                                                                              \
	ROW(DAEMON, daemon, "daemon", "[-c FILE] [OPTIONS]",                                       \
	    "guard this machine, as the configuration says",                                       \
	    "Guards every limited cgroup until interrupted, each by the guard that is for it, or " \
	    "by the defaults. "                                                                    \
	    "Without a configuration the defaults are for all.")                                   \
	ROW(CHECK_CONFIG, check_config, "check-config", "[-c FILE]",                               \
	    "check the configuration of the daemon",                                               \
	    "Reads the files of the configuration as the daemon would, and prints what is wrong "  \
	    "with them, a line "                                                                   \
	    "each: FILE:LINE: [SECTION] KEY: what, and what to give. Exits with 0 if nothing is, " \
	    "else with 2.")                                                                        \
	ROW(CONFIG, config, "config", "show [-c FILE] [--effective CGROUP|PID]",                   \
	    "show the configuration of the daemon",                                                \
	    "Shows the guards of the configuration and what they say; with --effective whose "     \
	    "guard one cgroup or "                                                                 \
	    "process has, and where each value of its policy is from.")                            \
	ROW(STATUS, status, "status", "[--json]",                                                  \
	    "show what the daemon guards, and how that goes",                                      \
	    "Asks the daemon that runs here: every limit that it guards, what is needed and left " \
	    "of "                                                                                  \
	    "it now, what is guarded less and why, verdicts so far, and what the guard itself "    \
	    "takes. "                                                                              \
	    "Exits with 7 where no daemon runs, with 4 where it does not answer this user.")       \
	ROW(TOP, top, "top", "[OPTIONS]", "watch limits fill up",                                  \
	    "Asks the daemon that runs here again and again, and shows the limits that it "        \
	    "guards, how "                                                                         \
	    "full they are and have been lately, and what happened last.")                         \
	ROW(HISTORY, history, "history", "[OPTIONS]", "show what became of spikes, over months",   \
	    "Sums up the verdicts that the daemon has kept: by guard and by day, with the part "   \
	    "that "                                                                                \
	    "was saved, its confidence interval, and how soon processes were told.")               \
	ROW(BUGREPORT, bugreport, "bugreport", "[OPTIONS]", "pack what a bug report needs",        \
	    "Writes a tarball of what this machine offers, the status and the history of the "     \
	    "daemon, "                                                                             \
	    "its configuration and the last reports, without command lines. Nothing is sent.")     \
	ROW(COMPLETION, completion, "completion", "bash|zsh|fish",                                 \
	    "print the completions of a shell",                                                    \
	    "Prints a script that has the shell complete command lines of this program; make "     \
	    "install "                                                                             \
	    "puts them where the shells look.")                                                    \
	ROW(DOCTOR, doctor, "doctor", "[--json]", "show what this machine offers for protection",  \
	    "Shows what works here, what is lost and how to get it. Exits with 0 if protection "   \
	    "is full, 1 if partial, 3 if impossible.")
