// SPDX-License-Identifier: BSD-2-Clause
#include "source/source_impl.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "source/adopt.h"
#include "source/attached.h"
#include "source/load.h"
#include "source/looks.h"
#include "source/maps.h"
#include "source/pins.h"

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

int source_new_looking(struct source **ret, const struct source_config *config)
{
	struct source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	r = maps_new_of_ours(&source->maps);
	if (!r)
		r = looks_new(&source->looks, &(const struct looks_config){
						      .maps = source->maps,
						      .tree = config->tree,
						      .proc_fd = config->proc_fd,
					      });
	if (r) {
		source_free(source);
		return r;
	}
	maps_settings(source->maps)->self_tgid = (uint32_t)getpid();
	maps_settings(source->maps)->root_cgroup = config->root_cgroup;
	maps_settings(source->maps)->host_policy = APO_POLICY_NONE;
	*ret = source;
	return 0;
}

bool source_is_looking(const struct source *source)
{
	return source->looks;
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
	looks_free(source->looks);
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
	int r;

	if (source->looks) {
		*ret = (struct trigger_names){.count = 1, .names = {HOOKS_LOOK}};
		return looks_start(source->looks);
	}
	r = attached_new(&source->attached, &config, used);
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
	if (source->looks)
		return 0;
	return ring_new(&source->records, maps_fd(source->maps, MAP_RECORDS), deliver,
			&source->on_record);
}

int source_on_urgent(struct source *source, source_record_fn fn, void *userdata)
{
	source->on_urgent = (struct ring_callback){fn, userdata};
	if (source->looks)
		return 0;
	return ring_new(&source->urgent, maps_fd(source->maps, MAP_URGENT), deliver_urgent, source);
}

int source_records_fd(const struct source *source)
{
	return source->looks ? looks_records_fd(source->looks)
			     : ring_buffer__epoll_fd(source->records);
}

int source_urgent_fd(const struct source *source)
{
	return source->looks ? looks_urgent_fd(source->looks)
			     : ring_buffer__epoll_fd(source->urgent);
}

/* poll rather than consume: it also takes the readiness off the epoll descriptor. */
static int consume(struct ring_buffer *ring)
{
	int n = ring_buffer__poll(ring, 0);

	return n < 0 ? n : ring_buffer__consume(ring);
}

int source_consume_records(struct source *source)
{
	if (!source->looks)
		return consume(source->records);
	looks_consume_records(source->looks, source->on_record.fn, source->on_record.userdata);
	return 0;
}

int source_consume_urgent(struct source *source)
{
	if (!source->looks)
		return consume(source->urgent);
	looks_consume_urgent(source->looks, source->on_urgent.fn, source->on_urgent.userdata);
	return 0;
}

void source_on_sent(struct source *source, pid_t pid)
{
	if (source->looks)
		looks_on_sent(source->looks, pid);
}

void source_on_end(struct source *source, pid_t pid, int status)
{
	if (source->looks)
		looks_on_end(source->looks, pid, status);
}
