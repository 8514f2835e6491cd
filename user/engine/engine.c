// SPDX-License-Identifier: BSD-2-Clause
#include "engine/engine.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "rescue/rescue.h"
#include "source/source.h"
#include "sinks/sinks.h"
#include "engine/gaps.h"
#include "engine/guard_watch.h"
#include "engine/host.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/swap.h"
#include "engine/incidents.h"
#include "engine/manager.h"
#include "engine/open_source.h"
#include "engine/overview.h"
#include "engine/prekill.h"
#include "engine/profile_files.h"
#include "engine/self.h"
#include "engine/views.h"

struct engine {
	struct engine_config config;
	struct sinks sinks;
	struct host host;

	struct guards *guards;
	struct profiles *profiles; /* NULL: none are wanted */
	struct source *source;
	struct rescue rescue;
	struct service service;
	struct services *services; /* that are guarded */
	struct incidents *incidents;
	struct gaps *gaps;
	struct overview overview;
	struct views views;
	struct prekill *prekill; /* NULL: systemd-oomd is not asked */
	struct engine_events events;

	uv_loop_t loop;
	bool has_loop;
	sigset_t inherited_mask, signals; /* as we found it; what we take in */
	int signal_fd;
	struct swap_watch swap;
	struct guard_watch guard_watch;
	uv_poll_t records_poll, results_poll, kept_poll, signal_poll, pid_poll;
	uv_prepare_t finish_prepare;
};

int engine_new(struct engine **ret, const struct engine_config *config)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return EXIT_RUNTIME;
	engine->config = *config;
	engine->signal_fd = -1;
	engine->swap.fd = engine->guard_watch.fd = -1;
	engine->host.proc_fd = -1;
	engine->sinks = (struct sinks){
		.lines = {.out = config->out,
			  .json = config->json,
			  .colour = isatty(fileno(config->out)) && !getenv("NO_COLOR"),
			  .quiet = config->quiet},
		.terminates = config->is_wrapper,
		.report_dirfd = -1,
	};
	self_set_up(config->is_wrapper, &engine->signals, &engine->inherited_mask);

	r = host_open(&engine->host);
	if (r) {
		log_error(r == -ENODEV ? "the memory controller is not mounted: mount cgroup2 on "
					 "/sys/fs/cgroup (or the v1 memory hierarchy)%s"
				       : "cannot look at this machine: %s",
			  r == -ENODEV ? "" : strerror(-r));
		engine_free(engine);
		return EXIT_CANNOT;
	}
	r = guards_new(&engine->guards, &(const struct guards_config){
						.may_look = config->may_look,
						.tree = engine->host.tree,
						.proc_fd = engine->host.proc_fd,
						.pid_ns = engine->host.pid_ns,
						.initial_pid_ns = engine->host.initial_pid_ns,
						.cpu_ids = engine->host.machine.cpu_ids,
					});
	if (r) {
		log_error("out of memory");
		engine_free(engine);
		return EXIT_RUNTIME;
	}
	*ret = engine;
	return 0;
}

struct guards *engine_guards(struct engine *engine)
{
	return engine->guards;
}

const struct cgroup_tree *engine_cgroups(const struct engine *engine)
{
	return engine->host.tree;
}

const sigset_t *engine_inherited_mask(const struct engine *engine)
{
	return &engine->inherited_mask;
}

/* --- starting ------------------------------------------------------------------------------ */

static void on_records(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;

	(void)status;
	(void)events;
	source_consume_records(engine->source);
}

static void on_results(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;
	struct responder_result result;

	(void)status;
	(void)events;
	while (responder_next_result(engine->rescue.responder, &result)) {
		services_on_result(engine->services, &result);
		/* The record of a trip is written before the responder hears of it. */
		source_consume_records(engine->source);
		incidents_on_result(engine->incidents, &result);
	}
}

static void on_kept(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;
	struct keeper_event event;

	(void)status;
	(void)events;
	while (keeper_next_event(engine->rescue.keeper, &event)) {
		/* So is what led to it. */
		source_consume_records(engine->source);
		incidents_on_kept(engine->incidents, &event);
	}
}

static void on_signals(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;
	struct signalfd_siginfo info;

	(void)status;
	(void)events;
	while (read(engine->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (engine->events.on_signal)
			engine->events.on_signal(&info, engine->events.userdata);
}

static void on_process_end(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	log_info("process %d has ended", policy_set_guard(guards_policies(engine->guards), 0)->pid);
	engine_finish(engine);
}

/* Once a turn, before it waits. */
static void on_finish(uv_prepare_t *prepare)
{
	struct engine *engine = prepare->data;

	if (!incidents_are_awaited(engine->incidents))
		engine_stop(engine);
}

/* The pidfd of the only guard, if that is a process; else -1. */
static int only_pidfd(const struct engine *engine)
{
	return policy_set_count(guards_policies(engine->guards)) == 1
		       ? guards_pidfd(engine->guards, 0)
		       : -1;
}

static int start_poll(struct engine *engine, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
	int r = uv_poll_init(&engine->loop, poll, fd);

	poll->data = engine;
	return r ?: uv_poll_start(poll, UV_READABLE, callback);
}

static int start_loop(struct engine *engine)
{
	struct {
		uv_poll_t *poll;
		int fd;
		uv_poll_cb callback;
	} polls[] = {
		{&engine->records_poll, source_records_fd(engine->source), on_records},
		{&engine->results_poll, responder_results_fd(engine->rescue.responder), on_results},
		{&engine->signal_poll, engine->signal_fd, on_signals},
		{&engine->kept_poll, keeper_events_fd(engine->rescue.keeper), on_kept},
	};
	int r = uv_prepare_init(&engine->loop, &engine->finish_prepare);

	engine->finish_prepare.data = engine;
	for (size_t i = 0; !r && i < ARRAY_SIZE(polls); i++)
		r = start_poll(engine, polls[i].poll, polls[i].fd, polls[i].callback);
	if (!r)
		r = swap_watch_start(&engine->swap, engine->source, engine->host.page_bytes,
				     &engine->loop);
	if (!r)
		r = guard_watch_start(&engine->guard_watch, engine->guards, engine->source,
				      &engine->loop);
	if (!r && !engine->config.is_wrapper) /* the command has a manager of its own to tell */
		r = service_start(&engine->service,
				  &(const struct service_config){
					  .loop = &engine->loop,
					  .workers = {keeper_worker(engine->rescue.keeper),
						      responder_worker(engine->rescue.responder)},
				  });
	if (!r && only_pidfd(engine) >= 0)
		r = start_poll(engine, &engine->pid_poll, only_pidfd(engine), on_process_end);
	return r;
}

static void prepare_airbag(struct airbag *airbag, void *userdata)
{
	struct engine *engine = userdata;
	const struct policy_set *policies = guards_policies(engine->guards);

	for (uint32_t id = 0; id < policy_set_count(policies); id++) {
		const char *rel = guards_cgroup(engine->guards, id);

		if (rel && policy_lends(policy_set_policy(policies, id)) &&
		    airbag_prepare(airbag, rel) && id == 0)
			engine->overview.lends = true;
	}
}

static int start_rescue(struct engine *engine)
{
	const struct rescue_config config = {
		.source = engine->source,
		.policies = guards_policies(engine->guards),
		.profiles = engine->profiles,
		.page_bytes = engine->host.page_bytes,
		.lend_most_bytes = host_lend_most_bytes(&engine->host,
							engine->config.lend_max_bytes,
							engine->config.lend_max_permyriad),
		.tree = engine->host.tree,
		.proc_fd = engine->host.proc_fd,
		.initial_pid_ns = engine->host.initial_pid_ns,
		.may_lock_memory = machine_has_capability(&engine->host.machine, CAP_IPC_LOCK),
		.prepare = prepare_airbag,
		.userdata = engine,
	};

	return rescue_start(&engine->rescue, &config);
}

static void on_comeback(uint64_t id, const struct comeback *comeback, void *userdata)
{
	struct engine *engine = userdata;

	incidents_on_comeback(engine->incidents, id, comeback);
}

static int start_services(struct engine *engine)
{
	const struct services_config config = {
		.comebacks = {.loop = &engine->loop,
			      /* The command of `run` is not the manager's, nor are its children. */
			      .systemctl = engine->config.is_wrapper ? NULL : manager_systemctl(),
			      .restarts = engine->config.restarts,
			      .on_comeback = on_comeback,
			      .userdata = engine},
		.source = engine->source,
		.tree = engine->host.tree,
		.policies = guards_policies(engine->guards),
		.proc_fd = engine->host.proc_fd,
		.initial_pid_ns = engine->host.initial_pid_ns,
	};

	return services_new(&engine->services, &config);
}

static int on_record(const struct apo_record *record, void *userdata)
{
	struct engine *engine = userdata;

	if (record->type == APO_REC_GAP && record->size >= sizeof(struct apo_gap_found))
		gaps_on_found(engine->gaps, &((const struct apo_gap_found *)record)->gap);
	guard_watch_on_record(&engine->guard_watch, record);
	services_on_record(engine->services, record);
	return incidents_on_record(record, engine->incidents);
}

static int start_gaps(struct engine *engine)
{
	const struct gaps_config config = {
		.loop = &engine->loop,
		.source = engine->source,
		.airbag = engine->rescue.airbag,
		.tree = engine->host.tree,
		.guards = engine->guards,
	};

	return gaps_new(&engine->gaps, &config);
}

static int start_overview(struct engine *engine)
{
	const struct overview_parts parts = {
		.source = engine->source,
		.rescue = &engine->rescue,
		.tree = engine->host.tree,
		.guards = engine->guards,
		.gaps = engine->gaps,
		.incidents = engine->incidents,
		.page_bytes = engine->host.page_bytes,
		.mode = engine->config.mode,
		.sinks = &engine->sinks,
	};
	int r = overview_start(&engine->overview, &parts);

	if (!r)
		views_open(&engine->views, &engine->config.views, &engine->loop, &engine->overview,
			   &engine->sinks);
	return r;
}

static int start(struct engine *engine)
{
	struct incidents_config incidents = {
		.loop = &engine->loop,
		.source = engine->source,
		.tree = engine->host.tree,
		.sinks = &engine->sinks,
		.records = engine->config.wants_reports,
		.policies = guards_policies(engine->guards),
		.proc_fd = engine->host.proc_fd,
		.initial_pid_ns = engine->host.initial_pid_ns,
		.page_bytes = engine->host.page_bytes,
	};
	int r = uv_loop_init(&engine->loop);

	if (r)
		return r;
	engine->has_loop = true;
	sinks_open_notifier(&engine->sinks, &engine->loop, &engine->config.notifier);
	engine->config.pressure.loop = &engine->loop;
	engine->config.pressure.cgroup_of = host_cgroup_of;
	engine->config.pressure.userdata = &engine->host;
	sinks_open_pressure(&engine->sinks, &engine->config.pressure);
	engine->signal_fd = signalfd(-1, &engine->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (engine->signal_fd < 0)
		return -errno;
	r = start_rescue(engine);
	incidents.airbag = engine->rescue.airbag;
	incidents.keeper = engine->rescue.keeper;
	if (!r)
		r = start_services(engine);
	incidents.services = engine->services;
	if (!r)
		r = incidents_new(&engine->incidents, &incidents);
	if (!r)
		r = start_gaps(engine);
	if (!r)
		r = source_on_record(engine->source, on_record, engine);
	if (!r)
		r = start_loop(engine);
	if (!r)
		engine->prekill = prekill_start(&(const struct prekill_config){
			.loop = &engine->loop,
			.dir = engine->config.oomd_dir,
			.tree = engine->host.tree,
			.proc_fd = engine->host.proc_fd,
			.policies = guards_policies(engine->guards),
			.responder = engine->rescue.responder,
			.incidents = engine->incidents,
			.page_bytes = engine->host.page_bytes,
		});
	return r ?: start_overview(engine);
}

int engine_start(struct engine *engine, const struct engine_events *events)
{
	int r = sinks_open_reports(&engine->sinks, engine->config.report_dir,
				   engine->config.wants_reports, &engine->config.report_bounds);

	if (!r && engine->config.history)
		sinks_open_history(&engine->sinks, engine->config.history,
				   engine->config.history_rows);
	if (!r && !engine->config.no_profiles)
		r = profile_files_read(engine->config.profiles, &engine->profiles);
	if (r)
		return r;
	if (open_source(&engine->source,
			&(const struct open_source_config){.engine = &engine->config,
							   .host = &engine->host,
							   .guards = engine->guards,
							   .profiles = engine->profiles}))
		return EXIT_CANNOT;
	engine->events = *events;
	r = start(engine);
	if (r) {
		log_error("cannot start: %s", strerror(-r));
		return EXIT_RUNTIME;
	}
	source_adopt(engine->source);
	if (source_attach(engine->source, &engine->overview.triggers))
		return EXIT_CANNOT;
	source_replace_earlier(engine->source);
	return 0;
}

/* --- events -------------------------------------------------------------------------------- */

void engine_ready(struct engine *engine, pid_t child)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	struct ready ready = {
		.realtime_ns = clock_ns(CLOCK_REALTIME),
		.mode = engine->config.mode,
		.pid = getpid(),
		.version = APO_VERSION,
		.triggers = engine->overview.triggers,
		.child = child,
		.self = self_describe(engine->rescue.responder, engine->source),
	};
	int r = child ? incidents_follow(engine->incidents, child) : 0;

	if (r)
		log_warn("cannot follow the command: %s: it ends with its own status even after "
			 "a trip, ignoring",
			 strerror(-r));
	self_step_back();
	engine->overview.since_realtime_ns = ready.realtime_ns;
	overview_guard(&engine->overview, &limit, &ready);
	sinks_ready(&engine->sinks, &ready);
	service_is_ready(&engine->service);
}

void engine_on_end(struct engine *engine, pid_t pid, int status)
{
	source_on_end(engine->source, pid, status);
}

const struct shutdown *engine_shutdown(const struct engine *engine)
{
	return incidents_shutdown(engine->incidents);
}

void engine_status(struct engine *engine)
{
	struct status status;
	int r = overview_read(&engine->overview, &status);

	if (r)
		log_warn("cannot read the accounts: %s, ignoring", strerror(-r));
	else
		sinks_status(&engine->sinks, &status);
	overview_clear(&status);
}

void engine_refuse_configuration(struct engine *engine, const char *why)
{
	overview_refuse(&engine->overview, why);
}

void engine_loop(struct engine *engine)
{
	uv_run(&engine->loop, UV_RUN_DEFAULT);
}

/* Reports that wait for names, for 30 s at most, and hooks, for half of that. */
static void finish_slow_work(struct engine *engine)
{
	sinks_end_notifier(&engine->sinks);
	while (incidents_is_naming(engine->incidents) || sinks_are_busy(&engine->sinks))
		uv_run(&engine->loop, UV_RUN_ONCE);
}

struct engine_left engine_leave(struct engine *engine)
{
	finish_slow_work(engine);
	service_is_reloading(&engine->service);
	source_leave(engine->source);
	sinks_close_history(&engine->sinks);
	return (struct engine_left){.control_fd = views_leave(&engine->views),
				    .watchers_fd = pressure_leave(engine->sinks.pressure)};
}

void engine_return(struct engine *engine)
{
	views_return(&engine->views);
	sinks_return_notifier(&engine->sinks);
	if (engine->config.history)
		sinks_open_history(&engine->sinks, engine->config.history,
				   engine->config.history_rows);
	source_return(engine->source);
	service_is_ready(&engine->service);
}

void engine_stop(struct engine *engine)
{
	uv_stop(&engine->loop);
}

void engine_finish(struct engine *engine)
{
	uv_prepare_start(&engine->finish_prepare, on_finish);
}

void engine_settle(struct engine *engine)
{
	service_is_stopping(&engine->service);
	source_consume_records(engine->source);
	on_results(&engine->results_poll, 0, 0);
	on_kept(&engine->kept_poll, 0, 0);
	incidents_close_all(engine->incidents);
	keeper_settle(engine->rescue.keeper);
	on_kept(&engine->kept_poll, 0, 0); /* the reports say when limits went back */
	finish_slow_work(engine);
}

static void close_handle(uv_handle_t *handle, void *userdata)
{
	(void)userdata;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

struct engine *engine_free(struct engine *engine)
{
	if (!engine)
		return NULL;
	rescue_stop(&engine->rescue);
	views_close(&engine->views);
	prekill_free(engine->prekill);
	incidents_free(engine->incidents);
	services_free(engine->services);
	service_stop(&engine->service);
	sinks_close_notifier(&engine->sinks);
	if (engine->has_loop) {
		uv_walk(&engine->loop, close_handle, NULL);
		uv_run(&engine->loop, UV_RUN_DEFAULT);
		uv_loop_close(&engine->loop);
	}
	gaps_free(engine->gaps);
	rescue_free(&engine->rescue);
	source_free(engine->source);
	close_fd(engine->signal_fd);
	swap_watch_stop(&engine->swap);
	guard_watch_stop(&engine->guard_watch);
	close_fd(engine->sinks.report_dirfd);
	sinks_close_history(&engine->sinks);
	guards_free(engine->guards);
	profiles_free(engine->profiles);
	host_close(&engine->host);
	overview_done(&engine->overview);
	free(engine);
	return NULL;
}
