// SPDX-License-Identifier: BSD-2-Clause
#include "source/maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"
#include "source/tables.h"

/* What user space knows of each; sizes in bytes. */
static const struct {
	const char *name; /* in bpf/maps.bpf.h, bpf/stats.bpf.h */
	uint32_t key_size, value_size;
	bool goes_on; /* in the map the value is longer */
} known[MAPS] = {
	[MAP_POLICIES] = {"policies", sizeof(uint32_t), sizeof(struct apo_policy)},
	[MAP_GUARD_CGROUPS] = {"guard_cgroups", sizeof(uint64_t), sizeof(uint32_t)},
	[MAP_PROFILED] = {"profiled", sizeof(struct apo_profiled_key), sizeof(uint32_t)},
	[MAP_HOST_WEIGHTS] = {"host_weights", sizeof(struct apo_profiled_key), sizeof(uint32_t)},
	[MAP_DECLARED] = {"declared", sizeof(uint32_t), sizeof(struct apo_declared)},
	[MAP_GUARD_ABOVE] = {"guard_above", sizeof(uint64_t), sizeof(uint32_t)},
	[MAP_GUARD_PIDS] = {"guard_pids", sizeof(uint32_t), sizeof(uint32_t)},
	[MAP_LIMITS] = {"limits", sizeof(struct apo_limit_key), sizeof(struct apo_limit), true},
	[MAP_PROCESSES] = {"processes", sizeof(uint32_t), sizeof(struct apo_process), true},
	[MAP_SIGNALLED] = {"signalled", sizeof(uint32_t), sizeof(struct apo_signalled)},
	[MAP_LOANS] = {"loans", sizeof(uint64_t), sizeof(struct apo_loan)},
	[MAP_GAPS] = {"gaps", sizeof(struct apo_gap_key), sizeof(uint64_t)},
	[MAP_STATS] = {"stats", sizeof(uint32_t), sizeof(uint64_t)},
	[MAP_STACKS] = {"stacks", sizeof(uint64_t), sizeof(struct apo_stack)},
	[MAP_WEIGHTS] = {"weights", sizeof(struct apo_weight_key), sizeof(struct apo_weight)},
	[MAP_PYTHONS] = {"pythons", sizeof(uint32_t), sizeof(struct apo_python)},
	[MAP_PYTHON_CODES] = {"python_codes", sizeof(struct apo_python_code_key),
			      sizeof(struct apo_python_code)},
	[MAP_USAGE_SAMPLES] = {"usage_samples", sizeof(uint32_t), sizeof(struct apo_usage_sample)},
	[MAP_RECORDS] = {"records", 0, 0},
	[MAP_URGENT] = {"urgent", 0, 0},
};

struct map {
	int fd;
	uint32_t value_size; /* as the kernel has it */
	uint32_t entries;    /* room for so many */
};

struct section {
	void *data;
	size_t size; /* of the value; mapped are whole pages */
};

struct maps {
	struct map maps[MAPS];
	struct section settings; /* struct apo_settings */
	struct section recalls;	 /* of __u32 */
	/* Where they are of no object: */
	struct tables *tables;
	uint64_t *counters; /* by enum apo_stat, atomic */
};

static size_t whole_pages(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

/* --- opening ------------------------------------------------------------------------------- */

static int map_info(int fd, struct bpf_map_info *ret)
{
	uint32_t size = sizeof(*ret);

	*ret = (struct bpf_map_info){};
	return bpf_obj_get_info_by_fd(fd, ret, &size);
}

static int map_open(const struct bpf_object *object, enum map_id id, struct map *ret)
{
	int fd = bpf_object__find_map_fd_by_name(object, known[id].name);
	struct bpf_map_info info;
	int r;

	if (fd < 0)
		return fd;
	r = map_info(fd, &info);
	if (r)
		return r;
	if (info.key_size != known[id].key_size || info.value_size < known[id].value_size ||
	    (info.value_size > known[id].value_size && !known[id].goes_on))
		return -EPROTO;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*ret = (struct map){fd, info.value_size, info.max_entries};
	return 0;
}

static int section_map(const struct bpf_object *object, const char *name, size_t size,
		       struct section *ret)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);
	struct bpf_map_info info;
	void *data;
	int r;

	if (fd < 0)
		return fd;
	r = map_info(fd, &info);
	if (r)
		return r;
	if (info.value_size < size)
		return -EPROTO;
	data = mmap(NULL, whole_pages(info.value_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	*ret = (struct section){data, info.value_size};
	return 0;
}

int maps_new(struct maps **ret, const struct bpf_object *object)
{
	struct maps *maps = calloc(1, sizeof(*maps));
	int r = 0;

	if (!maps)
		return -ENOMEM;
	for (enum map_id id = 0; id < MAPS; id++)
		maps->maps[id].fd = -1;
	for (enum map_id id = 0; !r && id < MAPS; id++)
		r = map_open(object, id, &maps->maps[id]);
	if (!r)
		r = section_map(object, ".data.settings", sizeof(struct apo_settings),
				&maps->settings);
	if (!r)
		r = section_map(object, ".data.recalls", sizeof(uint32_t), &maps->recalls);
	if (r) {
		maps_free(maps);
		return r;
	}
	*ret = maps;
	return 0;
}

static int section_new(size_t size, struct section *ret)
{
	void *data = mmap(NULL, whole_pages(size), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED)
		return -errno;
	*ret = (struct section){data, size};
	return 0;
}

int maps_new_of_ours(struct maps **ret)
{
	struct maps *maps = calloc(1, sizeof(*maps));
	int r;

	if (!maps)
		return -ENOMEM;
	for (enum map_id id = 0; id < MAPS; id++)
		maps->maps[id] = (struct map){-1, known[id].value_size, TABLES_ROOM};
	maps->counters = calloc(APO_STATS, sizeof(*maps->counters));
	r = !maps->counters ? -ENOMEM : tables_new(&maps->tables, MAPS)
		    ?: section_new(sizeof(struct apo_settings), &maps->settings)
		    ?: section_new(sizeof(uint32_t), &maps->recalls);
	if (r) {
		maps_free(maps);
		return r;
	}
	*ret = maps;
	return 0;
}

static void section_unmap(struct section *section)
{
	if (section->data)
		munmap(section->data, whole_pages(section->size));
}

struct maps *maps_free(struct maps *maps)
{
	if (!maps)
		return NULL;
	for (enum map_id id = 0; id < MAPS; id++)
		close_fd(maps->maps[id].fd);
	section_unmap(&maps->settings);
	section_unmap(&maps->recalls);
	tables_free(maps->tables);
	free(maps->counters);
	free(maps);
	return NULL;
}

int maps_fd(const struct maps *maps, enum map_id id)
{
	return maps->maps[id].fd;
}

uint32_t maps_room(const struct maps *maps, enum map_id id)
{
	return maps->maps[id].entries;
}

/* --- mapped data --------------------------------------------------------------------------- */

struct apo_settings *maps_settings(const struct maps *maps)
{
	return maps->settings.data;
}

void maps_recall_grants(const struct maps *maps)
{
	uint32_t *recalls = maps->recalls.data;

	for (size_t i = 0; i < maps->recalls.size / sizeof(*recalls); i++)
		__atomic_fetch_add(&recalls[i], 1, __ATOMIC_SEQ_CST);
}

/* --- entries ------------------------------------------------------------------------------- */

int maps_put(const struct maps *maps, enum map_id id, const void *key, const void *value)
{
	if (maps->tables)
		return tables_put(maps->tables, id, key, known[id].key_size, value,
				  known[id].value_size);
	return bpf_map_update_elem(maps->maps[id].fd, key, value, BPF_ANY);
}

int maps_add(const struct maps *maps, enum map_id id, const void *key, const void *value)
{
	return bpf_map_update_elem(maps->maps[id].fd, key, value, BPF_NOEXIST);
}

int maps_delete(const struct maps *maps, enum map_id id, const void *key)
{
	return maps->tables ? tables_delete(maps->tables, id, key)
			    : bpf_map_delete_elem(maps->maps[id].fd, key);
}

int maps_get(const struct maps *maps, enum map_id id, const void *key, void *ret)
{
	const struct map *map = &maps->maps[id];
	_cleanup_free_ void *value = NULL;
	int r;

	if (maps->tables)
		return tables_get(maps->tables, id, key, ret);
	if (!known[id].goes_on)
		return bpf_map_lookup_elem(map->fd, key, ret);
	value = malloc(map->value_size);
	if (!value)
		return -ENOMEM;
	r = bpf_map_lookup_elem(map->fd, key, value);
	if (!r)
		memcpy(ret, value, known[id].value_size);
	return r;
}

#define BATCH_MIN 256U /* entries; a bucket of the map has to fit */

int maps_copy(const struct maps *maps, enum map_id id, void **ret_keys, void **ret_values,
	      size_t *ret_n)
{
	const struct map *map = &maps->maps[id];
	size_t key_size = known[id].key_size, value_size = map->value_size, n = 0;
	_cleanup_free_ char *keys = NULL, *values = NULL;
	uint32_t bucket, batch = BATCH_MIN;
	const uint32_t *from = NULL;

	if (maps->tables)
		return tables_copy(maps->tables, id, ret_keys, ret_values, ret_n);
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
		r = bpf_map_lookup_batch(map->fd, (void *)from, &bucket, keys + n * key_size,
					 values + n * value_size, &count, NULL);
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
	/* Each value moves to where its beginning belongs. */
	for (size_t i = 1; i < n; i++)
		memmove(values + i * known[id].value_size, values + i * value_size,
			known[id].value_size);
	*ret_keys = TAKE_PTR(keys);
	*ret_values = TAKE_PTR(values);
	*ret_n = n;
	return 0;
}

/* --- what is not one entry ----------------------------------------------------------------- */

void maps_count(const struct maps *maps, enum apo_stat stat)
{
	__atomic_add_fetch(&maps->counters[stat], 1, __ATOMIC_RELAXED);
}

static int counters_of_ours(const struct maps *maps, uint64_t ret[APO_STATS])
{
	for (size_t i = 0; i < APO_STATS; i++)
		ret[i] = __atomic_load_n(&maps->counters[i], __ATOMIC_RELAXED);
	return 0;
}

int maps_counters(const struct maps *maps, uint64_t ret[APO_STATS])
{
	int cpus = maps->tables ? 0 : libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *values = NULL;
	uint64_t sums[APO_STATS] = {};

	if (maps->tables)
		return counters_of_ours(maps, ret);
	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t stat = 0; stat < APO_STATS; stat++) {
		int r = bpf_map_lookup_elem(maps->maps[MAP_STATS].fd, &stat, values);

		if (r)
			return r;
		for (int cpu = 0; cpu < cpus; cpu++)
			sums[stat] += values[cpu];
	}
	memcpy(ret, sums, sizeof(sums));
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct apo_usage_sample *one = a, *other = b;

	return one->time_ns < other->time_ns ? -1 : one->time_ns > other->time_ns;
}

/* Copied through a mapping: one system call per sample would be too slow. */
int maps_usage_samples(const struct maps *maps, uint64_t limit_cgroup, uint64_t from_ns,
		       struct apo_usage_sample **ret, size_t *ret_n)
{
	const struct map *map = &maps->maps[MAP_USAGE_SAMPLES];
	size_t size = whole_pages(map->entries * sizeof(struct apo_usage_sample));
	const struct apo_usage_sample *samples;
	struct apo_usage_sample *copies;
	size_t n = 0, copied = 0;

	*ret = NULL;
	*ret_n = 0;
	if (maps->tables)
		return 0;
	samples = mmap(NULL, size, PROT_READ, MAP_SHARED, map->fd, 0);
	if (samples == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < map->entries; i++)
		n += samples[i].limit_cgroup == limit_cgroup && samples[i].time_ns >= from_ns;
	copies = n ? reallocarray(NULL, n, sizeof(*copies)) : NULL;
	for (size_t i = 0; copies && i < map->entries && copied < n; i++)
		if (samples[i].limit_cgroup == limit_cgroup && samples[i].time_ns >= from_ns)
			copies[copied++] = samples[i];
	munmap((void *)samples, size);
	if (n && !copies)
		return -ENOMEM;
	if (copies)
		qsort(copies, copied, sizeof(*copies), by_time);
	*ret = copies;
	*ret_n = copied;
	return 0;
}
