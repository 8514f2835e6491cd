// SPDX-License-Identifier: BSD-2-Clause
#include "source/source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "source/adopt.h"
#include "source/attached.h"
#include "source/load.h"
#include "source/maps.h"
#include "source/pins.h"

struct ring_callback {
	source_record_fn fn;
	void *userdata;
};

struct source {
	struct bpf_object *object;
	struct maps *maps;
	struct pins *pins;	   /* NULL: nothing is kept */
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

/* Without it all else works: it is told, and no more. */
static void keep(struct source *source, const char *dir)
{
	int r = dir ? pins_new(&source->pins, dir) : 0;

	if (!r)
		r = pins_add(source->pins, PIN_SIGNALLED, maps_fd(source->maps, MAP_SIGNALLED))
			    ?: pins_add(source->pins, PIN_RECORDS,
					maps_fd(source->maps, MAP_RECORDS));
	if (!r)
		return;
	log_warn("if this process is killed nothing is guarded until it is started again: cannot "
		 "keep programs in %s: %s (mount -t bpf bpf /sys/fs/bpf, or name another place by "
		 "pin-dir)",
		 dir, r == -ENOTSUP ? "it is in no BPF file system" : strerror(-r));
	source->pins = pins_free(source->pins);
}

int source_new(struct source **ret, const struct source_config *config)
{
	struct kernel_features features;
	struct source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	r = load_object(config, &features, &source->object);
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
	keep(source, config->pin_dir);
	source->cpu_ids = config->cpu_ids;
	source->ticks_stop = config->ticks_stop;
	maps_settings(source->maps)->root_cgroup = config->root_cgroup;
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

	features.load_error = load_object(&config, &features, &object);
	bpf_object__close(object);
	*ret = features;
	return 0;
}

struct source *source_free(struct source *source)
{
	if (!source)
		return NULL;
	attached_free(source->attached);
	pins_free(source->pins);
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
		.pins = source->pins,
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

/* --- earlier instances --------------------------------------------------------------------- */

static int deliver(void *userdata, void *data, size_t size);

static void adopt(const char *dir, bool is_known, void *userdata)
{
	struct source *source = userdata;
	int r = adopt_signalled(source->maps, dir, is_known);

	if (!r && is_known)
		r = adopt_records(dir, deliver, &source->on_record);
	if (r)
		log_warn("cannot read what an earlier apoptosis has left in %s: %s, ignoring", dir,
			 strerror(-r));
}

void source_adopt(struct source *source)
{
	if (source->pins)
		pins_each_earlier(source->pins, adopt, source);
}

void source_replace_earlier(struct source *source)
{
	size_t n;

	if (!source->pins)
		return;
	/* Whom they have signalled while ours were there already is in their maps, and nowhere else. */
	pins_detach_earlier(source->pins);
	source_adopt(source);
	n = pins_remove_earlier(source->pins);
	if (n)
		log_info("took over from an earlier apoptosis, whose programs have guarded until "
			 "now");
}

void source_leave(struct source *source)
{
	maps_settings(source->maps)->unattended = 1;
	maps_recall_grants(source->maps);
}

void source_return(struct source *source)
{
	maps_settings(source->maps)->unattended = 0;
	maps_recall_grants(source->maps);
}

int source_remove_kept(const char *pin_dir)
{
	return pins_remove_all(pin_dir);
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
	uint32_t before;
	int r;

	if (!maps_get(source->maps, MAP_GUARD_CGROUPS, &cgroup_id, &before) && before == policy)
		return 0;
	r = maps_put(source->maps, MAP_GUARD_CGROUPS, &cgroup_id, &policy);
	if (r)
		return r == -E2BIG ? -ENOSPC : r;
	maps_settings(source->maps)->guard_cgroups = 1;
	maps_recall_grants(source->maps);
	return 0;
}

void source_unguard_cgroup(struct source *source, uint64_t cgroup_id)
{
	if (!maps_delete(source->maps, MAP_GUARD_CGROUPS, &cgroup_id))
		maps_recall_grants(source->maps);
}

int source_guard_host(struct source *source, const struct source_host *host)
{
	struct apo_settings *settings = maps_settings(source->maps);

	settings->host_pages = host->pages;
	settings->host_available_pages = host->available_pages;
	settings->host_policy = host->policy;
	return load_prepare(source->object); /* it holds that against what it counts */
}

bool source_guards_host(const struct source *source)
{
	return maps_settings(source->maps)->host_policy != APO_POLICY_NONE;
}

/* The key of a command in a trie. */
static struct apo_profiled_key command_key(const char *name, bool is_prefix)
{
	struct apo_profiled_key key = {.bits = 8 * (strlen(name) + !is_prefix)};

	memcpy(key.comm, name, strlen(name)); /* the rest is NULs */
	return key;
}

int source_weigh_command(struct source *source, const char *name, bool is_prefix, uint32_t weight)
{
	const struct apo_profiled_key key = command_key(name, is_prefix);
	int r = maps_put(source->maps, MAP_HOST_WEIGHTS, &key, &weight);

	return r == -E2BIG ? -ENOSPC : r;
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
		const struct apo_profiled_key key = command_key(command->name, command->is_prefix);

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

int source_python_code(struct source *source, const struct apo_python_code_key *key,
		       struct apo_python_code *ret)
{
	return maps_get(source->maps, MAP_PYTHON_CODES, key, ret);
}

int source_set_python(struct source *source, uint32_t tgid, const struct apo_python *python)
{
	return python ? maps_put(source->maps, MAP_PYTHONS, &tgid, python)
		      : maps_delete(source->maps, MAP_PYTHONS, &tgid);
}

uint32_t source_python_version(struct source *source, uint32_t tgid)
{
	struct apo_python python;

	if (!maps_settings(source->maps)->profiling)
		return 0; /* one look for each process */
	return maps_get(source->maps, MAP_PYTHONS, &tgid, &python) ? 0 : python.version;
}

int source_usage_samples(struct source *source, uint64_t limit_cgroup, uint64_t from_ns,
			 struct apo_usage_sample **ret, size_t *ret_n)
{
	return maps_usage_samples(source->maps, limit_cgroup, from_ns, ret, ret_n);
}
