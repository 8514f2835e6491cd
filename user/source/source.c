// SPDX-License-Identifier: BSD-2-Clause
#include "source/source.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "source/attached.h"
#include "source/features.h"
#include "source/load.h"
#include "source/maps.h"
#include "guard.skel.h"
#include "guard_basic.skel.h"

/* There are about so many usage samples, however many CPUs write them. */
#define USAGE_SAMPLES_MAX 16384U
#define USAGE_SAMPLES_PER_CPU_MIN 64U
#define STACKS_MAX 512	      /* of 8 KiB each */
#define PROCESSES_PER_CPU 512 /* four times what a CPU may keep to itself */
#define WEIGHTS_MAX 8192      /* a stack in a spike */

struct ring_callback {
	source_record_fn fn;
	void *userdata;
};

struct source {
	struct bpf_object *object;
	struct maps *maps;
	struct attached *attached; /* NULL: not yet */
	uint64_t asked_ns,
		asked_checks; /* when its cost was asked for last, or since it is attached */
	uint32_t cpu_ids;
	bool ticks_stop;
	struct ring_buffer *records;
	struct ring_buffer *urgent;
	struct ring_callback on_record;
	struct ring_callback on_urgent;
};

/* --- opening ------------------------------------------------------------------------------- */

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

/* ret_features are written in any case. -ENODATA: the kernel does not describe its types. */
static int probe_and_load(const struct source_config *config, struct kernel_features *ret_features,
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

int source_new(struct source **ret, const struct source_config *config)
{
	struct kernel_features features;
	struct source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	r = probe_and_load(config, &features, &source->object);
	if (!r)
		r = maps_new(&source->maps, source->object);
	if (r == -ENODATA && !features.has_btf) {
		log_error("this kernel does not describe its types (/sys/kernel/btf/vmlinux is "
			  "missing): needs CONFIG_DEBUG_INFO_BTF=y, kernel 5.10 or newer");
	} else if (r) {
		load_explain(r);
	}
	if (r) {
		source_free(source);
		return r;
	}
	source->cpu_ids = config->cpu_ids;
	source->ticks_stop = config->ticks_stop;
	maps_settings(source->maps)->profiling = config->profiling;
	maps_settings(source->maps)->growth_attached = 1; /* is about to be */
	malloc_trim(0); /* parsing the kernel's BTF took tens of MiB */
	*ret = source;
	return 0;
}

int source_probe(struct kernel_features *ret)
{
	const struct source_config config = {
		.cpu_ids = 1,
		.node_ids = 1,
	};
	struct bpf_object *object = NULL;
	struct kernel_features features;

	features.load_error = probe_and_load(&config, &features, &object);
	bpf_object__close(object);
	*ret = features;
	return 0;
}

struct source *source_free(struct source *source)
{
	if (!source)
		return NULL;
	attached_free(source->attached);
	ring_buffer__free(source->records);
	ring_buffer__free(source->urgent);
	maps_free(source->maps);
	bpf_object__close(source->object);
	free(source);
	return NULL;
}

/* --- attaching ----------------------------------------------------------------------------- */

int source_attach(struct source *source, struct trigger_names *ret)
{
	const struct attached_config config = {
		.object = source->object,
		.maps = source->maps,
		.cpu_ids = source->cpu_ids,
		.ticks_stop = source->ticks_stop,
	};
	bool used[HOOKS_MAX] = {};
	int r = attached_new(&source->attached, &config, used);

	if (r)
		return r;
	source->asked_ns = clock_ns(CLOCK_MONOTONIC);
	malloc_trim(0);
	hooks_triggers(used, ret);
	return 0;
}

int source_cost(struct source *source, struct status_cost *ret)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), counters[APO_STATS];
	int r = maps_counters(source->maps, counters);

	if (r)
		return r;
	*ret = (struct status_cost){};
	if (source->asked_ns && now_ns > source->asked_ns)
		ret->checks_per_s = (double)(counters[APO_STAT_CHECKS] - source->asked_checks) *
				    NSEC_PER_SEC / (double)(now_ns - source->asked_ns);
	source->asked_ns = now_ns;
	source->asked_checks = counters[APO_STAT_CHECKS];
	if (source->attached)
		ret->program_count = attached_programs(source->attached, ret->programs);
	return 0;
}

/* --- records ------------------------------------------------------------------------------- */

static int deliver(void *userdata, void *data, size_t size)
{
	const struct ring_callback *callback = userdata;
	const struct apo_record *record = data;

	if (size < sizeof(*record) || record->size > size)
		return 0;
	return callback->fn(record, callback->userdata);
}

/* What is for this room stays here. */
static int deliver_urgent(void *userdata, void *data, size_t size)
{
	struct source *source = userdata;
	const struct apo_record *record = data;

	if (size < sizeof(*record) || record->type != APO_REC_ARM)
		return deliver(&source->on_urgent, data, size);
	if (source->attached)
		attached_want_growth(source->attached);
	return 0;
}

static int ring_new(struct ring_buffer **ret, int map_fd, ring_buffer_sample_fn fn, void *userdata)
{
	struct ring_buffer *ring = ring_buffer__new(map_fd, fn, userdata, NULL);

	if (!ring)
		return -errno;
	*ret = ring;
	return 0;
}

int source_on_record(struct source *source, source_record_fn fn, void *userdata)
{
	source->on_record = (struct ring_callback){fn, userdata};
	return ring_new(&source->records, maps_fd(source->maps, MAP_RECORDS), deliver,
			&source->on_record);
}

int source_on_urgent(struct source *source, source_record_fn fn, void *userdata)
{
	source->on_urgent = (struct ring_callback){fn, userdata};
	return ring_new(&source->urgent, maps_fd(source->maps, MAP_URGENT), deliver_urgent, source);
}

int source_records_fd(const struct source *source)
{
	return ring_buffer__epoll_fd(source->records);
}

int source_urgent_fd(const struct source *source)
{
	return ring_buffer__epoll_fd(source->urgent);
}

/* poll rather than consume: it also takes the readiness off the epoll descriptor. */
int source_consume_records(struct source *source)
{
	int n = ring_buffer__poll(source->records, 0);

	return n < 0 ? n : ring_buffer__consume(source->records);
}

int source_consume_urgent(struct source *source)
{
	int n = ring_buffer__poll(source->urgent, 0);

	return n < 0 ? n : ring_buffer__consume(source->urgent);
}

/* --- what user space says ------------------------------------------------------------------ */

int source_set_policy(struct source *source, uint32_t id, const struct apo_policy *policy)
{
	return maps_put(source->maps, MAP_POLICIES, &id, policy);
}

int source_set_generation(struct source *source, uint32_t generation)
{
	maps_settings(source->maps)->generation = generation;
	maps_recall_grants(source->maps);
	return 0;
}

int source_guard_all(struct source *source, uint32_t policy)
{
	maps_settings(source->maps)->guard_all = policy;
	return 0;
}

int source_guard_cgroup(struct source *source, uint64_t cgroup_id, uint32_t policy)
{
	int r = maps_put(source->maps, MAP_GUARD_CGROUPS, &cgroup_id, &policy);

	if (!r)
		maps_settings(source->maps)->guard_cgroups = 1;
	return r == -E2BIG ? -ENOSPC : r;
}

void source_unguard_cgroup(struct source *source, uint64_t cgroup_id)
{
	maps_delete(source->maps, MAP_GUARD_CGROUPS, &cgroup_id);
}

void source_tell_cgroups(struct source *source)
{
	maps_settings(source->maps)->tells_cgroups = 1;
}

int source_guard_above(struct source *source, uint64_t cgroup_id, uint32_t policy)
{
	int r = maps_put(source->maps, MAP_GUARD_ABOVE, &cgroup_id, &policy);

	if (!r)
		maps_settings(source->maps)->guard_above = 1;
	return r == -E2BIG ? -ENOSPC : r;
}

int source_guard_pid(struct source *source, pid_t pid, uint32_t policy)
{
	uint32_t tgid = pid;
	int r = maps_put(source->maps, MAP_GUARD_PIDS, &tgid, &policy);

	if (!r)
		maps_settings(source->maps)->guard_pids = 1;
	return r == -E2BIG ? -ENOSPC : r;
}

int source_guard_children(struct source *source, uint32_t policy)
{
	return source_guard_pid(source, maps_settings(source->maps)->self_tgid, policy);
}

int source_set_profiled(struct source *source, const struct profiles *profiles)
{
	_cleanup_free_ struct profile_mark *marks = NULL;
	size_t n = 0;
	int r = profiles_marks(profiles, &marks, &n);

	for (size_t i = 0; !r && i < n; i++) {
		const struct profile_command *command = &marks[i].command;
		struct apo_profiled_key key = {
			.bits = 8 * (strlen(command->name) + !command->is_prefix),
		};

		memcpy(key.comm, command->name, sizeof(key.comm));
		r = maps_put(source->maps, MAP_PROFILED, &key, &marks[i].uses);
	}
	return r == -E2BIG ? -ENOSPC : r;
}

int source_declare(struct source *source, pid_t pid, const struct apo_declared *entry)
{
	uint32_t tgid = pid;

	if (entry->by != APO_DECLARED_NOTHING)
		return maps_put(source->maps, MAP_DECLARED, &tgid, entry);
	maps_delete(source->maps, MAP_DECLARED, &tgid); /* there may be none */
	return 0;
}

int source_declared(struct source *source, pid_t pid, struct apo_declared *ret)
{
	uint32_t tgid = pid;

	return maps_get(source->maps, MAP_DECLARED, &tgid, ret);
}

void source_set_swap(struct source *source, uint64_t free_pages, uint64_t nr_swap_pages_address)
{
	struct apo_settings *settings = maps_settings(source->maps);

	settings->swap_pages = free_pages;
	settings->nr_swap_pages_address = nr_swap_pages_address;
}

int source_follow(struct source *source, pid_t pid, const struct apo_signalled *entry)
{
	uint32_t tgid = pid;

	return maps_put(source->maps, MAP_SIGNALLED, &tgid, entry);
}

int source_set_loan(struct source *source, uint64_t cgroup_id, const struct apo_loan *loan)
{
	int r;

	r = loan ? maps_put(source->maps, MAP_LOANS, &cgroup_id, loan)
		 : maps_delete(source->maps, MAP_LOANS, &cgroup_id);
	if (loan && !r)
		maps_settings(source->maps)->loans = 1;
	maps_recall_grants(source->maps); /* there is more room now, or less */
	return r == -E2BIG ? -ENOSPC : r;
}

uint64_t source_lent_pages(struct source *source, uint64_t cgroup_id)
{
	struct apo_loan loan;

	if (maps_get(source->maps, MAP_LOANS, &cgroup_id, &loan) ||
	    loan.limit_pages == APO_UNLIMITED)
		return 0;
	return loan.raised_pages - loan.limit_pages;
}

/* --- what it reads ------------------------------------------------------------------------- */

int source_followed(struct source *source, pid_t pid, struct apo_signalled *ret)
{
	uint32_t tgid = pid;

	return maps_get(source->maps, MAP_SIGNALLED, &tgid, ret);
}

int source_limit(struct source *source, const struct apo_limit_key *key, struct apo_limit *ret)
{
	return maps_get(source->maps, MAP_LIMITS, key, ret);
}

int source_limits(struct source *source, struct apo_limit_key **ret_keys, struct apo_limit **ret,
		  size_t *ret_n)
{
	return maps_copy(source->maps, MAP_LIMITS, (void **)ret_keys, (void **)ret, ret_n);
}

uint32_t source_limits_room(const struct source *source)
{
	return maps_room(source->maps, MAP_LIMITS);
}

void source_drop_limit(struct source *source, const struct apo_limit_key *key)
{
	maps_delete(source->maps, MAP_LIMITS, key);
}

int source_gaps(struct source *source, struct apo_gap_key **ret_keys, uint64_t **ret_found_ns,
		size_t *ret_n)
{
	return maps_copy(source->maps, MAP_GAPS, (void **)ret_keys, (void **)ret_found_ns, ret_n);
}

void source_drop_gap(struct source *source, const struct apo_gap_key *key)
{
	maps_delete(source->maps, MAP_GAPS, key);
}

int source_processes(struct source *source, uint32_t **ret_pids, struct apo_process **ret,
		     size_t *ret_n)
{
	return maps_copy(source->maps, MAP_PROCESSES, (void **)ret_pids, (void **)ret, ret_n);
}

int source_counters(struct source *source, uint64_t ret[APO_STATS])
{
	return maps_counters(source->maps, ret);
}

int source_weights(struct source *source, struct apo_weight_key **ret_keys, struct apo_weight **ret,
		   size_t *ret_n)
{
	return maps_copy(source->maps, MAP_WEIGHTS, (void **)ret_keys, (void **)ret, ret_n);
}

int source_stack(struct source *source, uint64_t key, struct apo_stack *ret)
{
	return maps_get(source->maps, MAP_STACKS, &key, ret);
}

int source_usage_samples(struct source *source, uint64_t limit_cgroup, uint64_t from_ns,
			 struct apo_usage_sample **ret, size_t *ret_n)
{
	return maps_usage_samples(source->maps, limit_cgroup, from_ns, ret, ret_n);
}
