// SPDX-License-Identifier: BSD-2-Clause
#include "source/load.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "sense/machine.h"
#include "source/features.h"
#include "source/source.h"
#include "guard.skel.h"
#include "guard_basic.skel.h"

/* There are about so many usage samples, however many CPUs write them. */
#define USAGE_SAMPLES_MAX 16384U
#define USAGE_SAMPLES_PER_CPU_MIN 64U
#define STACKS_MAX 512	      /* of 9 KiB each */
#define PROCESSES_PER_CPU 512 /* four times what a CPU may keep to itself */
#define PYTHONS_MAX 1024      /* processes */
#define PYTHON_CODES_MAX 512  /* of 5 KiB each */
#define WEIGHTS_MAX 8192      /* a stack in a spike */

__attribute__((format(printf, 2, 0))) static int bridge_log(enum libbpf_print_level level,
							    const char *fmt, va_list args)
{
	/* libbpf's own words help developers only; ours say what to do. */
	(void)level;
	log_print(LOG_LEVEL_TRACE, fmt, args);
	return 0;
}

void load_begin(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	libbpf_set_print(bridge_log);
	/* Ring buffers and BTF need it before 5.11; later locked memory is not counted for BPF. */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

int load_prepare(const struct bpf_object *object)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object, "prepare");
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	return program ? bpf_prog_test_run_opts(bpf_program__fd(program), &opts) : -ENOENT;
}

ssize_t load_iterate(const struct bpf_program *program, void *ret, size_t size)
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	bpf_link__destroy(link);
	n = fd < 0 ? -1 : read(fd, ret, size);
	return n < 0 ? -errno : n;
}

/* --- the object ---------------------------------------------------------------------------- */

static uint32_t usage_samples_per_cpu(const struct source_config *config)
{
	return MAX(USAGE_SAMPLES_MAX / config->cpu_ids, USAGE_SAMPLES_PER_CPU_MIN);
}

/*
 * Maps whose size depends on the machine: as declared in bpf/, or so many times that, or at least so many
 * entries. Those of the profiler take room only where something is recorded.
 */
static int size_maps(const struct bpf_object *object, const struct source_config *config)
{
	const uint32_t cpus = config->cpu_ids;
	const struct {
		const char *name;
		bool profiler;
		uint32_t times, least;
	} sizes[] = {
		{"limits", .times = !config->limits, .least = config->limits},
		/* Limits above those that have an account may be raised, too. */
		{"loans", .times = 1, .least = config->limits},
		{"guard_cgroups", .times = 1, .least = config->limits},
		{"pinned", .times = 1, .least = config->limits},
		{"signalled", .times = 1, .least = config->limits},
		{"guard_pids", .times = 1, .least = config->children},
		{"slots", .times = cpus},
		{"checks", .times = cpus},
		{"subtree_sums", .times = cpus},
		{"cpu_offsets", .times = cpus},
		{"usage_grants", .times = cpus},
		{"latches", .times = 1, .least = cpus * 4},
		{"processes", .times = 1, .least = cpus * PROCESSES_PER_CPU},
		{"scratches", true, .times = cpus * APO_TRIGGERS},
		{"usage_samples", true, .times = cpus * usage_samples_per_cpu(config)},
		{"stacks", true, .times = STACKS_MAX},
		{"stack_queue", true, .times = STACKS_MAX * 2},
		{"weights", true, .times = WEIGHTS_MAX},
		{"weight_queue", true, .times = WEIGHTS_MAX * 2},
		{"pythons", true, .times = PYTHONS_MAX},
		{"python_codes", true, .times = PYTHON_CODES_MAX},
		{"python_code_queue", true, .times = PYTHON_CODES_MAX * 2},
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(sizes); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, sizes[i].name);

		if (!map)
			return -EPROTO;
		if (!sizes[i].profiler || config->profiling)
			r = bpf_map__set_max_entries(map,
						     MAX(bpf_map__max_entries(map) * sizes[i].times,
							 sizes[i].least));
	}
	return r;
}

/* Facts about the machine, known to the verifier. They begin `.rodata`, the same in both objects. */
static int set_constants(const struct bpf_object *object, const struct source_config *config,
			 bool batched)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	struct guard_bpf__rodata *constants;
	_cleanup_free_ void *copy = NULL;
	const void *declared;
	size_t size = 0;

	_Static_assert(sizeof(struct guard_bpf__rodata) == sizeof(struct guard_basic_bpf__rodata),
		       "one source");
	declared = map ? bpf_map__initial_value(map, &size) : NULL;
	if (!declared || size < sizeof(*constants))
		return -EPROTO;
	constants = copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, declared, size);
	constants->memcg_v1 = config->memcg_v1;
	constants->nr_cpus = config->cpu_ids;
	constants->nr_nodes = config->node_ids;
	constants->page_shift = __builtin_ctzl(sysconf(_SC_PAGESIZE));
	constants->may_swap = config->may_swap;
	constants->pages_per_event = batched ? 66 : 1;
	constants->usage_samples_per_cpu = usage_samples_per_cpu(config);
	return bpf_map__set_initial_value(map, copy, size);
}

/*
 * A program that is needed is loaded in any case: where it cannot be, loading fails. One without a row, or
 * a row without a program, is a mistake of ours.
 */
static int choose_programs(const struct bpf_object *object, const struct kernel_features *features)
{
	bool used[HOOKS_MAX];
	struct bpf_program *program;

	hooks_choose(features->hooks, used);
	for (size_t i = 0; i < hook_count; i++) {
		program = bpf_object__find_program_by_name(object, hooks[i].program);
		if (!program)
			return -EPROTO;
		bpf_program__set_autoload(program, hooks[i].needed || used[i]);
	}
	program = NULL;
	while ((program = bpf_object__next_program(object, program)))
		if (bpf_program__type(program) == BPF_PROG_TYPE_TRACING &&
		    bpf_program__expected_attach_type(program) != BPF_TRACE_ITER &&
		    !hook_find(bpf_program__name(program)))
			return -EPROTO;
	return 0;
}

/* Two objects of one source: the same maps, and programs of the same names. */
static struct bpf_object *open_object(const struct kernel_features *features)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "guard");
	size_t size;
	const void *elf = features->bpf_send_signal_task ? guard_bpf__elf_bytes(&size)
							 : guard_basic_bpf__elf_bytes(&size);

	return bpf_object__open_mem(elf, size, &opts);
}

static int load(const struct source_config *config, const struct kernel_features *features,
		bool batched, struct bpf_object **ret)
{
	struct bpf_object *object = open_object(features);
	int r;

	if (!object)
		return -errno;
	r = set_constants(object, config, batched);
	if (!r)
		r = choose_programs(object, features);
	if (!r)
		r = size_maps(object, config);
	if (!r)
		r = bpf_object__load(object);
	if (!r)
		r = load_prepare(object);
	if (r) {
		bpf_object__close(object);
		return r;
	}
	*ret = object;
	return 0;
}

int load_object(const struct source_config *config, struct kernel_features *ret_features,
		struct bpf_object **ret)
{
	struct btf *btf;
	bool batched;

	load_begin();
	btf = features_btf();
	if (!btf) {
		*ret_features = (struct kernel_features){};
		return -ENODATA;
	}
	features_read(btf, ret_features);
	batched = features_counters_batched(btf);
	btf__free(btf);
	return load(config, ret_features, batched, ret);
}

/* --- what is wrong ------------------------------------------------------------------------- */

static bool may_load(void)
{
	uint64_t needed = 1ULL << CAP_BPF | 1ULL << CAP_PERFMON, effective;
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	effective = machine_capabilities(root_fd);
	return (effective & needed) == needed || effective >> CAP_SYS_ADMIN & 1;
}

/* By a filter of system calls. */
static bool is_filtered(void)
{
	_cleanup_free_ char *status = NULL;
	uint64_t mode;

	return !file_read(AT_FDCWD, "/proc/self/status", &status, NULL) &&
	       !parse_field_u64(status, "Seccomp", &mode) && mode == 2;
}

void load_explain(int r)
{
	if ((r == -EPERM || r == -EACCES) && !may_load())
		log_error("cannot load the kernel side: needs CAP_BPF and CAP_PERFMON in the "
			  "initial user namespace (run as root, or see apoptosis doctor)");
	else if ((r == -EPERM || r == -EACCES) && is_filtered())
		log_error("cannot load the kernel side: %s, with all capabilities that it takes: "
			  "the seccomp profile of this container denies bpf(2) (give it one that "
			  "allows it, --security-opt seccomp=FILE)",
			  strerror(-r));
	else if (r == -ENOMEM)
		log_error("cannot load the kernel side: not enough locked memory (raise "
			  "LimitMEMLOCK, or grant CAP_SYS_RESOURCE)");
	else
		log_error("cannot load the kernel side: %s (-vv shows what the kernel said, "
			  "apoptosis doctor what is missing)",
			  strerror(-r));
}
