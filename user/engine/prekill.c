// SPDX-License-Identifier: BSD-2-Clause
#include "engine/prekill.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/parse.h"
#include "base/unix_socket.h"
#include "base/util.h"
#include "output/varlink.h"
#include "rescue/leader.h"
#include "sense/cgroup_memory.h"
#include "sense/pidref.h"

#define SOCKET "apoptosis"
#define NOTIFY "io.systemd.oom.Prekill.Notify"
#define OOMD_USER "systemd-oom"
#define CLIENTS_MAX 16

struct client {
	struct client *next;
	struct prekill *prekill;
	int fd;
	uv_poll_t *poll;
	int events_fd; /* cgroup.events of whom it waits for; -1: it waits for nobody */
	uv_poll_t *events;
	size_t size;
	char text[VARLINK_MESSAGE_MAX];
};

struct prekill {
	struct prekill_config config;
	int dirfd, fd;
	ino_t inode; /* of the socket's file, which another instance may have replaced */
	uv_poll_t *poll;
	struct client *clients;
	size_t count;
};

/* --- clients ------------------------------------------------------------------------------- */

static void wait_no_more(struct client *client)
{
	client->events = loop_poll_drop(client->events);
	client->events_fd = close_fd(client->events_fd);
}

static void drop(struct client *client)
{
	struct client **link = &client->prekill->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->prekill->count--;
	wait_no_more(client);
	loop_poll_drop(client->poll);
	close_fd(client->fd);
	free(client);
}

/* Takes the message. Who does not read is no reason to wait. False: it is dropped. */
static bool answer(struct client *client, char *message)
{
	_cleanup_free_ char *text = message;

	if (text && send(client->fd, text, strlen(text) + 1, MSG_DONTWAIT | MSG_NOSIGNAL) ==
			    (ssize_t)strlen(text) + 1)
		return true;
	drop(client);
	return false;
}

/* --- stopping what runs in a cgroup ---------------------------------------------------------- */

struct search {
	const struct prekill_config *config;
	const char *rel;
	struct proc_info *leader; /* NULL: not found yet */
};

static int look_for_leader(int dirfd, const char *path, void *userdata)
{
	struct search *search = userdata;
	_cleanup_free_ char *rel = NULL;

	(void)dirfd;
	if (asprintf(&rel, "%s%s", search->rel, strcmp(path, "/") ? path : "") < 0)
		return -ENOMEM;
	return !leader_of_cgroup(search->config->tree, search->config->proc_fd, rel,
				 &search->leader);
}

/* The main process of the first cgroup, from that one on downwards, that has one; NULL: there is none. */
static struct proc_info *find_leader(const struct prekill_config *config, int dirfd,
				     const char *rel)
{
	struct search search = {.config = config, .rel = rel};

	cgroup_walk(dirfd, look_for_leader, &search);
	return search.leader;
}

/* What is to be stopped, and why: as the kernel side would say it. */
struct stop {
	struct apo_trip trip;
	struct apo_request request;
};

static void describe(const struct prekill *prekill, const struct guard *guard, int dirfd,
		     uint64_t cgroup_id, const struct pidref *process, struct stop *ret)
{
	const struct policy *policy = policy_set_policy(prekill->config.policies, guard->policy);
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), page_bytes = prekill->config.page_bytes;
	struct cgroup_memory memory = {.limit_bytes = APO_UNLIMITED};
	struct apo_reading reading = {.limit_cgroup = cgroup_id};

	cgroup_memory_read(prekill->config.tree, dirfd, &memory); /* else as there is none */
	reading.limit_pages = memory.limit_bytes == APO_UNLIMITED ? APO_UNLIMITED
								  : memory.limit_bytes / page_bytes;
	reading.usage_pages = memory.usage_bytes / page_bytes;
	reading.reclaimable_pages = memory.file_bytes / page_bytes;
	reading.headroom_pages =
		MIN(sat_diff(sat_add(reading.limit_pages, reading.reclaimable_pages),
			     reading.usage_pages),
		    (int64_t)(INT64_MAX / page_bytes));
	*ret = (struct stop){
		.trip = {.rec = {.type = APO_REC_TRIP,
				 .size = sizeof(ret->trip),
				 .policy = guard->policy,
				 .generation = policy_set_generation(prekill->config.policies)},
			 .id = now_ns,
			 .crossed_ns = now_ns,
			 .forecast_ns = APO_UNLIMITED,
			 .reading = reading,
			 .grower = {.tgid = (uint32_t)process->pid,
				    .ns_tgid = (uint32_t)process->pid,
				    .start_boottime_ns = process->start_boottime_ns,
				    .cgroup_id = cgroup_id},
			 .rule = APO_RULE_OOMD,
			 .process_policy = guard->policy,
			 .target_kind = APO_TARGET_ALL,
			 .signal = (uint32_t)policy->signal,
			 .action = policy->dry_run ? APO_ACT_DRY_RUN : APO_ACT_DELEGATED},
	};
	ret->request = (struct apo_request){
		.rec = ret->trip.rec,
		.trip_id = now_ns,
		.limit_cgroup = cgroup_id,
		.grower = ret->trip.grower,
		.process_policy = guard->policy,
		.signal = (uint32_t)policy->signal,
		.rule = APO_RULE_OOMD,
		.flags = APO_REQUEST_SIGNAL | APO_REQUEST_ALL,
	};
	ret->request.rec.type = APO_REC_REQUEST;
	ret->request.rec.size = sizeof(ret->request);
}

static bool is_guarded(const struct guard *guard)
{
	return guard && (guard->kind != GUARD_CONFIGURED ||
			 config_guard(guard->config, guard->index)->is_enabled);
}

/* 1: it was told to stop, and *ret_dirfd is its cgroup. 0: there is nothing to wait for; or -errno. */
static int stop(const struct prekill *prekill, const char *cgroup, int *ret_dirfd)
{
	const struct prekill_config *config = &prekill->config;
	_cleanup_free_ char *rel = NULL;
	_cleanup_close_ int dirfd = -1;
	const struct guard *guard;
	_cleanup_proc_info_ struct proc_info *leader = NULL;
	struct pidref process = PIDREF_NONE;
	struct stop what;
	uint64_t id;
	int r = cgroup_path_normalize(config->tree, cgroup, &rel);

	if (!r && !strcmp(rel, "/")) /* nobody means all of the machine */
		r = -EINVAL;
	r = r ?: cgroup_open(config->tree, rel, &dirfd) ?: cgroup_id(dirfd, &id);
	if (r)
		return r;
	guard = policy_set_find(config->policies, &(const struct policy_subject){.cgroup = rel});
	if (!is_guarded(guard))
		return 0;
	leader = find_leader(config, dirfd, rel);
	r = leader ? pidref_open(config->proc_fd, leader->pid, leader->start_boottime_ns, &process)
		   : -ESRCH;
	if (r)
		return r == -ESRCH ? 0 : r;
	describe(prekill, guard, dirfd, id, &process, &what);
	pidref_close(&process);
	incidents_on_record(&what.trip.rec, config->incidents);
	if (what.trip.action == APO_ACT_DRY_RUN)
		return 0;
	responder_ask(config->responder, &what.request);
	*ret_dirfd = TAKE_FD(dirfd);
	return 1;
}

/* --- calls --------------------------------------------------------------------------------- */

static bool is_populated(int events_fd)
{
	char text[256];
	ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);
	uint64_t populated;

	if (n <= 0) /* it is removed */
		return false;
	text[n] = '\0';
	return parse_field_u64(text, "populated", &populated) || populated;
}

static void go_on(struct client *client);

static void on_cgroup_events(uv_poll_t *poll, int status, int events)
{
	struct client *client = poll->data;

	(void)status;
	(void)events;
	if (is_populated(client->events_fd))
		return;
	wait_no_more(client);
	if (answer(client, varlink_done()))
		go_on(client);
}

/* The answer comes when the cgroup is empty. Where that cannot be seen it comes at once. False: it is dropped. */
static bool await_end(struct client *client, int dirfd)
{
	client->events_fd = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (client->events_fd >= 0 && is_populated(client->events_fd))
		client->events = loop_poll_new_of(client->prekill->config.loop, client->events_fd,
						  UV_PRIORITIZED, on_cgroup_events, client);
	if (client->events)
		return true;
	wait_no_more(client);
	return answer(client, varlink_done());
}

/* False: it is dropped. */
static bool on_notify(struct client *client, const json_t *parameters)
{
	const char *cgroup = json_string_value(json_object_get(parameters, "cgroup"));
	_cleanup_close_ int dirfd = -1;
	int r;

	if (!cgroup)
		return answer(client, varlink_error("org.varlink.service.InvalidParameter",
						    "parameter", "cgroup"));
	r = stop(client->prekill, cgroup, &dirfd);
	if (r < 0)
		log_warn("systemd-oomd is about to kill what is in the cgroup it told us of, and "
			 "it cannot be stopped before: %s, ignoring",
			 strerror(-r));
	return r > 0 ? await_end(client, dirfd) : answer(client, varlink_done());
}

static bool on_call(struct client *client, const char *text, size_t size)
{
	const char *method;
	const json_t *parameters;
	json_t *call = varlink_call(text, size, &method, &parameters);
	bool stays = false;

	if (!call)
		drop(client);
	else if (!strcmp(method, NOTIFY))
		stays = on_notify(client, parameters);
	else
		stays = answer(client, varlink_error("org.varlink.service.MethodNotFound", "method",
						     method));
	json_decref(call);
	return stays;
}

/* The calls that are there. While one is waited for, the next ones wait. */
static void go_on(struct client *client)
{
	const char *end;

	while (!client->events && (end = memchr(client->text, '\0', client->size))) {
		size_t size = (size_t)(end - client->text);

		if (!on_call(client, client->text, size))
			return;
		client->size -= size + 1;
		memmove(client->text, end + 1, client->size);
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct client *client = poll->data;
	ssize_t n = recv(client->fd, client->text + client->size,
			 sizeof(client->text) - client->size, MSG_DONTWAIT);

	(void)status;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* also one that sends more than there is room for */
		drop(client);
		return;
	}
	client->size += (size_t)n;
	go_on(client);
}

/* --- the socket ---------------------------------------------------------------------------- */

/* One in a turn of the loop. */
static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct prekill *prekill = poll->data;
	int fd = accept4(prekill->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client = fd < 0 || file_keep(&fd) ? NULL : calloc(1, sizeof(*client));

	(void)status;
	(void)events;
	if (!client || prekill->count == CLIENTS_MAX) {
		free(client);
		close_fd(fd);
		return;
	}
	client->next = prekill->clients;
	client->prekill = prekill;
	client->fd = fd;
	client->events_fd = -1;
	prekill->clients = client;
	prekill->count++;
	client->poll = loop_poll_new(prekill->config.loop, fd, on_readable, client);
	if (!client->poll)
		drop(client);
}

/* systemd-oomd runs as a user and group of its own; root and it may connect. Where there is none, only root. */
static int give_to_oomd(int dirfd)
{
	const struct passwd *oomd = getpwnam(OOMD_USER);

	if (!oomd)
		return 0;
	return file_give_to_group(dirfd, SOCKET, oomd->pw_gid)
		       ?: (fchmodat(dirfd, SOCKET, 0660, 0) ? -errno : 0);
}

/* 0: there is none. */
static ino_t inode_of_socket(const struct prekill *prekill)
{
	struct stat st;

	return fstatat(prekill->dirfd, SOCKET, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_ino;
}

static int start(struct prekill *prekill)
{
	const char *dir = prekill->config.dir;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	prekill->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (prekill->dirfd < 0)
		return -errno;
	prekill->fd = unix_socket_bind(prekill->dirfd, SOCKET, 0600);
	if (prekill->fd < 0)
		return prekill->fd;
	if (listen(prekill->fd, CLIENTS_MAX))
		return -errno;
	prekill->inode = inode_of_socket(prekill);
	prekill->poll = loop_poll_new(prekill->config.loop, prekill->fd, on_connect, prekill);
	return prekill->poll ? give_to_oomd(prekill->dirfd) : -ENOMEM;
}

struct prekill *prekill_start(const struct prekill_config *config)
{
	struct prekill *prekill = config->dir ? calloc(1, sizeof(*prekill)) : NULL;
	int r;

	if (!prekill)
		return NULL;
	*prekill = (struct prekill){.config = *config, .dirfd = -1, .fd = -1};
	r = start(prekill);
	if (!r)
		return prekill;
	log_warn("systemd-oomd will not tell us whom it is about to kill: cannot make a socket in "
		 "%s: %s, ignoring",
		 config->dir, strerror(-r));
	return prekill_free(prekill);
}

struct prekill *prekill_free(struct prekill *prekill)
{
	if (!prekill)
		return NULL;
	while (prekill->clients)
		drop(prekill->clients);
	loop_poll_drop(prekill->poll);
	if (prekill->fd >= 0 && inode_of_socket(prekill) == prekill->inode)
		unlinkat(prekill->dirfd, SOCKET, 0);
	close_fd(prekill->fd);
	close_fd(prekill->dirfd);
	free(prekill);
	return NULL;
}
