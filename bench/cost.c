/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a page fault costs more. One process faults in short slices, and between slices programs
 * are attached and detached, so that every variant is measured within milliseconds of the same
 * process with nothing attached: the median of these differences is the cost. A second figure is
 * the kernel's own account of the time spent in each program.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "bench.h"
#include "empty.skel.h"
#include "faulter.h"
#include "numbers.h"
#include "programs.h"
#include "tool.h"

#define RESERVE_BYTES (16 * MIB)
#define FAR_BYTES (512 * MIB) /* looked at every 32nd event */
#define NEAR_BYTES (6 * MIB)  /* to the line: looked at at each event, and never crossed */
#define SLICE_BLOCKS 24
#define SWITCHES 400
#define PAUSE_MS 50
#define PATIENCE_MS 120000 /* with others on the tracepoint */
#define UNGUARDED_TARGET 1.25
#define GUARDED_TARGET 2.0

enum variant { EMPTY, UNGUARDED, FAR, NEAR, FAR_RECORDED, NEAR_RECORDED, BPFTRACE, VARIANTS };

static const struct {
	const char *name, *label;
	bool guarded;
} variants[VARIANTS] = {
	[EMPTY] = {"empty", "empty program", false},
	[UNGUARDED] = {"unguarded", "apoptosis, unguarded process", false},
	[FAR] = {"guarded", "apoptosis, guarded process", true},
	[NEAR] = {"guarded_near", "  the same, near its line", true},
	[FAR_RECORDED] = {"recorded", "  with reports, not armed", true},
	[NEAR_RECORDED] = {"recorded_near", "  with reports, armed", true},
	[BPFTRACE] = {"bpftrace", "bpftrace, counting the events", false},
};

struct cost {
	struct bench *bench;
	struct group *plain, *guarded, *now;
	struct faulter *faulter;
	struct programs *programs[VARIANTS]; /* NULL: not available */
	struct samples none, added[VARIANTS], run[VARIANTS], events;
	unsigned int disturbed; /* slices thrown away */
	bool blocked;		/* by others on the tracepoint, for good */
};

/* Whether programs of others would be measured too. */
static bool disturbed(const struct bench *bench, const struct programs *ours)
{
	return !bench->anyway && programs_foreign(ours) > 0;
}

/* The programs of `apoptosis watch`, as it loaded and configured them. */
static struct programs *take_apoptosis(struct cost *cost, const char *const options[])
{
	struct tool *tool = tool_start(cost->bench, cost->guarded, options);
	struct programs *programs = programs_take_attached(tool->child->pid);

	tool_stop(tool);
	if (!programs_find(programs, "on_rss_stat"))
		fail("apoptosis has no program on rss_stat");
	return programs;
}

/* Without and with a place for reports: only then is anything recorded. */
static void take_both(struct cost *cost)
{
	cost->programs[UNGUARDED] = take_apoptosis(
		cost, (const char *const[]){"--reserve", "16M", "--airbag", "off", NULL});
	cost->programs[FAR_RECORDED] = take_apoptosis(
		cost, (const char *const[]){"--reserve", "16M", "--airbag", "off", "--report-dir",
					    text("%s/reports", cost->bench->dir), NULL});
	cost->programs[FAR] = cost->programs[NEAR] = cost->programs[UNGUARDED];
	cost->programs[NEAR_RECORDED] = cost->programs[FAR_RECORDED];
}

static const char *mount_tracefs(void)
{
	const char *path = "/sys/kernel/tracing";

	if (access("/sys/kernel/tracing/events", R_OK) == 0)
		return path;
	/* In our own mount namespace: nobody else sees it, and it ends with us. */
	return mount("tracefs", path, "tracefs", 0, NULL) == 0 ? path : NULL;
}

/* NULL and a reason, or bpftrace's program. */
static struct programs *take_bpftrace(const char **ret_reason)
{
	static const char *const argv[] = {"bpftrace", "-e",
					   "BEGIN { printf(\"ready\\n\"); } "
					   "tracepoint:kmem:rss_stat { @ = count(); }",
					   NULL};
	const char *tracefs = mount_tracefs();
	struct programs *programs = NULL;
	struct child *child;
	uint64_t tracepoint;

	*ret_reason = "tracefs cannot be mounted";
	if (!tracefs ||
	    file_read_u64(AT_FDCWD, text("%s/events/kmem/rss_stat/id", tracefs), &tracepoint) < 0)
		return NULL;
	*ret_reason = "bpftrace does not run here";
	child = child_exec(NULL, "/dev/null", argv);
	for (unsigned int i = 0; i < 200 && child_read(child, 100); i++)
		if (child->output && strstr(child->output, "ready")) {
			programs = programs_take_classic(child->pid, (int)tracepoint);
			break;
		}
	child_free(child);
	if (programs && programs->n != 1)
		programs = programs_free(programs);
	return programs;
}

static void enter(struct cost *cost, enum variant variant)
{
	struct group *group = variants[variant].guarded ? cost->guarded : cost->plain;
	uint64_t limit = FAR_BYTES;

	if (cost->now != group)
		group_move(group, faulter_pid(cost->faulter));
	cost->now = group;
	if (variant == NEAR || variant == NEAR_RECORDED)
		limit = group_memory(cost->bench, group).usage_bytes + RESERVE_BYTES + NEAR_BYTES;
	if (variants[variant].guarded)
		group_set_limit(cost->bench, group, limit);
}

/* One slice, in which nobody else was on the tracepoint. False: somebody does not go away. */
static bool measure(struct cost *cost, struct programs *programs, double *ret_ns)
{
	for (unsigned int i = 0; i < PATIENCE_MS / PAUSE_MS && !cost->blocked; i++) {
		if (!disturbed(cost->bench, programs)) {
			double ns = faulter_measure(cost->faulter, SLICE_BLOCKS);

			if (!disturbed(cost->bench, programs)) {
				*ret_ns = ns;
				return true;
			}
		}
		cost->disturbed++;
		sleep_ms(PAUSE_MS);
	}
	cost->blocked = true;
	return false;
}

/* Nothing, the variant, nothing: the difference to the mean of its neighbours. */
static void compare(struct cost *cost, enum variant variant)
{
	struct programs *programs = cost->programs[variant];
	double before, during, after;
	bool measured;

	if (!programs)
		return;
	enter(cost, variant);
	if (!measure(cost, NULL, &before))
		return;
	programs_attach(programs);
	measured = measure(cost, programs, &during);
	programs_detach(programs);
	if (!measured || !measure(cost, NULL, &after))
		return;
	samples_add(&cost->none, before);
	samples_add(&cost->none, after);
	samples_add(&cost->added[variant], during - (before + after) / 2);
}

/* Time in the program, by the kernel's statistics, which cost time themselves. */
static void account(struct cost *cost, enum variant variant)
{
	struct programs *programs = cost->programs[variant];
	const struct program *program;
	struct program_times before, after;
	double runs, ns;
	bool measured;

	if (!programs)
		return;
	program = programs->n == 1 ? &programs->program[0] : programs_find(programs, "on_rss_stat");
	enter(cost, variant);
	programs_attach(programs);
	before = program_times(program);
	measured = measure(cost, programs, &ns);
	after = program_times(program);
	programs_detach(programs);
	runs = (double)(after.runs - before.runs);
	if (!measured || runs == 0)
		return;
	samples_add(&cost->run[variant], (double)(after.ns - before.ns) / runs);
	if (variant == EMPTY) /* one block more than is timed */
		samples_add(&cost->events, runs / ((SLICE_BLOCKS + 1.0) * FAULTER_PAGES));
}

/*
 * The other programs of apoptosis, which run at timer ticks and context switches: run time by run
 * while the process takes a few faults and blocks, over and over.
 */
static void elsewhere(struct cost *cost, enum variant variant, const char *name, const char *label)
{
	struct programs *programs = cost->programs[variant];
	const struct program *program = programs_find(programs, name);
	struct program_times before, after;
	double ns;

	if (!program)
		return;
	enter(cost, variant);
	programs_attach(programs);
	before = program_times(program);
	for (unsigned int i = 0; i < SWITCHES; i++)
		faulter_measure(cost->faulter, 1);
	after = program_times(program);
	programs_detach(programs);
	if (after.runs == before.runs)
		return;
	ns = (double)(after.ns - before.ns) / (double)(after.runs - before.runs);
	printf("  %-30s %43s %8.1f ns  per run\n", label, "", ns);
	json_object_set_new(json_object_get(cost->bench->json, "cost"),
			    text("%s_%s_run_ns", variants[variant].name, name), json_real(ns));
}

static void print_row(struct cost *cost, enum variant variant)
{
	struct samples *added = &cost->added[variant], *run = &cost->run[variant];
	double ratio = samples_median(added) / samples_median(&cost->added[EMPTY]);
	double run_ratio = samples_median(run) / samples_median(&cost->run[EMPTY]);
	char run_text[32] = "          -       -";

	if (run->n)
		snprintf(run_text, sizeof(run_text), "%8.1f ns  %5.2fx", samples_median(run),
			 run_ratio);
	printf("  %-30s %8.1f ns  %7.1f .. %-7.1f %5.2fx   %s\n", variants[variant].label,
	       samples_median(added), samples_quantile(added, 0.25), samples_quantile(added, 0.75),
	       ratio, run_text);
	json_object_set_new(
		json_object_get(cost->bench->json, "cost"), variants[variant].name,
		json_pack("{s:f s:f s:f s:f s:f s:f s:i}", "added_ns", samples_median(added),
			  "added_ns_q1", samples_quantile(added, 0.25), "added_ns_q3",
			  samples_quantile(added, 0.75), "ratio", ratio, "run_ns",
			  samples_median(run), "run_ratio", run_ratio, "slices", (int)added->n));
}

static void print_target(struct cost *cost, enum variant variant, double target)
{
	double added = samples_median(&cost->added[variant]) / samples_median(&cost->added[EMPTY]);
	double run = samples_median(&cost->run[variant]) / samples_median(&cost->run[EMPTY]);

	printf("  Target: %s at most %.2f times the empty program: added time %.2f, %s; time in "
	       "the\n  program %.2f, %s.\n",
	       variants[variant].name, target, added, added <= target ? "met" : "MISSED", run,
	       run <= target ? "met" : "MISSED");
}

static void report(struct cost *cost, const char *bpftrace_reason)
{
	printf("\nCost of a page fault (4 KiB, anonymous; %.0f ns with nothing attached)\n\n",
	       samples_median(&cost->none));
	printf("  %-30s %11s  %18s %6s   %11s  %6s\n", "", "added", "quartiles", "ratio",
	       "in program", "ratio");
	json_object_set_new(cost->bench->json, "cost", json_object());
	json_object_set_new(json_object_get(cost->bench->json, "cost"), "fault_ns",
			    json_real(samples_median(&cost->none)));
	for (enum variant v = 0; v < VARIANTS; v++)
		if (cost->programs[v])
			print_row(cost, v);
		else
			printf("  %-30s not measured: %s\n", variants[v].label, bpftrace_reason);
	elsewhere(cost, UNGUARDED, "on_tick", "timer, unguarded process");
	elsewhere(cost, FAR, "on_tick", "timer, guarded process");
	elsewhere(cost, UNGUARDED, "on_switch", "context switch, unguarded");
	elsewhere(cost, FAR, "on_switch", "context switch, guarded");
	printf("\n  added: wall time per fault against nothing attached; medians of %zu paired "
	       "slices, %.2f events per fault.\n  in program: the kernel's run time statistics "
	       "per run, its two clock reads included.\n",
	       cost->added[EMPTY].n, samples_median(&cost->events));
	if (cost->blocked)
		printf("  Not finished: another program stayed on the tracepoint.\n");
	if (cost->disturbed)
		printf("  %u slices were thrown away: others had programs on the tracepoint.\n",
		       cost->disturbed);
	print_target(cost, UNGUARDED, UNGUARDED_TARGET);
	print_target(cost, FAR, GUARDED_TARGET);
}

static void done(struct cost *cost)
{
	faulter_free(cost->faulter);
	programs_free(cost->programs[EMPTY]);
	programs_free(cost->programs[UNGUARDED]);
	programs_free(cost->programs[FAR_RECORDED]);
	programs_free(cost->programs[BPFTRACE]);
	group_free(cost->bench, cost->plain);
	group_free(cost->bench, cost->guarded);
	samples_done(&cost->none);
	samples_done(&cost->events);
	for (enum variant v = 0; v < VARIANTS; v++) {
		samples_done(&cost->added[v]);
		samples_done(&cost->run[v]);
	}
}

/* Whether nobody else is on the tracepoint, after some patience. */
static bool tracepoint_is_free(const struct bench *bench)
{
	for (unsigned int i = 0; i < PATIENCE_MS / PAUSE_MS && disturbed(bench, NULL); i++)
		sleep_ms(PAUSE_MS);
	return !disturbed(bench, NULL);
}

void cost_run(struct bench *bench)
{
	struct cost cost = {.bench = bench};
	unsigned int rounds = repeats(bench, 200, 25);
	struct empty_bpf *empty;
	const char *bpftrace_reason = "";
	int stats_fd;

	if (!tracepoint_is_free(bench)) {
		printf("\nCost of a page fault: not measured, another program is attached to the "
		       "rss_stat tracepoint\n");
		return;
	}
	empty = empty_bpf__open_and_load();
	if (!empty)
		fail("cannot load the empty program: %s", strerror(errno));
	cost.plain = group_new(bench, NULL, "plain", FAR_BYTES);
	cost.guarded = group_new(bench, NULL, "guarded", FAR_BYTES);
	cost.programs[EMPTY] = programs_of_fd(bpf_program__fd(empty->progs.empty));
	empty_bpf__destroy(empty);
	take_both(&cost);
	cost.programs[BPFTRACE] = take_bpftrace(&bpftrace_reason);
	cost.now = cost.plain;
	cost.faulter = faulter_new(cost.plain, bench->machine.cpus_online - 1);

	for (unsigned int round = 0; round < rounds && !cost.blocked; round++)
		for (unsigned int i = 0; i < VARIANTS; i++)
			compare(&cost, (i + round) % VARIANTS);
	stats_fd = program_times_enable();
	for (unsigned int round = 0; stats_fd >= 0 && round < (rounds + 3) / 4; round++)
		for (unsigned int i = 0; i < VARIANTS; i++)
			account(&cost, (i + round) % VARIANTS);
	report(&cost, bpftrace_reason);
	close_fd(stats_fd);
	done(&cost);
}
