/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a page fault costs more. One process faults in short slices, and between slices programs
 * are attached and detached, so that every row is measured within milliseconds of the same
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
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "bench.h"
#include "churner.h"
#include "empty.skel.h"
#include "faulter.h"
#include "numbers.h"
#include "programs.h"
#include "tool.h"

#define RESERVE_BYTES (16 * MIB)
#define FAR_BYTES (512 * MIB)
#define FILL_BYTES (256 * MIB) /* of a family of cgroups, which is half full of it */
#define SLICE_BLOCKS 24
#define SWITCHES 400
#define PAUSE_MS 50
#define KNOWN_TRIES 100
#define PATIENCE_MS 120000 /* with others on the tracepoint */

/* Which programs are attached. */
enum kind { EMPTY, GUARD, UNARMED, RECORDED, PYTHON, BPFTRACE, FAMILIES };

/* Whose cgroup is guarded beside the plain one: of one process, or of many cgroups that share a limit. */
static const unsigned int children[] = {0, 100, 500, 2000};

static const struct row {
	const char *name, *label;
	enum kind kind; /* FAMILIES + i: the guard of a family with so many children */
	bool guarded;
	uint64_t before_line; /* so many bytes at least; 0: far */
	enum work work;
	bool churns; /* a thousand cgroups a second come and go elsewhere */
} rows[] = {
	{"empty", "an empty program", EMPTY, false, 0, WORK_PAGES, false},
	{"unarmed", "no limit armed", UNARMED, true, 0, WORK_PAGES, false},
	{"unguarded", "another is guarded, and armed", GUARD, false, 0, WORK_PAGES, false},
	{"guarded", "guarded, far from its line", GUARD, true, 0, WORK_PAGES, false},
	{"guarded_16", "  16 MiB before its line", GUARD, true, 16 * MIB, WORK_PAGES, false},
	{"guarded_1", "  1 MiB before its line", GUARD, true, MIB, WORK_PAGES, false},
	{"quiet_churn", "cgroups come and go: an empty program", EMPTY, false, 0, WORK_PAGES, true},
	{"guarded_churn", "  guarded, far from its line", GUARD, true, 0, WORK_PAGES, true},
	{"recorded", "  far, with reports", RECORDED, true, 0, WORK_PAGES, false},
	{"recorded_1", "  1 MiB before it, with reports", RECORDED, true, MIB, WORK_PAGES, false},
	{"plain_python", "Python: 1 MiB before it, with reports", RECORDED, true, MIB, WORK_PYTHON,
	 false},
	{"recorded_python", "  and with its frames", PYTHON, true, MIB, WORK_PYTHON, false},
	{"family_0", "in a half-full parent", FAMILIES, true, 0, WORK_PAGES, false},
	{"family_100", "  that has 100 children", FAMILIES + 1, true, 0, WORK_PAGES, false},
	{"family_500", "  500 children", FAMILIES + 2, true, 0, WORK_PAGES, false},
	{"family_2000", "  2000 children", FAMILIES + 3, true, 0, WORK_PAGES, false},
	{"bpftrace", "bpftrace, counting the events", BPFTRACE, false, 0, WORK_PAGES, false},
	{"empty_4", "4 threads: an empty program", EMPTY, false, 0, WORK_THREADS, false},
	{"unguarded_4", "  another is guarded", GUARD, false, 0, WORK_THREADS, false},
	{"guarded_4", "  guarded, far", GUARD, true, 0, WORK_THREADS, false},
	{"guarded_4_16", "  16 MiB before its line", GUARD, true, 16 * MIB, WORK_THREADS, false},
	{"empty_huge", "huge pages: an empty program", EMPTY, false, 0, WORK_HUGE, false},
	{"unguarded_huge", "  another is guarded", GUARD, false, 0, WORK_HUGE, false},
	{"guarded_huge", "  guarded, far", GUARD, true, 0, WORK_HUGE, false},
	{"guarded_huge_16", "  16 MiB before its line", GUARD, true, 16 * MIB, WORK_HUGE, false},
	{"switch", "a switch between two processes", GUARD, false, 0, WORK_SWITCHES, false},
	{"switch_guarded", "  of a guarded one", GUARD, true, 0, WORK_SWITCHES, false},
};

#define KINDS (FAMILIES + ARRAY_SIZE(children))

struct family {
	struct group *parent, *filled, *own;
	struct child *filler;
};

struct cost {
	struct bench *bench;
	struct group *plain, *guarded, *churned, *now;
	struct churner *churner;
	struct family families[ARRAY_SIZE(children)];
	struct faulter *faulter;
	struct programs *programs[KINDS]; /* NULL: not available */
	struct samples none[ARRAY_SIZE(rows)], added[ARRAY_SIZE(rows)], run[ARRAY_SIZE(rows)];
	struct samples events;
	unsigned int disturbed; /* slices thrown away */
	bool blocked;		/* by others on the tracepoint, for good */
};

static size_t row_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return i;
	fail("no row %s", name);
}

/* Whether a row that is wanted has these programs. */
static bool needed(const struct bench *bench, enum kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].kind == kind && is_wanted(bench, rows[i].name))
			return true;
	return false;
}

/* Whether programs of others would be measured too. */
static bool disturbed(const struct bench *bench, const struct programs *ours)
{
	return !bench->anyway && programs_foreign(ours) > 0;
}

/* --- what is attached ---------------------------------------------------------------------- */

/* The programs of `apoptosis watch`, as it loaded and configured them. */
static struct programs *take_apoptosis(struct cost *cost, const struct group *group,
				       const char *const options[])
{
	struct tool *tool = tool_start(cost->bench, group, options);
	struct programs *programs = programs_take_attached(tool->child->pid);

	tool_stop(tool);
	if (!programs_find(programs, "on_rss_stat"))
		fail("apoptosis has no program on rss_stat");
	return programs;
}

/* The same, when it has found the interpreter that the faulting process has. */
static struct programs *take_knowing(struct cost *cost, const char *const options[])
{
	struct tool *tool = tool_start(cost->bench, cost->guarded, options);
	struct programs *programs = programs_take_attached(tool->child->pid);
	pid_t pid = faulter_pid(cost->faulter);

	group_move(cost->guarded, pid);
	for (unsigned int i = 0; i < KNOWN_TRIES && !tool_knows_interpreter(tool, pid); i++)
		faulter_measure(cost->faulter, WORK_PYTHON, SLICE_BLOCKS);
	if (!tool_knows_interpreter(tool, pid))
		fail("apoptosis does not find the interpreter of the faulting process");
	group_move(cost->plain, pid);
	tool_stop(tool);
	return programs;
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

static int fill(void *arg)
{
	char *map = mmap(NULL, FILL_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	(void)arg;
	if (map == MAP_FAILED)
		return 1;
	for (;;)
		pause();
}

/* Half full, so that its page cache is looked for. */
static void family_make(struct cost *cost, struct family *family, unsigned int count)
{
	struct bench *bench = cost->bench;

	family->parent = group_new(bench, NULL, "family", 2 * FILL_BYTES);
	family->own = group_new(bench, family->parent, "own", 0);
	family->filled = group_new(bench, family->parent, "filled", 0);
	for (unsigned int i = 2; i < count; i++)
		if (mkdirat(family->parent->fd, text("child-%u", i), 0755) < 0)
			fail("cannot make a cgroup: %s", strerror(errno));
	family->filler = child_fork(family->filled, fill, NULL);
	while (group_memory(bench, family->filled).usage_bytes < FILL_BYTES)
		sleep_ms(10);
}

static struct programs *take_empty(void)
{
	struct empty_bpf *empty = empty_bpf__open_and_load();
	struct programs *programs;

	if (!empty)
		fail("cannot load the empty program: %s", strerror(errno));
	programs = programs_of_fd(bpf_program__fd(empty->progs.empty));
	empty_bpf__destroy(empty);
	return programs;
}

static void take_all(struct cost *cost, const char **ret_bpftrace_reason)
{
	struct bench *bench = cost->bench;
	const char *const options[] = {"--reserve", "16M", "--airbag", "off", NULL};
	const char *const recording[] = {
		"--reserve", "16M",	     "--airbag",
		"off",	     "--report-dir", text("%s/reports", bench->dir),
		NULL};

	if (needed(bench, EMPTY))
		cost->programs[EMPTY] = take_empty();
	if (needed(bench, GUARD) || needed(bench, UNARMED))
		cost->programs[GUARD] = take_apoptosis(cost, cost->guarded, options);
	/* The same, but for the one that is not attached while no limit is armed. */
	if (needed(bench, UNARMED))
		cost->programs[UNARMED] = programs_without(cost->programs[GUARD], "on_rss_stat");
	if (needed(bench, RECORDED))
		cost->programs[RECORDED] = take_apoptosis(cost, cost->guarded, recording);
	if (needed(bench, PYTHON) && faulter_has(cost->faulter, WORK_PYTHON))
		cost->programs[PYTHON] = take_knowing(cost, recording);
	if (needed(bench, BPFTRACE))
		cost->programs[BPFTRACE] = take_bpftrace(ret_bpftrace_reason);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		if (!needed(bench, FAMILIES + i))
			continue;
		family_make(cost, &cost->families[i], children[i]);
		cost->programs[FAMILIES + i] =
			take_apoptosis(cost, cost->families[i].parent, options);
	}
}

/* --- measuring ----------------------------------------------------------------------------- */

static void enter(struct cost *cost, const struct row *row)
{
	bool is_family = row->kind >= FAMILIES;
	struct group *group = is_family	     ? cost->families[row->kind - FAMILIES].own
			      : row->guarded ? cost->guarded
					     : cost->plain;
	uint64_t limit = FAR_BYTES;

	churner_set(cost->churner, row->churns);
	if (cost->now != group)
		group_move(group, faulter_pid(cost->faulter));
	cost->now = group;
	if (row->before_line)
		limit = group_memory(cost->bench, group).usage_bytes + RESERVE_BYTES +
			faulter_block_bytes(row->work) + row->before_line;
	if (row->guarded && !is_family)
		group_set_limit(cost->bench, group, limit);
}

/* One slice, in which nobody else was on the tracepoint. False: somebody does not go away. */
static bool measure(struct cost *cost, const struct row *row, struct programs *programs,
		    double *ret_ns)
{
	for (unsigned int i = 0; i < PATIENCE_MS / PAUSE_MS && !cost->blocked; i++) {
		if (!disturbed(cost->bench, programs)) {
			double ns = faulter_measure(cost->faulter, row->work, SLICE_BLOCKS);

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

static struct programs *programs_for(const struct cost *cost, size_t i)
{
	return is_wanted(cost->bench, rows[i].name) && faulter_has(cost->faulter, rows[i].work)
		       ? cost->programs[rows[i].kind]
		       : NULL;
}

/* Nothing, the row, nothing: the difference to the mean of its neighbours. */
static void compare(struct cost *cost, size_t i)
{
	const struct row *row = &rows[i];
	struct programs *programs = programs_for(cost, i);
	double before, during, after;
	bool measured;

	if (!programs)
		return;
	enter(cost, row);
	if (!measure(cost, row, NULL, &before))
		return;
	programs_attach(programs);
	measured = measure(cost, row, programs, &during);
	programs_detach(programs);
	if (!measured || !measure(cost, row, NULL, &after))
		return;
	samples_add(&cost->none[i], before);
	samples_add(&cost->none[i], after);
	samples_add(&cost->added[i], during - (before + after) / 2);
}

/* Time in the program, by the kernel's statistics, which cost time themselves. */
static void account(struct cost *cost, size_t i)
{
	const struct row *row = &rows[i];
	struct programs *programs = programs_for(cost, i);
	const struct program *program;
	struct program_times before, after;
	double runs, ns;
	bool measured;

	if (!programs || row->kind == UNARMED ||
	    (row->work != WORK_PAGES && row->work != WORK_PYTHON))
		return;
	program = programs->n == 1 ? &programs->program[0] : programs_find(programs, "on_rss_stat");
	enter(cost, row);
	programs_attach(programs);
	before = program_times(program);
	measured = measure(cost, row, programs, &ns);
	after = program_times(program);
	programs_detach(programs);
	runs = (double)(after.runs - before.runs);
	if (!measured || runs == 0)
		return;
	samples_add(&cost->run[i], (double)(after.ns - before.ns) / runs);
	if (row->kind == EMPTY) /* one block more than is timed */
		samples_add(&cost->events, runs / ((SLICE_BLOCKS + 1.0) * FAULTER_PAGES));
}

/*
 * The other programs of apoptosis, which run at timer ticks and context switches: run time by run
 * while the process takes a few faults and blocks, over and over.
 */
static void elsewhere(struct cost *cost, const char *row_name, const char *name, const char *label)
{
	size_t i = row_of(row_name);
	const struct row *row = &rows[i];
	struct programs *programs = programs_for(cost, i);
	const struct program *program = programs ? programs_find(programs, name) : NULL;
	struct program_times before, after;
	double ns;

	if (!program)
		return;
	enter(cost, row);
	programs_attach(programs);
	before = program_times(program);
	for (unsigned int n = 0; n < SWITCHES; n++)
		faulter_measure(cost->faulter, WORK_PAGES, 1);
	after = program_times(program);
	programs_detach(programs);
	if (after.runs == before.runs)
		return;
	ns = (double)(after.ns - before.ns) / (double)(after.runs - before.runs);
	printf("  %-31s %46s %8.1f ns  per run\n", label, "", ns);
	json_object_set_new(json_object_get(cost->bench->json, "cost"),
			    text("%s_%s_run_ns", row_name, name), json_real(ns));
}

/* --- the table ----------------------------------------------------------------------------- */

/* The row of an empty program, all else the same. */
static size_t empty_of(size_t i)
{
	size_t found = 0;

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
		if (rows[k].kind == EMPTY && rows[k].work == rows[i].work &&
		    rows[k].churns == rows[i].churns)
			found = k;
	return found;
}

/* With the row's programs, in times of with nothing. */
static double times_bare(struct cost *cost, size_t i)
{
	return 1 + samples_median(&cost->added[i]) / samples_median(&cost->none[i]);
}

/* And in times of with an empty program on the tracepoint. */
static double times_empty(struct cost *cost, size_t i)
{
	return times_bare(cost, i) / times_bare(cost, empty_of(i));
}

static void print_row(struct cost *cost, size_t i)
{
	struct samples *added = &cost->added[i], *run = &cost->run[i];
	char run_text[32] = "          -", empty_text[16] = "-";

	if (run->n)
		snprintf(run_text, sizeof(run_text), "%8.1f ns", samples_median(run));
	if (cost->added[empty_of(i)].n)
		snprintf(empty_text, sizeof(empty_text), "%6.3f", times_empty(cost, i));
	printf("  %-31s %8.0f %8.1f  %8.1f .. %-8.1f %6.3f   %6s  %s\n", rows[i].label,
	       samples_median(&cost->none[i]), samples_median(added), samples_quantile(added, 0.25),
	       samples_quantile(added, 0.75), times_bare(cost, i), empty_text, run_text);
	json_object_set_new(json_object_get(cost->bench->json, "cost"), rows[i].name,
			    json_pack("{s:f s:f s:f s:f s:f s:o s:f s:i}", "bare_ns",
				      samples_median(&cost->none[i]), "added_ns",
				      samples_median(added), "added_ns_q1",
				      samples_quantile(added, 0.25), "added_ns_q3",
				      samples_quantile(added, 0.75), "times_bare",
				      times_bare(cost, i), "times_empty",
				      cost->added[empty_of(i)].n ? json_real(times_empty(cost, i))
								 : json_null(),
				      "run_ns", samples_median(run), "slices", (int)added->n));
}

static bool measured(const struct cost *cost, const char *name)
{
	return cost->added[row_of(name)].n > 0;
}

static void print_target(const char *what, double ratio, double target)
{
	printf("  Target: %s at most %.2f: %.3f, %s.\n", what, target, ratio,
	       ratio <= target ? "met" : "MISSED");
}

static void print_targets(struct cost *cost)
{
	bool far = measured(cost, "guarded");

	if (measured(cost, "unarmed"))
		print_target("no limit armed, times a fault with nothing attached,",
			     times_bare(cost, row_of("unarmed")), 1.01);
	if (far && measured(cost, "empty"))
		print_target("guarded far, times a fault with the empty program,",
			     times_empty(cost, row_of("guarded")), 1.05);
	if (far && measured(cost, "guarded_16"))
		print_target("16 MiB before the line, times far from it,",
			     times_bare(cost, row_of("guarded_16")) /
				     times_bare(cost, row_of("guarded")),
			     1.25);
	if (far && measured(cost, "empty") && measured(cost, "quiet_churn") &&
	    measured(cost, "guarded_churn"))
		print_target("guarded far while cgroups come and go, times without,",
			     times_empty(cost, row_of("guarded_churn")) /
				     times_empty(cost, row_of("guarded")),
			     1.02);
	if (measured(cost, "plain_python") && measured(cost, "recorded_python"))
		print_target("what recording Python with its frames adds, times without them,",
			     samples_median(&cost->added[row_of("recorded_python")]) /
				     samples_median(&cost->added[row_of("plain_python")]),
			     1.2);
	if (measured(cost, "family_0") && measured(cost, "family_500"))
		print_target("500 children, times none,",
			     times_bare(cost, row_of("family_500")) /
				     times_bare(cost, row_of("family_0")),
			     1.3);
}

static void report(struct cost *cost, const char *bpftrace_reason)
{
	size_t slices = 0;

	printf("\nCost of a page fault (anonymous, of 4 KiB but where it says so), or of a context "
	       "switch\n\n");
	printf("  %-31s %8s %8s  %20s %6s   %6s  %s\n", "", "bare ns", "added", "quartiles  ",
	       "x bare", "x empty", " in program");
	json_object_set_new(cost->bench->json, "cost", json_object());
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (programs_for(cost, i))
			print_row(cost, i);
		else if (is_wanted(cost->bench, rows[i].name))
			printf("  %-31s not measured: %s\n", rows[i].label,
			       rows[i].kind == BPFTRACE	     ? bpftrace_reason
			       : rows[i].work == WORK_PYTHON ? "no library of CPython here"
							     : "no huge pages here");
	elsewhere(cost, "unguarded", "on_tick", "timer, unguarded process");
	elsewhere(cost, "guarded", "on_tick", "timer, guarded process");
	elsewhere(cost, "unguarded", "on_switch", "context switch, unguarded");
	elsewhere(cost, "guarded", "on_switch", "context switch, guarded");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		slices = MAX(slices, cost->added[i].n);
	printf("\n  added: wall time per fault against nothing attached; medians of %zu paired "
	       "slices.\n  in program: the kernel's run time statistics "
	       "per run, its two clock reads included.\n",
	       slices);
	if (cost->events.n)
		printf("  %.2f events per fault.\n", samples_median(&cost->events));
	if (cost->blocked)
		printf("  Not finished: another program stayed on the tracepoint.\n");
	if (cost->disturbed)
		printf("  %u slices were thrown away: others had programs on the tracepoint.\n",
		       cost->disturbed);
	print_targets(cost);
}

static void done(struct cost *cost)
{
	faulter_free(cost->faulter);
	churner_free(cost->churner);
	for (size_t i = 0; i < KINDS; i++)
		programs_free(cost->programs[i]);
	group_free(cost->bench, cost->plain);
	group_free(cost->bench, cost->guarded);
	group_sweep(cost->bench->tree, cost->churned->rel);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		if (!cost->families[i].parent)
			continue;
		child_free(cost->families[i].filler);
		group_free(cost->bench, cost->families[i].own);
		group_free(cost->bench, cost->families[i].filled);
		group_sweep(cost->bench->tree, cost->families[i].parent->rel);
	}
	samples_done(&cost->events);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		samples_done(&cost->none[i]);
		samples_done(&cost->added[i]);
		samples_done(&cost->run[i]);
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
	const char *bpftrace_reason = "";
	int stats_fd;

	if (!tracepoint_is_free(bench)) {
		printf("\nCost of a page fault: not measured, another program is attached to the "
		       "rss_stat tracepoint\n");
		return;
	}
	cost.plain = group_new(bench, NULL, "plain", FAR_BYTES);
	cost.guarded = group_new(bench, NULL, "guarded", FAR_BYTES);
	cost.faulter = faulter_new(cost.plain, bench->machine.cpus_online - 1);
	cost.now = cost.plain;
	take_all(&cost, &bpftrace_reason);
	cost.churned = group_new(bench, NULL, "churned", 0);
	cost.churner = churner_new(cost.churned);

	for (unsigned int round = 0; round < rounds && !cost.blocked; round++)
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			compare(&cost, (i + round) % ARRAY_SIZE(rows));
	stats_fd = program_times_enable();
	for (unsigned int round = 0; stats_fd >= 0 && round < (rounds + 3) / 4; round++)
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			account(&cost, (i + round) % ARRAY_SIZE(rows));
	report(&cost, bpftrace_reason);
	close_fd(stats_fd);
	done(&cost);
}
