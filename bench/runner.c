/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runner [--quick] [--sections LIST] [--repeat N] [--json FILE]: measures and prints. Needs root.
 * Environment: APOPTOSIS (the binary), WORKLOADS (directory of the victims), SUBJECTS (directory of
 * the programs of the sections near and real).
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/util.h"
#include "bench.h"

static const struct section {
	const char *name;
	void (*run)(struct bench *bench);
} sections[] = {
	{"latency", latency_run},   {"save", save_run},	  {"airbag", airbag_run},
	{"near", near_run},	    {"real", real_run},	  {"services", services_run},
	{"pressure", pressure_run}, {"cost", cost_run},	  {"whole", whole_run},
	{"idle", idle_run},	    {"fleet", fleet_run},
};

struct arguments {
	struct bench bench;
	const char *sections; /* comma-separated; NULL: all */
	const char *json_path;
};

static void usage(void)
{
	puts("Usage: runner [options]\n\n"
	     "  --quick          fewer repetitions: some ten minutes\n"
	     "  --sections LIST  of "
	     "latency,save,airbag,near,real,services,pressure,cost,whole,idle,\n"
	     "                   fleet (all)\n"
	     "  --repeat N       repetitions of everything\n"
	     "  --only LIST      of all but idle and fleet, rows with a part of LIST in their "
	     "name\n"
	     "  --guards LIST    of save, only these: none,poll_15s,poll_1s,poll_100ms,threshold,\n"
	     "                   earlyoom,look,apoptosis,airbag\n"
	     "  --reports        with --report-dir: who allocates is recorded\n"
	     "  --anyway         cost, although other programs are on the tracepoint\n"
	     "  --json FILE      the figures as JSON too; - is standard output, without tables\n");
}

static void check_sections(const char *list)
{
	while (list && *list) {
		size_t word = strcspn(list, ", "), i;

		for (i = 0; i < ARRAY_SIZE(sections); i++)
			if (strlen(sections[i].name) == word &&
			    strncmp(list, sections[i].name, word) == 0)
				break;
		if (word && i == ARRAY_SIZE(sections)) {
			fprintf(stderr, "bench: no section '%.*s'\n", (int)word, list);
			exit(2);
		}
		list += word + (list[word] != '\0');
	}
}

static void parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option longs[] = {{"quick", no_argument, NULL, 'q'},
					      {"sections", required_argument, NULL, 's'},
					      {"repeat", required_argument, NULL, 'r'},
					      {"only", required_argument, NULL, 'o'},
					      {"guards", required_argument, NULL, 'g'},
					      {"reports", no_argument, NULL, 'R'},
					      {"anyway", no_argument, NULL, 'a'},
					      {"json", required_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	uint64_t number;
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'q':
			arguments->bench.quick = true;
			break;
		case 'R':
			arguments->bench.reports = true;
			break;
		case 'a':
			arguments->bench.anyway = true;
			break;
		case 's':
			arguments->sections = optarg;
			break;
		case 'r':
			if (parse_u64(optarg, &number) < 0 || number < 1 || number > 100000) {
				fprintf(stderr, "bench: not a number of repetitions: %s\n", optarg);
				exit(2);
			}
			arguments->bench.repetitions = (unsigned int)number;
			break;
		case 'o':
			arguments->bench.only = optarg;
			break;
		case 'g':
			arguments->bench.guards = optarg;
			break;
		case 'j':
			arguments->json_path = optarg;
			break;
		case 'h':
			usage();
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "bench: what is '%s'?\n", argv[optind]);
		exit(2);
	}
	check_sections(arguments->sections);
}

/* "model name" is what x86 calls it; elsewhere the file may not tell. */
static char *cpu_model(void)
{
	_cleanup_free_ char *content = NULL;
	const char *model;

	if (file_read(AT_FDCWD, "/proc/cpuinfo", &content, NULL) < 0)
		return text("unknown CPU");
	model = parse_field(content, "model name");
	if (!model)
		return text("unknown CPU");
	return text("%.*s", (int)strcspn(model, "\n"), model);
}

static void print_machine(struct bench *bench)
{
	const struct machine *machine = &bench->machine;
	char memory[16], swap[16];
	char *model = cpu_model();

	format_size(memory, sizeof(memory), machine->memory_bytes);
	format_size(swap, sizeof(swap), machine->swap_total_bytes);
	printf("Linux %s, %u CPUs (%s), %s of memory, swap %s,\ncgroup v%d memory controller, THP "
	       "%s, pages of %llu bytes%s\n",
	       machine->release, machine->cpus_online, model, memory, swap,
	       cgroup_tree_version(bench->tree), machine_thp_name(machine->thp),
	       (unsigned long long)bench->page_size,
	       bench->quick ? "; QUICK: few repetitions" : "");
	json_object_set_new(bench->json, "machine",
			    json_pack("{s:s s:i s:s s:I s:I s:i s:s s:I s:b}", "kernel",
				      machine->release, "cpus", (int)machine->cpus_online, "cpu",
				      model, "memory_bytes", (json_int_t)machine->memory_bytes,
				      "swap_bytes", (json_int_t)machine->swap_total_bytes,
				      "cgroup_version", cgroup_tree_version(bench->tree), "thp",
				      machine_thp_name(machine->thp), "page_bytes",
				      (json_int_t)bench->page_size, "quick", bench->quick));
}

static void own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fail("cannot make a mount namespace: %s", strerror(errno));
}

/* Where the JSON goes. With "-" the tables go nowhere. */
static FILE *json_open(const char *path)
{
	FILE *file = NULL;
	bool to_output = path && strcmp(path, "-") == 0;

	if (to_output)
		file = fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), "w");
	else if (path)
		file = fopen(path, "we");
	if ((path && !file) || (to_output && !freopen("/dev/null", "we", stdout)))
		fail("cannot write %s: %s", path, strerror(errno));
	return file;
}

static int work(struct arguments *arguments)
{
	struct bench *bench = &arguments->bench;
	_cleanup_fclose_ FILE *json = json_open(arguments->json_path);

	own_mounts();
	bench->json = json_object();
	print_machine(bench);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		uint64_t start = now_ns();

		if (arguments->sections && !is_listed(arguments->sections, sections[i].name))
			continue;
		fflush(stdout);
		sections[i].run(bench);
		fprintf(stderr, "bench: %s took %.0f s\n", sections[i].name,
			(double)(now_ns() - start) / 1e9);
	}
	fflush(stdout);
	if (json && (json_dumpf(bench->json, json, JSON_INDENT(2)) < 0 ||
		     fputc('\n', json) == EOF || fflush(json) == EOF))
		fail("cannot write %s: %s", arguments->json_path, strerror(errno));
	json_decref(bench->json);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* The worker's end, or what was asked to end before it: a signal number, or 0. */
static int wait_for_end(pid_t worker, const sigset_t *signals, int *ret_status)
{
	int signal, stopped = 0;

	while (waitpid(worker, ret_status, WNOHANG) == 0) {
		if (sigwait(signals, &signal) != 0 || signal == SIGCHLD)
			continue;
		stopped = signal;
		kill(worker, SIGKILL); /* what it started dies with it */
	}
	return stopped;
}

/* Whatever happens to the worker, nothing of it stays behind. */
static int supervise(struct arguments *arguments)
{
	static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
	struct bench *bench = &arguments->bench;
	pid_t supervisor = getpid(), worker;
	sigset_t signals, before;
	int status = 0, stopped;

	sigemptyset(&signals);
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
		sigaddset(&signals, handled[i]);
	sigprocmask(SIG_BLOCK, &signals, &before);
	worker = fork();
	if (worker < 0)
		fail("cannot fork: %s", strerror(errno));
	if (worker == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		signal(SIGINT, SIG_IGN); /* the supervisor's to handle */
		signal(SIGHUP, SIG_IGN);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != supervisor)
			_exit(1);
		exit(work(arguments));
	}
	stopped = wait_for_end(worker, &signals, &status);
	group_sweep(bench->tree, bench->root);
	nftw(bench->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (stopped)
		return 128 + stopped;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.sections = NULL};
	struct bench *bench = &arguments.bench;
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *tmp = getenv("TMPDIR");
	int r;

	parse_arguments(&arguments, argc, argv);
	if (geteuid() != 0)
		fail("needs root, to make cgroups and load BPF programs");
	bench->apoptosis = getenv("APOPTOSIS") ? getenv("APOPTOSIS") : "build/apoptosis";
	bench->workloads = getenv("WORKLOADS") ? getenv("WORKLOADS") : "build/workloads";
	bench->subjects = getenv("SUBJECTS") ? getenv("SUBJECTS") : "bench/subjects";
	bench->services = getenv("SERVICES") ? getenv("SERVICES") : "tests/services";
	bench->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	if (access(bench->apoptosis, X_OK) < 0)
		fail("cannot run %s: %s", bench->apoptosis, strerror(errno));
	r = cgroup_tree_new(&bench->tree, root_fd);
	if (r < 0)
		fail("the memory controller is not mounted here: %s", strerror(-r));
	r = machine_read(root_fd, &bench->machine);
	if (r < 0)
		fail("cannot read the machine's facts: %s", strerror(-r));
	bench->dir = text("%s/apo-bench-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(bench->dir))
		fail("cannot make %s: %s", bench->dir, strerror(errno));
	bench->root = text("/apo-bench-%d", (int)getpid());
	r = cgroup_create(bench->tree, bench->root);
	if (r < 0) {
		rmdir(bench->dir);
		fail("cannot make cgroup %s: %s", bench->root, strerror(-r));
	}
	return supervise(&arguments);
}
