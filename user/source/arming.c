// SPDX-License-Identifier: BSD-2-Clause
#include "source/arming.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "base/wake.h"
#include "base/worker.h"
#include "source/maps.h"
#include "source/pins.h"

#define ARMING_STACK (256UL * 1024) /* bytes */
#define ARMING_PRIORITY 49	    /* SCHED_FIFO: after the responder, before everybody else */
#define HOLD_NS (10 * NSEC_PER_SEC) /* attached for so long after a limit was armed last */

struct arming {
	struct arming_config config;
	struct bpf_link *link; /* NULL: not attached */
	struct worker worker;
	bool has_warned;
};

static void tell_kernel(const struct arming *arming, bool is_attached)
{
	__atomic_store_n(&maps_settings(arming->config.maps)->growth_attached, is_attached,
			 __ATOMIC_RELEASE);
}

static void attach(struct arming *arming)
{
	int r;

	arming->link = bpf_program__attach(arming->config.growth);
	if (!arming->link) {
		if (!arming->has_warned)
			log_warn("cannot attach the growth trigger: %s; the others go on without "
				 "it, and it is tried again",
				 strerror(errno));
		arming->has_warned = true;
		return;
	}
	r = pins_add(arming->config.pins, bpf_program__name(arming->config.growth),
		     bpf_link__fd(arming->link));
	if (r)
		log_debug("the growth trigger would not outlive us: %s, ignoring", strerror(-r));
	/* What grew under them was not counted meanwhile. */
	maps_recall_grants(arming->config.maps);
	tell_kernel(arming, true);
	log_debug("a limit is armed: the growth trigger is attached");
}

static void detach(struct arming *arming)
{
	tell_kernel(arming, false);
	pins_drop(arming->config.pins, bpf_program__name(arming->config.growth));
	bpf_link__destroy(arming->link);
	arming->link = NULL;
	log_debug("no limit is armed: the growth trigger is detached");
}

/* Detaches if it is time. In how many milliseconds it may be, else; -1: not before it is attached again. */
static int look(struct arming *arming)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), armed_ns, elapsed;

	if (!arming->link)
		return -1;
	armed_ns = __atomic_load_n(&maps_settings(arming->config.maps)->armed_ns, __ATOMIC_RELAXED);
	elapsed = now > armed_ns ? now - armed_ns : 0;
	if (elapsed < HOLD_NS)
		return (int)((HOLD_NS - elapsed) / NSEC_PER_MSEC) + 1;
	detach(arming);
	return -1;
}

static void *arming_main(void *userdata)
{
	struct arming *arming = userdata;
	struct pollfd fd = {.fd = arming->worker.wake_fd, .events = POLLIN};

	log_never_wait();
	while (worker_goes_on(&arming->worker)) {
		if (poll(&fd, 1, look(arming)) < 0 && errno != EINTR)
			break;
		if (!(fd.revents & POLLIN))
			continue;
		wake_clear(arming->worker.wake_fd);
		if (!arming->link && worker_goes_on(&arming->worker))
			attach(arming);
	}
	return NULL;
}

int arming_new(struct arming **ret, const struct arming_config *config, struct bpf_link *link)
{
	struct sched_param param = {.sched_priority = ARMING_PRIORITY};
	struct arming *arming = calloc(1, sizeof(*arming));
	int r;

	if (!arming) {
		bpf_link__destroy(link);
		return -ENOMEM;
	}
	*arming = (struct arming){.config = *config, .link = link, .worker = WORKER_NONE};
	maps_settings(config->maps)->armed_ns = clock_ns(CLOCK_MONOTONIC);
	tell_kernel(arming, true);
	r = worker_open(&arming->worker, "arming");
	if (!r)
		r = worker_start(&arming->worker, ARMING_STACK, arming_main, arming);
	if (r) {
		arming_free(arming);
		return r;
	}
	/* Refused: as for the responder, which says so. */
	pthread_setschedparam(arming->worker.thread, SCHED_FIFO, &param);
	*ret = arming;
	return 0;
}

struct arming *arming_free(struct arming *arming)
{
	if (!arming)
		return NULL;
	worker_close(&arming->worker);
	bpf_link__destroy(arming->link);
	free(arming);
	return NULL;
}

void arming_wanted(const struct arming *arming)
{
	worker_ping(&arming->worker);
}
