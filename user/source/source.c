// SPDX-License-Identifier: BSD-2-Clause
#include "source/source.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "source/features.h"
#include "guard.skel.h"
#include "guard_basic.skel.h"
#include "rss.skel.h"

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
	struct guard_bpf *skel;
	struct bpf_link *links[HOOKS_MAX]; /* NULL: not attached */
	struct ring_buffer *records;
	struct ring_buffer *urgent;
	struct ring_callback on_record;
	struct ring_callback on_urgent;
};

static int bridge_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	/* libbpf's own words help developers only; ours say what to do. */
	(void)level;
	log_print(LOG_LEVEL_TRACE, fmt, args);
	return 0;
}

/* --- loading ------------------------------------------------------------------------------- */

static bool may_load(void)
{
	uint64_t needed = 1ULL << CAP_BPF | 1ULL << CAP_PERFMON, effective;
	_cleanup_free_ char *status = NULL;
	const char *field;

	if (file_read(AT_FDCWD, "/proc/self/status", &status, NULL))
		return false;
	field = parse_field(status, "CapEff");
	effective = field ? strtoull(field, NULL, 16) : 0;
	return (effective & needed) == needed || effective >> CAP_SYS_ADMIN & 1;
}

static void explain_load_failure(int r)
{
	if ((r == -EPERM || r == -EACCES) && !may_load())
		log_error("cannot load the kernel side: needs CAP_BPF and CAP_PERFMON in the "
			  "initial user namespace (run as root, or see apoptosis doctor)");
	else if (r == -ENOMEM)
		log_error("cannot load the kernel side: not enough locked memory (raise "
			  "LimitMEMLOCK, or grant CAP_SYS_RESOURCE)");
	else
		log_error("cannot load the kernel side: %s (-vv shows what the kernel said, "
			  "apoptosis doctor what is missing)",
			  strerror(-r));
}

/* Those of the profiler take room only where something is recorded. */
static int size_maps(struct guard_bpf *skel, const struct source_config *config)
{
	const struct {
		struct bpf_map *map;
		uint32_t entries;
		bool profiler;
	} sizes[] = {
		{skel->maps.slots, config->cpu_ids, false},
		{skel->maps.cpu_offsets, config->cpu_ids, false},
		{skel->maps.usage_grants,
		 config->cpu_ids * bpf_map__max_entries(skel->maps.usage_grants), false},
		{skel->maps.latches, MAX(config->cpu_ids * 4, 64U), false},
		{skel->maps.processes,
		 MAX(config->cpu_ids * PROCESSES_PER_CPU,
		     bpf_map__max_entries(skel->maps.processes)),
		 false},
		{skel->maps.scratches, config->cpu_ids * APO_TRIGGERS, true},
		{skel->maps.usage_samples, config->cpu_ids * skel->rodata->usage_samples_per_cpu,
		 true},
		{skel->maps.stacks, STACKS_MAX, true},
		{skel->maps.stack_queue, STACKS_MAX * 2, true},
		{skel->maps.weights, WEIGHTS_MAX, true},
		{skel->maps.weight_queue, WEIGHTS_MAX * 2, true},
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(sizes); i++)
		r = bpf_map__set_max_entries(sizes[i].map, sizes[i].profiler && !config->profiling
								   ? 1
								   : sizes[i].entries);
	return r;
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
	bpf_object__for_each_program(program, object)
	{
		if (bpf_program__type(program) == BPF_PROG_TYPE_TRACING &&
		    !hook_find(bpf_program__name(program)))
			return -EPROTO;
	}
	return 0;
}

static int configure(struct guard_bpf *skel, const struct source_config *config,
		     const struct kernel_features *features, bool batched)
{
	int r;

	skel->rodata->memcg_v1 = config->memcg_v1;
	skel->rodata->nr_cpus = config->cpu_ids;
	skel->rodata->nr_nodes = config->node_ids;
	skel->rodata->page_shift = __builtin_ctzl(sysconf(_SC_PAGESIZE));
	skel->rodata->may_swap = config->may_swap;
	skel->rodata->pages_per_event = batched ? 64 : 1;
	skel->rodata->usage_samples_per_cpu =
		MAX(USAGE_SAMPLES_MAX / config->cpu_ids, USAGE_SAMPLES_PER_CPU_MIN);
	skel->data_settings->settings.profiling = config->profiling;

	r = choose_programs(skel->obj, features);
	return r ?: size_maps(skel, config);
}

static int run_once(int program_fd)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	return bpf_prog_test_run_opts(program_fd, &opts);
}

/* Ring buffers and BTF need it before 5.11; later kernels do not count locked memory for BPF. */
static void raise_memlock(void)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

static int open_and_load(struct guard_bpf **ret, const struct source_config *config,
			 struct kernel_features *features)
{
	struct guard_bpf *skel = NULL;
	struct btf *btf;
	bool batched;
	int r;

	libbpf_set_print(bridge_log);
	raise_memlock();
	btf = features_btf();
	if (!btf) {
		*features = (struct kernel_features){};
		return -ENODATA;
	}
	features_read(btf, features);
	batched = features_counters_batched(btf);
	btf__free(btf);

	/* Two objects of one source: same maps, same programs, so one type serves for both. */
	_Static_assert(sizeof(struct guard_bpf) == sizeof(struct guard_basic_bpf), "one source");
	skel = features->bpf_send_signal_task ? guard_bpf__open()
					      : (struct guard_bpf *)guard_basic_bpf__open();
	if (!skel)
		return -errno;
	r = configure(skel, config, features, batched);
	if (!r)
		r = guard_bpf__load(skel);
	if (!r)
		r = run_once(bpf_program__fd(skel->progs.prepare));
	if (r) {
		guard_bpf__destroy(skel);
		return r;
	}
	*ret = skel;
	return 0;
}

int source_new(struct source **ret, const struct source_config *config)
{
	struct kernel_features features;
	struct source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	r = open_and_load(&source->skel, config, &features);
	if (r == -ENODATA && !features.has_btf) {
		log_error("this kernel does not describe its types (/sys/kernel/btf/vmlinux is "
			  "missing): needs CONFIG_DEBUG_INFO_BTF=y, kernel 5.10 or newer");
	} else if (r) {
		explain_load_failure(r);
	}
	if (r) {
		source_free(source);
		return r;
	}
	malloc_trim(0); /* parsing the kernel's BTF took tens of MiB */
	*ret = source;
	return 0;
}

struct source *source_free(struct source *source)
{
	if (!source)
		return NULL;
	ring_buffer__free(source->records);
	ring_buffer__free(source->urgent);
	for (size_t i = 0; i < hook_count; i++)
		bpf_link__destroy(source->links[i]);
	guard_bpf__destroy(source->skel);
	free(source);
	return NULL;
}

/* --- configuration ------------------------------------------------------------------------- */

int source_set_policy(struct source *source, uint32_t id, const struct apo_policy *policy)
{
	return bpf_map__update_elem(source->skel->maps.policies, &id, sizeof(id), policy,
				    sizeof(*policy), BPF_ANY);
}

int source_set_generation(struct source *source, uint32_t generation)
{
	uint32_t *recalls = source->skel->data_recalls->recalls;

	source->skel->data_settings->settings.generation = generation;
	for (size_t i = 0; i < ARRAY_SIZE(source->skel->data_recalls->recalls); i++)
		__atomic_fetch_add(&recalls[i], 1, __ATOMIC_SEQ_CST);
	return 0;
}

int source_guard_all(struct source *source, uint32_t policy)
{
	source->skel->data_settings->settings.guard_all = policy;
	return 0;
}

int source_guard_cgroup(struct source *source, uint64_t cgroup_id, uint32_t policy)
{
	int r = bpf_map__update_elem(source->skel->maps.guard_cgroups, &cgroup_id,
				     sizeof(cgroup_id), &policy, sizeof(policy), BPF_ANY);

	if (!r)
		source->skel->data_settings->settings.guard_cgroups = 1;
	return r == -E2BIG ? -ENOSPC : r;
}

int source_guard_pid(struct source *source, pid_t pid, uint32_t policy)
{
	uint32_t tgid = pid;
	int r = bpf_map__update_elem(source->skel->maps.guard_pids, &tgid, sizeof(tgid), &policy,
				     sizeof(policy), BPF_ANY);

	if (!r)
		source->skel->data_settings->settings.guard_pids = 1;
	return r == -E2BIG ? -ENOSPC : r;
}

int source_guard_children(struct source *source, uint32_t policy)
{
	return source_guard_pid(source, source->skel->data_settings->settings.self_tgid, policy);
}

void source_set_swap(struct source *source, uint64_t free_pages, uint64_t nr_swap_pages_address)
{
	source->skel->data_settings->settings.swap_pages = free_pages;
	source->skel->data_settings->settings.nr_swap_pages_address = nr_swap_pages_address;
}

static int attach(struct source *source, size_t i)
{
	struct bpf_program *program =
		bpf_object__find_program_by_name(source->skel->obj, hooks[i].program);
	int r;

	if (!bpf_program__autoload(program))
		return 0;
	source->links[i] = bpf_program__attach(program);
	if (source->links[i])
		return 0;
	r = -errno;
	if (hooks[i].needed) {
		log_error("cannot attach %s: %s", hooks[i].program, strerror(-r));
		return r;
	}
	log_warn("cannot attach %s: %s, ignoring", hooks[i].program, strerror(-r));
	return 0;
}

int source_attach(struct source *source, struct trigger_names *ret)
{
	bool attached[HOOKS_MAX] = {};

	for (size_t i = 0; i < hook_count; i++) {
		int r = attach(source, i);

		if (r)
			return r;
		attached[i] = source->links[i];
	}
	source->skel->data_settings->settings.has_tick = attached[hook_find("on_tick") - hooks];
	malloc_trim(0);
	hooks_triggers(attached, ret);
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

static int ring_new(struct ring_buffer **ret, struct bpf_map *map, struct ring_callback *callback)
{
	struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(map), deliver, callback, NULL);

	if (!ring)
		return -errno;
	*ret = ring;
	return 0;
}

int source_on_record(struct source *source, source_record_fn fn, void *userdata)
{
	source->on_record = (struct ring_callback){fn, userdata};
	return ring_new(&source->records, source->skel->maps.records, &source->on_record);
}

int source_on_urgent(struct source *source, source_record_fn fn, void *userdata)
{
	source->on_urgent = (struct ring_callback){fn, userdata};
	return ring_new(&source->urgent, source->skel->maps.urgent, &source->on_urgent);
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

int source_follow(struct source *source, pid_t pid, const struct apo_signalled *entry)
{
	uint32_t tgid = pid;

	return bpf_map__update_elem(source->skel->maps.signalled, &tgid, sizeof(tgid), entry,
				    sizeof(*entry), BPF_ANY);
}

int source_followed(struct source *source, pid_t pid, struct apo_signalled *ret)
{
	uint32_t tgid = pid;

	return bpf_map__lookup_elem(source->skel->maps.signalled, &tgid, sizeof(tgid), ret,
				    sizeof(*ret), 0);
}

/* --- accounts ------------------------------------------------------------------------------ */

/* Values of accounts are longer in the map than what user space knows of them: their beginning. */
static int account_lookup(const struct bpf_map *map, const void *key, void *ret, size_t size)
{
	_cleanup_free_ void *value = malloc(bpf_map__value_size(map));
	int r = value ? bpf_map_lookup_elem(bpf_map__fd(map), key, value) : -ENOMEM;

	if (!r)
		memcpy(ret, value, size);
	return r;
}

int source_limit(struct source *source, const struct apo_limit_key *key, struct apo_limit *ret)
{
	return account_lookup(source->skel->maps.limits, key, ret, sizeof(*ret));
}

#define BATCH_MIN 256U /* entries; a bucket of the map has to fit */

/*
 * Copies a hash map while programs go on writing it: each bucket is of one moment, so that no
 * entry comes twice; one that is added or deleted meanwhile may be missed.
 */
static int map_copy(struct bpf_map *map, void **ret_keys, void **ret_values, size_t *ret_n)
{
	size_t key_size = bpf_map__key_size(map), value_size = bpf_map__value_size(map), n = 0;
	_cleanup_free_ char *keys = NULL, *values = NULL;
	uint32_t bucket, batch = BATCH_MIN;
	const uint32_t *from = NULL;

	for (;;) {
		char *more_keys = realloc(keys, (n + batch) * key_size), *more_values;
		uint32_t count = batch;
		int r;

		if (more_keys)
			keys = more_keys;
		more_values = realloc(values, (n + batch) * value_size);
		if (more_values)
			values = more_values;
		if (!more_keys || !more_values)
			return -ENOMEM;
		r = bpf_map_lookup_batch(bpf_map__fd(map), (void *)from, &bucket,
					 keys + n * key_size, values + n * value_size, &count,
					 NULL);
		if (r == -ENOSPC) {
			batch *= 2;
			continue;
		}
		if (r && r != -ENOENT)
			return r;
		n += count;
		if (r == -ENOENT)
			break;
		from = &bucket;
	}
	*ret_keys = TAKE_PTR(keys);
	*ret_values = TAKE_PTR(values);
	*ret_n = n;
	return 0;
}

/* The same for all of a map: each value moves to where its beginning belongs. */
static int accounts_copy(struct bpf_map *map, void **ret_keys, void **ret, size_t size,
			 size_t *ret_n)
{
	size_t value_size = bpf_map__value_size(map);
	char *values;
	int r = map_copy(map, ret_keys, ret, ret_n);

	if (r)
		return r;
	values = *ret;
	for (size_t i = 1; i < *ret_n; i++)
		memmove(values + i * size, values + i * value_size, size);
	return 0;
}

int source_limits(struct source *source, struct apo_limit_key **ret_keys, struct apo_limit **ret,
		  size_t *ret_n)
{
	return accounts_copy(source->skel->maps.limits, (void **)ret_keys, (void **)ret,
			     sizeof(**ret), ret_n);
}

int source_processes(struct source *source, uint32_t **ret_pids, struct apo_process **ret,
		     size_t *ret_n)
{
	return accounts_copy(source->skel->maps.processes, (void **)ret_pids, (void **)ret,
			     sizeof(**ret), ret_n);
}

int source_counters(struct source *source, uint64_t ret[APO_STATS])
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *values = NULL;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t stat = 0; stat < APO_STATS; stat++) {
		int r = bpf_map__lookup_elem(source->skel->maps.stats, &stat, sizeof(stat), values,
					     cpus * sizeof(*values), 0);

		if (r)
			return r;
		ret[stat] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			ret[stat] += values[cpu];
	}
	return 0;
}

/* --- the profiler -------------------------------------------------------------------------- */

int source_weights(struct source *source, struct apo_weight_key **ret_keys, struct apo_weight **ret,
		   size_t *ret_n)
{
	return map_copy(source->skel->maps.weights, (void **)ret_keys, (void **)ret, ret_n);
}

int source_stack(struct source *source, uint64_t key, struct apo_stack *ret)
{
	return bpf_map__lookup_elem(source->skel->maps.stacks, &key, sizeof(key), ret, sizeof(*ret),
				    0);
}

static int by_time(const void *a, const void *b)
{
	const struct apo_usage_sample *one = a, *other = b;

	return one->time_ns < other->time_ns ? -1 : one->time_ns > other->time_ns;
}

/* Copied through a mapping: one system call per point would be too slow. */
int source_usage_samples(struct source *source, uint64_t limit_cgroup, uint64_t from_ns,
			 struct apo_usage_sample **ret, size_t *ret_n)
{
	size_t count = bpf_map__max_entries(source->skel->maps.usage_samples), n = 0;
	size_t page = sysconf(_SC_PAGESIZE);
	size_t size = (count * sizeof(struct apo_usage_sample) + page - 1) / page * page;
	const struct apo_usage_sample *points = mmap(NULL, size, PROT_READ, MAP_SHARED,
						     bpf_map__fd(source->skel->maps.usage_samples),
						     0);
	struct apo_usage_sample *copies;

	if (points == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < count; i++)
		n += points[i].limit_cgroup == limit_cgroup && points[i].time_ns >= from_ns;
	copies = n ? reallocarray(NULL, n, sizeof(*copies)) : NULL;
	*ret_n = 0;
	for (size_t i = 0; copies && i < count && *ret_n < n; i++)
		if (points[i].limit_cgroup == limit_cgroup && points[i].time_ns >= from_ns)
			copies[(*ret_n)++] = points[i];
	munmap((void *)points, size);
	if (n && !copies)
		return -ENOMEM;
	if (copies)
		qsort(copies, *ret_n, sizeof(*copies), by_time);
	*ret = copies;
	return 0;
}

/* --- for the commands ---------------------------------------------------------------------- */

int source_probe(struct kernel_features *ret)
{
	const struct source_config config = {
		.cpu_ids = 1,
		.node_ids = 1,
	};
	struct kernel_features features;
	struct guard_bpf *skel = NULL;

	features.load_error = open_and_load(&skel, &config, &features);
	guard_bpf__destroy(skel);
	*ret = features;
	return 0;
}

static int rss_read(const struct bpf_program *program, struct apo_rss *ret)
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	_cleanup_close_ int fd = -1;
	struct apo_rss record;
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	bpf_link__destroy(link);
	if (fd < 0)
		return -errno;
	n = read(fd, &record, sizeof(record));
	if (n < 0)
		return -errno;
	if (n != sizeof(record))
		return -ESRCH;
	*ret = record;
	return 0;
}

int source_rss(pid_t pid, uint32_t pid_ns, uint32_t cpu_ids, struct apo_rss *ret)
{
	struct rss_bpf *skel;
	int r;

	libbpf_set_print(bridge_log);
	raise_memlock();
	skel = rss_bpf__open();
	if (!skel)
		return -errno;
	skel->rodata->wanted_pid = pid;
	skel->rodata->wanted_pid_ns = pid_ns;
	skel->rodata->nr_cpus = cpu_ids;
	r = bpf_map__set_max_entries(skel->maps.cpu_offsets, cpu_ids);
	if (!r)
		r = rss_bpf__load(skel);
	if (!r)
		r = run_once(bpf_program__fd(skel->progs.prepare));
	if (!r)
		r = rss_read(skel->progs.rss_dump, ret);
	rss_bpf__destroy(skel);
	if (r && r != -ESRCH)
		explain_load_failure(r);
	return r;
}
