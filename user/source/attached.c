// SPDX-License-Identifier: BSD-2-Clause
#include "source/attached.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "source/arming.h"
#include "source/load.h"
#include "source/maps.h"
#include "source/pins.h"

/* What a CPU can fill. */
#define GROWTH_BYTES_S (8ULL << 30)
#define GROWTH_CPUS 16U /* more of them share the memory's own speed */
/* Many times what attaching takes. */
#define ATTACH_NS (2 * NSEC_PER_MSEC)

struct attached {
	struct attached_config config;
	struct bpf_link *links[HOOKS_MAX]; /* NULL: not attached, or the arming's */
	struct arming *arming;		   /* NULL: the growth trigger is always attached */
	bool used[HOOKS_MAX];
};

static const struct bpf_program *program_of(const struct attached *attached, size_t row)
{
	return bpf_object__find_program_by_name(attached->config.object, hooks[row].program);
}

static size_t row_of(const char *program)
{
	return hook_find(program) - hooks;
}

static void keep(const struct attached *attached, size_t row)
{
	int r = pins_add(attached->config.pins, hooks[row].program,
			 bpf_link__fd(attached->links[row]));

	if (r)
		log_warn("%s would not outlive us: %s, ignoring", hooks[row].program, strerror(-r));
}

static int attach(struct attached *attached, size_t row)
{
	const struct bpf_program *program = program_of(attached, row);
	int r;

	if (!bpf_program__autoload(program))
		return 0;
	attached->links[row] = bpf_program__attach(program);
	attached->used[row] = attached->links[row];
	if (attached->used[row]) {
		keep(attached, row);
		return 0;
	}
	r = -errno;
	if (hooks[row].needed) {
		log_error("cannot attach %s: %s", hooks[row].program, strerror(-r));
		return r;
	}
	log_warn("cannot attach %s: %s, ignoring", hooks[row].program, strerror(-r));
	return 0;
}

/* Who runs already is met by the kernel side, where that matters: see bpf/guard.bpf.c. */
static void meet(const struct attached *attached)
{
	const struct bpf_program *program =
		bpf_object__find_program_by_name(attached->config.object, "meet");
	char nothing;
	ssize_t n;

	if (!maps_settings(attached->config.maps)->guard_above)
		return;
	n = program ? load_iterate(program, &nothing, sizeof(nothing)) : -ENOENT;
	if (n < 0)
		log_warn("cannot look at the processes that run already: %s; they are known from "
			 "their next growth on",
			 strerror(-(int)n));
}

/* One short sleep shows the kernel side which timers only wake who sleeps: see bpf/guard.bpf.c. */
static void show_sleep(void)
{
	const struct timespec shortest = {.tv_nsec = 1};

	nanosleep(&shortest, NULL);
}

/* What all CPUs can fill between two timer ticks and until the growth trigger is attached. */
static uint64_t tick_growth_bytes(const struct attached_config *config)
{
	uint64_t bytes_s = MIN(config->cpu_ids, GROWTH_CPUS) * GROWTH_BYTES_S;

	return bytes_s / NSEC_PER_USEC * (clock_tick_ns() + ATTACH_NS) / NSEC_PER_MSEC;
}

/*
 * Where charges are seen, or else ticks that never stop, these find in time that a limit is armed: then the
 * growth trigger need not be there all the time.
 */
static int let_go_of_growth(struct attached *attached)
{
	const struct attached_config *config = &attached->config;
	size_t row = row_of("on_rss_stat");
	struct bpf_link *link = attached->links[row];
	bool sees_charges = attached->used[row_of("on_charge")];
	int r;

	if (!sees_charges && (config->ticks_stop || !attached->used[row_of("on_tick")]))
		return 0;
	if (!sees_charges)
		maps_settings(config->maps)->arm_pages =
			tick_growth_bytes(config) / (uint64_t)sysconf(_SC_PAGESIZE);
	attached->links[row] = NULL;
	r = arming_new(&attached->arming,
		       &(const struct arming_config){.maps = config->maps,
						     .pins = config->pins,
						     .growth = program_of(attached, row)},
		       link);
	if (r)
		log_error("cannot start a thread: %s", strerror(-r));
	return r;
}

int attached_new(struct attached **ret, const struct attached_config *config,
		 bool ret_used[HOOKS_MAX])
{
	struct attached *attached = calloc(1, sizeof(*attached));
	int r = attached ? 0 : -ENOMEM;

	if (r)
		return r;
	attached->config = *config;
	for (size_t i = 0; !r && i < hook_count; i++)
		r = attach(attached, i);
	if (!r) {
		maps_settings(config->maps)->has_tick = attached->used[row_of("on_tick")];
		show_sleep();
		meet(attached);
		r = let_go_of_growth(attached);
	}
	if (r) {
		attached_free(attached);
		return r;
	}
	memcpy(ret_used, attached->used, sizeof(attached->used));
	*ret = attached;
	return 0;
}

struct attached *attached_free(struct attached *attached)
{
	if (!attached)
		return NULL;
	arming_free(attached->arming);
	for (size_t i = 0; i < hook_count; i++)
		bpf_link__destroy(attached->links[i]);
	free(attached);
	return NULL;
}

void attached_want_growth(const struct attached *attached)
{
	if (attached->arming)
		arming_wanted(attached->arming);
}

size_t attached_programs(const struct attached *attached, struct status_program ret[HOOKS_MAX])
{
	bool has_growth = maps_settings(attached->config.maps)->growth_attached;
	size_t n = 0;

	for (size_t i = hook_count; i-- > 0;) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (!attached->used[i])
			continue;
		/* What the kernel does not tell stays 0, as what it does not count. */
		bpf_obj_get_info_by_fd(bpf_program__fd(program_of(attached, i)), &info, &size);
		ret[n++] = (struct status_program){
			.hook = &hooks[i],
			.is_attached = i != row_of("on_rss_stat") || has_growth,
			.runs = info.run_cnt,
			.ns = info.run_time_ns,
		};
	}
	return n;
}
