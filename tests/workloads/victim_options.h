/* SPDX-License-Identifier: BSD-2-Clause */
/* The victim's options: one table row each. */
#pragma once

#include "victim_kinds.h"

enum type { FLAG, SIZE, NUMBER, REAL, TEXT };

static const struct option_row {
	const char *name, *argument;
	enum type type;
	size_t offset;
	const char *help;
} rows[] = {
#define ROW(name, argument, type, member, help)                              \
	{                                                                    \
		name, argument, type, offsetof(struct options, member), help \
	}
	ROW("kind", "KIND", TEXT, kind, "what grows, see below (anon)"),
	ROW("rate", "MiB/s", REAL, rate, "growth, 0 is flat out (0)"),
	ROW("threads", "N", NUMBER, threads, "growing threads (1)"),
	ROW("max", "SIZE", SIZE, max, "stop growing there: exit 0, or --hold (4G)"),
	ROW("burst", "SIZE", SIZE, burst, "grow to SIZE and stay there for --hold-ms (1000)"),
	ROW("hold", NULL, FLAG, hold, "at --max, wait for a signal"),
	ROW("hold-ms", "MS", NUMBER, hold_ms, "at --max, wait so long"),
	ROW("base", "SIZE", SIZE, base, "anonymous memory touched beforehand"),
	ROW("chunk", "SIZE", SIZE, chunk, "granularity of populate, tmpfs and files (1M)"),
	ROW("dir", "DIR", TEXT, dir, "where tmpfs, files and dentries work"),
	ROW("file-size", "SIZE", SIZE, file_size, "file of file-read, file-hot and file-map (1G)"),
	ROW("state", "FILE", TEXT, state, "written, fsynced and renamed by the shutdown"),
	ROW("state-kib", "N", NUMBER, state_kib, "size of the state file (256)"),
	ROW("shutdown-ms", "N", NUMBER, shutdown_ms,
	    "time the shutdown takes (as long as it does)"),
	ROW("shutdown-size", "SIZE", SIZE, shutdown_size,
	    "anonymous memory that the shutdown touches first"),
	ROW("stubborn", NULL, FLAG, stubborn, "go on growing during the shutdown"),
	ROW("deaf", NULL, FLAG, deaf, "the handler counts, and nothing else happens"),
	ROW("block-term", NULL, FLAG, block_term,
	    "SIGTERM blocked, no handler; a thread waits in sigwait"),
	ROW("block-growth", NULL, FLAG, block_growth,
	    "growing threads block SIGTERM, another handles it"),
	ROW("ignore-term", NULL, FLAG, ignore_term, "SIGTERM ignored"),
	ROW("default-term", NULL, FLAG, default_term, "SIGTERM has its default action"),
	ROW("handle-int", NULL, FLAG, handle_int, "SIGINT shuts down too"),
	ROW("fork-child", NULL, FLAG, fork_child, "a forked child grows; the parent waits"),
	ROW("fork-idle", NULL, FLAG, fork_idle, "at --max fork a child that touches nothing"),
	ROW("page-out", NULL, FLAG, page_out, "at --max, swap all of it out and touch it again"),
	ROW("vm-child", NULL, FLAG, vm_child, "a child made by clone(CLONE_VM) grows the parent"),
	ROW("vfork-spawn", NULL, FLAG, vfork_spawn, "vfork and exec all the time, beside growing"),
	ROW("exec-at", "SIZE", SIZE, exec_at, "exec itself there, once, and grow again"),
	ROW("sawtooth", "LOW:HIGH", TEXT, sawtooth, "grow to HIGH, unmap down to LOW (sizes)"),
	ROW("cycles", "N", NUMBER, cycles, "teeth of the sawtooth (20)"),
	ROW("poll", "SECONDS", REAL, poll, "look at its own RSS so often; shut down above 90 %"),
	ROW("limit", "SIZE", SIZE, limit, "for --poll (the limit of its cgroup)"),
	ROW("wait-stdin", NULL, FLAG, wait_stdin, "start when a byte arrives on standard input"),
	ROW("ready-fd", "FD", NUMBER, ready_fd, "a byte is written there at --mark or --max"),
	ROW("mark", "SIZE", SIZE, mark, "when to write to --ready-fd"),
	ROW("comm", "NAME", TEXT, comm, "name of the process"),
	ROW("result", "FILE", TEXT, result, "what happened, one JSON line"),
	ROW("noop", NULL, FLAG, noop, "exit 0 at once"),
#undef ROW
};

static void usage(void)
{
	puts("Usage: victim [options]\n\nGrows until told to stop.\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		printf("  --%-12s %-9s %s\n", rows[i].name,
		       rows[i].argument ? rows[i].argument : "", rows[i].help);
	puts("\nKinds:");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		printf("  %-11s %s\n", kinds[i].name, kinds[i].help);
	puts("\nSizes take K, M and G (powers of 1024).");
}

__attribute__((noreturn)) static void bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "victim: %s '%s'\n", what, value);
	exit(2);
}

static uint64_t parse_number(const char *text, bool size, const char **ret_end)
{
	static const char suffixes[] = "KMG";
	char *end;
	const char *suffix;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *text == '-')
		bad_usage("not a number:", text);
	suffix = size && *end ? strchr(suffixes, *end) : NULL;
	if (suffix) {
		value <<= 10 * (suffix - suffixes + 1);
		end++;
	}
	*ret_end = end;
	return value;
}

static void store(const struct option_row *row, const char *text)
{
	void *field = (char *)&opt + row->offset;
	const char *end = "";
	char *real_end;

	switch (row->type) {
	case FLAG:
		*(bool *)field = true;
		break;
	case SIZE:
	case NUMBER:
		*(uint64_t *)field = parse_number(text, row->type == SIZE, &end);
		break;
	case REAL:
		*(double *)field = strtod(text, &real_end);
		end = real_end;
		break;
	case TEXT:
		*(const char **)field = text;
		break;
	}
	if (*end)
		bad_usage("trailing characters:", text);
}

/* LOW:HIGH with suffixes, rewritten as two plain numbers. */
static void parse_sawtooth(void)
{
	static char numbers[64];
	const char *end;
	uint64_t low = parse_number(opt.sawtooth, true, &end), high;

	if (*end != ':')
		bad_usage("not LOW:HIGH:", opt.sawtooth);
	high = parse_number(end + 1, true, &end);
	if (*end || low >= high || low % page_size || high % page_size)
		bad_usage("not LOW:HIGH:", opt.sawtooth);
	opt.max = high;
	snprintf(numbers, sizeof(numbers), "%" PRIu64 ":%" PRIu64, low, high);
	opt.sawtooth = numbers;
}

static void parse_options(int argc, char **argv)
{
	struct option longs[ARRAY_SIZE(rows) + 2] = {{"help", no_argument, NULL, 'h'}};
	int c;

	opt = (struct options){.kind = "anon",
			       .threads = 1,
			       .max = DEFAULT_MAX,
			       .chunk = MIB,
			       .file_size = 1024 * MIB,
			       .state_kib = 256,
			       .cycles = 20};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		longs[i + 1] = (struct option){rows[i].name,
					       rows[i].argument ? required_argument : no_argument,
					       NULL, 256 + (int)i};
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'h') {
			usage();
			exit(0);
		}
		if (c < 256)
			exit(2);
		store(&rows[c - 256], optarg);
	}
	if (optind < argc)
		bad_usage("unexpected argument", argv[optind]);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, opt.kind) == 0)
			kind = &kinds[i];
	if (!kind)
		bad_usage("no such kind:", opt.kind);
	if (!opt.threads || opt.threads > MAX_THREADS || !opt.chunk || !opt.state_kib)
		bad_usage("out of range, or zero:", "--threads, --chunk or --state-kib");
	if (kind->needs_dir && !opt.dir)
		bad_usage("--dir is needed with --kind", opt.kind);
	if (opt.burst) {
		opt.max = opt.burst;
		opt.hold_ms = opt.hold_ms ? opt.hold_ms : 1000;
	}
	if (opt.sawtooth)
		parse_sawtooth();
	if (getenv("VICTIM_EXECED"))
		opt.exec_at = 0;
}
