// SPDX-License-Identifier: BSD-2-Clause
#include "engine/service.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"

/* So often within the watchdog's time, that one round of all threads may be missed. */
#define PINGS 4

static void tell(const struct service *service, const char *state)
{
	if (service->address_size &&
	    sendto(service->fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
		   (const struct sockaddr *)&service->address, service->address_size) < 0)
		log_debug("cannot tell the service manager: %s, ignoring", strerror(errno));
}

static void ask(struct service *service)
{
	for (size_t i = 0; i < SERVICE_WORKERS; i++) {
		service->turns[i] = worker_turns(service->config.workers[i]);
		worker_ping(service->config.workers[i]);
	}
}

/* One that has not been round since it was asked; NULL: none. */
static const struct worker *find_late(const struct service *service)
{
	for (size_t i = 0; !service->is_stopping && i < SERVICE_WORKERS; i++)
		if (worker_turns(service->config.workers[i]) == service->turns[i])
			return service->config.workers[i];
	return NULL;
}

static void on_timer(uv_timer_t *timer)
{
	struct service *service = timer->data;
	const struct worker *late = find_late(service);

	if (!late) {
		tell(service, "WATCHDOG=1");
		ask(service);
	} else if (!service->is_late) {
		log_warn("the %s does not answer: the watchdog is not told that all is well",
			 late->name);
	}
	service->is_late = late;
}

/* Removes a variable. NULL: it was not set. The caller frees the result. */
static char *take_variable(const char *name)
{
	const char *value = getenv(name);
	char *copy = value ? strdup(value) : NULL;

	unsetenv(name);
	return copy;
}

/* "/path" or, in the abstract name space, "@name". */
static bool take_address(struct service *service)
{
	_cleanup_free_ char *name = take_variable("NOTIFY_SOCKET");
	size_t length = name ? strlen(name) : 0;

	if (length < 2 || (name[0] != '/' && name[0] != '@') ||
	    length >= sizeof(service->address.sun_path))
		return false;
	service->address.sun_family = AF_UNIX;
	memcpy(service->address.sun_path, name, length);
	if (name[0] == '@')
		service->address.sun_path[0] = '\0';
	service->address_size = offsetof(struct sockaddr_un, sun_path) + length;
	return true;
}

/* 0: there is no watchdog, or it is another process's. */
static uint64_t take_watchdog_ms(void)
{
	_cleanup_free_ char *time = take_variable("WATCHDOG_USEC");
	_cleanup_free_ char *pid = take_variable("WATCHDOG_PID");
	uint64_t time_us, owner;

	if (!time || parse_u64(time, &time_us))
		return 0;
	if (pid && (parse_u64(pid, &owner) || owner != (uint64_t)getpid()))
		return 0;
	return time_us / 1000;
}

int service_start(struct service *service, const struct service_config *config)
{
	uint64_t watchdog_ms = take_watchdog_ms();
	int r = uv_timer_init(config->loop, &service->timer);

	service->config = *config;
	service->timer.data = service;
	service->fd = -1;
	if (r || !take_address(service))
		return r;
	service->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (service->fd < 0) {
		log_warn("cannot tell the service manager anything: %s, ignoring", strerror(errno));
		service->address_size = 0;
		return 0;
	}
	if (watchdog_ms) {
		ask(service);
		r = uv_timer_start(&service->timer, on_timer, MAX(watchdog_ms / PINGS, 1ULL),
				   MAX(watchdog_ms / PINGS, 1ULL));
	}
	return r;
}

void service_is_ready(struct service *service)
{
	tell(service, "READY=1");
}

void service_is_reloading(struct service *service)
{
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 clock_ns(CLOCK_MONOTONIC) / NSEC_PER_USEC);
	tell(service, state);
}

void service_is_stopping(struct service *service)
{
	service->is_stopping = true;
	tell(service, "STOPPING=1");
}

void service_stop(struct service *service)
{
	if (service->address_size)
		service->fd = close_fd(service->fd);
	service->address_size = 0;
}
