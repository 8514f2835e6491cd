/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who saves what: each spike under each guard, in a cgroup of its own. Saved means that the
 * victim's shutdown began, its state file is complete, and the kernel killed nothing.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "bench.h"
#include "numbers.h"
#include "threshold.h"
#include "tool.h"

#define LIMIT_BYTES (256 * MIB)
#define LINE_BYTES (LIMIT_BYTES / 10 * 9) /* what every guard here is told */
#define PARENT_BYTES (4096 * MIB)	  /* never near; a guard wants some limit */
#define MAX_ARGUMENTS 48
#define VICTIM_MS 60000
#define VERDICT_MS 20000

enum guard {
	NONE,
	POLL_15S,
	POLL_1S,
	POLL_100MS,
	THRESHOLD,
	EARLYOOM,
	LOOK,
	APOPTOSIS,
	AIRBAG,
	GUARDS
};

static const struct {
	const char *name, *label;
	const char *poll; /* seconds; NULL: the victim does not look at itself */
} guards[GUARDS] = {
	[NONE] = {"none", "none", NULL},
	[POLL_15S] = {"poll_15s", "15 s", "15"},
	[POLL_1S] = {"poll_1s", "1 s", "1"},
	[POLL_100MS] = {"poll_100ms", "100 ms", "0.1"},
	[THRESHOLD] = {"threshold", "v1 event", NULL},
	[EARLYOOM] = {"earlyoom", "earlyoom", NULL},
	[LOOK] = {"look", "look", NULL},
	[APOPTOSIS] = {"apoptosis", "apoptosis", NULL},
	[AIRBAG] = {"airbag", "+airbag", NULL},
};

static const struct spike {
	const char *name, *label;
	const char *arguments[7];
	bool in_tmpfs;
	enum kind { COOPERATIVE, STUBBORN, HARMLESS, KINDS } kind;
} spikes[] = {
	{"anon_50", "anon 50 MiB/s", {"--kind", "anon", "--rate", "50"}, false, COOPERATIVE},
	{"anon_1000", "anon 1000 MiB/s", {"--kind", "anon", "--rate", "1000"}, false, COOPERATIVE},
	{"anon_flat", "anon flat out", {"--kind", "anon"}, false, COOPERATIVE},
	{"anon_4",
	 "anon flat out, 4 threads",
	 {"--kind", "anon", "--threads", "4"},
	 false,
	 COOPERATIVE},
	{"thp", "THP flat out", {"--kind", "thp"}, false, COOPERATIVE},
	{"shmem", "shmem flat out", {"--kind", "shmem"}, false, COOPERATIVE},
	{"tmpfs", "tmpfs write(2) flat out", {"--kind", "tmpfs"}, true, COOPERATIVE},
	{"populate", "MAP_POPULATE flat out", {"--kind", "populate"}, false, COOPERATIVE},
	{"stubborn_50", "anon 50 MiB/s", {"--kind", "anon", "--rate", "50"}, false, STUBBORN},
	{"stubborn_1000", "anon 1000 MiB/s", {"--kind", "anon", "--rate", "1000"}, false, STUBBORN},
	{"stubborn_flat", "anon flat out", {"--kind", "anon"}, false, STUBBORN},
	{"stubborn_4",
	 "anon flat out, 4 threads",
	 {"--kind", "anon", "--threads", "4"},
	 false,
	 STUBBORN},
	{"stubborn_shmem", "shmem flat out", {"--kind", "shmem"}, false, STUBBORN},
	{"file_read",
	 "reading 1 GiB of files",
	 {"--kind", "file-read", "--max", "1G", "--file-size", "300M"},
	 false,
	 HARMLESS},
	{"burst",
	 "burst to 85 % of the limit",
	 {"--burst", "217M", "--hold-ms", "100"},
	 false,
	 HARMLESS},
};

static const char *const titles[KINDS] = {
	[COOPERATIVE] = "saved: they stop when told",
	[STUBBORN] = "saved: stubborn",
	[HARMLESS] = "left alone: harmless",
};

struct save {
	struct bench *bench;
	struct group *parent;
	struct child *earlyoom; /* while its turn; NULL: not available */
	struct tool *tool;
	char *state, *result, *tmpfs;
	unsigned int saved[ARRAY_SIZE(spikes)][GUARDS], runs;
	struct samples lent_mib[KINDS]; /* by the airbag: need beyond the limit */
	bool unavailable[GUARDS];
};

/* The last line of a state file is its checksum; it is renamed into place when it is written. */
static bool state_is_complete(const struct save *save)
{
	_cleanup_free_ char *state = NULL;
	const char *last;

	if (file_read(AT_FDCWD, save->state, &state, NULL) < 0)
		return false;
	last = strstr(state, "\nchecksum ");
	return last && strchr(last + 1, '\n');
}

static bool shutdown_began(const struct save *save)
{
	json_t *result = json_load_file(save->result, 0, NULL);
	const char *reason = json_string_value(json_object_get(result, "reason"));
	bool began = reason &&
		     (strcmp(reason, "poll") == 0 || json_number_at(result, "handler_count") > 0);

	json_decref(result);
	return began;
}

/* A spike is to be shut down in order, anything else to be left alone. */
static bool went_well(const struct save *save, const struct spike *spike,
		      const struct child *victim)
{
	bool began = shutdown_began(save);

	if (child_code(victim) != 0)
		return false;
	return spike->kind == HARMLESS ? !began : began && state_is_complete(save);
}

/* Where the ramp starts; the same for every guard, another for every repetition. */
static unsigned int base_mib(unsigned int repeat)
{
	return 140 + (repeat * 37 + 11) % 50;
}

/* Without privileges there is no kernel side: `run` looks at the limit. */
static size_t wrap(const struct save *save, const char *argv[])
{
	const char *const words[] = {"setpriv",
				     "--bounding-set=-all",
				     "--inh-caps=-all",
				     save->bench->apoptosis,
				     "run",
				     "-q",
				     "--exit-on-trip",
				     "off",
				     "--reserve",
				     "10%",
				     "--"};

	memcpy(argv, words, sizeof(words));
	return ARRAY_SIZE(words);
}

static struct child *start_victim(const struct save *save, const struct group *group,
				  const struct spike *spike, enum guard guard, unsigned int repeat)
{
	const char *argv[MAX_ARGUMENTS] = {NULL};
	size_t n = 0;

	if (guard == LOOK)
		n = wrap(save, argv);
	argv[n++] = text("%s/victim", save->bench->workloads);

	for (size_t i = 0; i < ARRAY_SIZE(spike->arguments) && spike->arguments[i]; i++)
		argv[n++] = spike->arguments[i];
	if (spike->kind != HARMLESS) {
		argv[n++] = "--base";
		argv[n++] = text("%uM", base_mib(repeat));
	}
	argv[n++] = "--state";
	argv[n++] = save->state;
	argv[n++] = "--result";
	argv[n++] = save->result;
	argv[n++] = "--limit";
	argv[n++] = text("%llu", LIMIT_BYTES);
	argv[n++] = "--dir";
	argv[n++] = spike->in_tmpfs ? save->tmpfs : save->bench->dir;
	if (spike->kind == STUBBORN) {
		argv[n++] = "--stubborn";
		argv[n++] = "--shutdown-ms";
		argv[n++] = "300";
	}
	if (guards[guard].poll) {
		argv[n++] = "--poll";
		argv[n++] = guards[guard].poll;
	}
	return child_exec(group, "/dev/null", argv);
}

static double lent_mib(const struct save *save, const struct child *victim)
{
	const json_t *verdict = tool_event(save->tool, "verdict", victim->pid, VERDICT_MS);

	if (!verdict)
		fail("no verdict of a victim");
	return json_number_at(verdict, "airbag.used_bytes") / (double)MIB;
}

static bool spike_once(struct save *save, const struct spike *spike, enum guard guard,
		       unsigned int repeat)
{
	const struct bench *bench = save->bench;
	struct group *group = group_new(bench, save->parent, spike->name, LIMIT_BYTES);
	struct threshold *threshold = guard == THRESHOLD ? threshold_new(bench, group, LINE_BYTES)
							 : NULL;
	struct child *victim = start_victim(save, group, spike, guard, repeat);
	bool saved;

	if (threshold)
		threshold_set_target(threshold, victim->pid);
	if (!child_wait(victim, VICTIM_MS))
		fail("a victim does not end");
	if (child_code(victim) == 127 || child_code(victim) == 98)
		fail("cannot start %s/victim", bench->workloads);
	saved = went_well(save, spike, victim) && group_oom_kills(bench, group) == 0;
	if (guard == AIRBAG && spike->kind != HARMLESS && saved)
		samples_add(&save->lent_mib[spike->kind], lent_mib(save, victim));
	child_free(victim);
	threshold_free(threshold);
	if (save->tool)
		tool_forget(save->tool);
	unlink(save->state);
	unlink(save->result);
	group_free(bench, group);
	return saved;
}

/* False: not on this machine. */
static bool guard_start(struct save *save, enum guard guard)
{
	static const char *const earlyoom[] = {"earlyoom", "-r", "3600", NULL};
	static const char *const options[] = {"--reserve", "10%", "--airbag", "off", NULL};
	static const char *const airbag[] = {"--reserve", "10%", "--airbag", "auto", NULL};

	if (guard == THRESHOLD)
		return cgroup_tree_version(save->bench->tree) == 1;
	if (guard == APOPTOSIS)
		save->tool = tool_start(save->bench, save->parent, options);
	if (guard == AIRBAG)
		save->tool = tool_start(save->bench, save->parent, airbag);
	if (guard == EARLYOOM) {
		save->earlyoom = child_exec(NULL, "/dev/null", earlyoom);
		if (child_wait(save->earlyoom, 300)) {
			save->earlyoom = child_free(save->earlyoom);
			return false;
		}
	}
	return true;
}

static void guard_stop(struct save *save)
{
	save->tool = tool_stop(save->tool);
	save->earlyoom = child_free(save->earlyoom);
}

/* Page cache is only that on a disk. */
static bool is_memory(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static bool wanted(const struct save *save, const struct spike *spike)
{
	if (strcmp(spike->name, "file_read") == 0 && is_memory(save->bench->dir))
		return false;
	return is_wanted(save->bench, spike->name);
}

static void prepare_files(struct save *save)
{
	save->state = text("%s/state", save->bench->dir);
	save->result = text("%s/result", save->bench->dir);
	save->tmpfs = memory_new(save->bench);
}

static void print_header(const char *title)
{
	printf("\n  %-28s", title);
	for (enum guard guard = 0; guard < GUARDS; guard++)
		printf(" %9s", guards[guard].label);
	putchar('\n');
}

static void print_kind(struct save *save, enum kind kind)
{
	unsigned int sums[GUARDS] = {0}, runs = 0;

	print_header(titles[kind]);
	for (size_t i = 0; i < ARRAY_SIZE(spikes); i++) {
		if (spikes[i].kind != kind || !wanted(save, &spikes[i]))
			continue;
		printf("  %-28s", spikes[i].label);
		for (enum guard guard = 0; guard < GUARDS; guard++) {
			sums[guard] += save->saved[i][guard];
			if (save->unavailable[guard])
				printf(" %9s", "n/a");
			else
				printf("   %3u/%-3u", save->saved[i][guard], save->runs);
		}
		runs += save->runs;
		putchar('\n');
	}
	printf("  %-28s", "all");
	for (enum guard guard = 0; guard < GUARDS; guard++)
		if (save->unavailable[guard])
			printf(" %9s", "n/a");
		else
			printf("   %3u/%-3u", sums[guard], runs);
	putchar('\n');
	if (save->lent_mib[kind].n)
		printf("  Lent by the airbag beyond the limit: median %.0f MiB, at most %.0f.\n",
		       samples_median(&save->lent_mib[kind]), samples_max(&save->lent_mib[kind]));
	if (save->unavailable[AIRBAG] || (kind != STUBBORN && save->unavailable[APOPTOSIS]))
		return;
	printf("  Target: apoptosis%s %s every one: %s.\n",
	       kind == STUBBORN ? " with the airbag" : "",
	       kind == HARMLESS ? "leaves alone" : "saves",
	       sums[AIRBAG] == runs && (kind == STUBBORN || sums[APOPTOSIS] == runs) ? "met"
										     : "MISSED");
}

static void report(struct save *save)
{
	json_t *json = json_object();

	printf("\nSave rate by guard (limit 256 MiB, the line at 90 %%)\n");
	for (enum kind kind = 0; kind < KINDS; kind++)
		print_kind(save, kind);
	printf("\n  Stubborn victims go on growing through a shutdown of 300 ms: the fast ones "
	       "need "
	       "the airbag\n  (--airbag auto). 15 s, 1 s, 100 ms: the victim "
	       "looks at its own RSS so often. v1 event:\n  the threshold notification of cgroup "
	       "v1%s. earlyoom: with its defaults; it watches the whole\n  machine, not cgroups. "
	       "look: apoptosis run without any privilege, which then looks at the limit.\n",
	       save->unavailable[THRESHOLD] ? ", not there on v2" : "");
	for (enum guard guard = 0; guard < GUARDS; guard++) {
		json_t *column = json_object();

		for (size_t i = 0; i < ARRAY_SIZE(spikes) && !save->unavailable[guard]; i++)
			if (wanted(save, &spikes[i]))
				json_object_set_new(column, spikes[i].name,
						    json_integer(save->saved[i][guard]));
		json_object_set_new(json, guards[guard].name, column);
	}
	for (enum kind kind = 0; kind < KINDS; kind++)
		samples_done(&save->lent_mib[kind]);
	json_object_set_new(json, "runs", json_integer(save->runs));
	json_object_set_new(save->bench->json, "save", json);
}

void save_run(struct bench *bench)
{
	struct save *save = calloc(1, sizeof(*save));

	if (!save)
		fail("out of memory");
	save->bench = bench;
	save->runs = repeats(bench, 4, 1);
	save->parent = group_new(bench, NULL, "save", PARENT_BYTES);
	prepare_files(save);
	for (enum guard guard = 0; guard < GUARDS; guard++) {
		if ((bench->guards && !is_listed(bench->guards, guards[guard].name)) ||
		    !guard_start(save, guard)) {
			save->unavailable[guard] = true;
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(spikes); i++)
			for (unsigned int n = 0; wanted(save, &spikes[i]) && n < save->runs; n++)
				save->saved[i][guard] += spike_once(save, &spikes[i], guard, n);
		guard_stop(save);
	}
	report(save);
	memory_free(save->tmpfs);
	group_free(bench, save->parent);
	free(save);
}
