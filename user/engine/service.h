/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a service manager that started us hears, by the protocol of sd_notify(3): that we guard, that we
 * stop, and, where it has a watchdog, that we live: the loop, the responder and the keeper, each of which is
 * asked to go round. One that hangs is not answered for, and the manager starts us anew; the next instance
 * goes on with open trips and loans.
 *
 * The protocol is one datagram, spoken here and not by libsystemd, which would load five compression and
 * cryptography libraries into a process that runs as root. Silent where nobody asked for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

#include "base/worker.h"

#define SERVICE_WORKERS 2

struct service_config {
	uv_loop_t *loop;
	struct worker *workers[SERVICE_WORKERS]; /* all of them have to live, and the loop */
};

struct service {
	struct service_config config;
	struct sockaddr_un address;
	socklen_t address_size; /* 0: nobody listens */
	int fd;
	uv_timer_t timer;
	uint64_t turns[SERVICE_WORKERS]; /* when they were last asked */
	bool is_late;			 /* that was logged */
	bool is_stopping;		 /* the threads need not answer any more */
};

/*
 * Takes $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID out of the environment, where they are meant for
 * us. 0, or an error of libuv. The loop closes the timer.
 */
int service_start(struct service *service, const struct service_config *config);
void service_is_ready(struct service *service);
/* It is ready again when service_is_ready() says so, by another program in this process as well. */
void service_is_reloading(struct service *service);
void service_is_stopping(struct service *service);
/* Takes one that was not started, all zero. */
void service_stop(struct service *service);
