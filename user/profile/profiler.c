// SPDX-License-Identifier: BSD-2-Clause
#include "profile/profiler.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/loop.h"
#include "base/text.h"
#include "base/util.h"
#include "profile/interpreter_search.h"
#include "profile/samples.h"
#include "profile/snapshot.h"

#define BEFORE_NS (10 * NSEC_PER_SEC) /* of the flight profiler that is kept */
#define HELD_BYTES_MAX (16ULL << 20)  /* stacks and codes of all captures */
#define MODULES_MAX SNAPSHOT_FILES_MAX
/* Reading smaps holds up mmap() in the process for up to 13 ms per GiB: not beyond that. */
#define SUMS_MAX_BYTES (1ULL << 30)
#define KEPT_MAX 64    /* processes that are near a trip */
#define LINGER_MS 2000 /* after their end */
#define RENEW_MS 100   /* the kernel side tells at most twice in a spike, and of one a second */

/* What is kept of a process that may trip. */
struct kept {
	struct kept *next;
	struct profiler *profiler;
	uint32_t tgid;
	uint64_t start_boottime_ns;
	uint64_t asked_ms;		   /* by the loop's clock */
	struct inspection *inspection;	   /* NULL: answered */
	struct interpreter_search *search; /* NULL: none, or answered */
	struct recording_interpreter interpreter;
	struct snapshot snapshot;
	struct pidref process;
	uv_poll_t *poll; /* its end */
	uv_timer_t *timer;
};

struct profiler {
	struct profiler_config config;
	struct kept *kept;
	size_t kept_count, kept_fds, kept_fds_max;
	uint64_t held_bytes; /* of captures that are not freed yet */
};

/* --- what captures hold --------------------------------------------------------------------- */

/* That a capture may still have; the locked memory of the daemon is bounded. */
static uint64_t room_bytes(const struct profiler *profiler)
{
	return sat_sub(HELD_BYTES_MAX, profiler->held_bytes);
}

static void hold(struct profiler *profiler, struct capture *capture, uint64_t bytes)
{
	capture->held_bytes += bytes;
	profiler->held_bytes += bytes;
}

/* --- files --------------------------------------------------------------------------------- */

/* Without a file, and not the kernel's own ("[vdso]"), whatever name it was given ("[anon:v8]"). */
static bool is_jit(const struct mapping *mapping)
{
	return !mapping->inode && !text_starts_with(mapping->path, "[v");
}

static const char *module_path(const struct mapping *mapping)
{
	return is_jit(mapping) ? RECORDING_JIT : mapping->path;
}

static void open_module(const struct snapshot *snapshot, const struct mapping *mapping,
			struct recording_module *module, struct capture_file *file)
{
	const char *error = "its file could not be opened";

	if (mapping->inode) {
		file->fd = snapshot_file(snapshot, mapping);
	} else if (!is_jit(mapping)) {
		error = "it has no file";
	} else {
		file->is_perf_map = true;
		file->fd = snapshot_perf_map(snapshot);
		error = "it was compiled at run time, and there is no perf map";
	}
	if (file->fd < 0)
		module->error = strdup(error);
}

/* The module of a mapping, added if it is new. By path: one file is mapped in several parts. */
static uint32_t module_of(struct capture *capture, const struct snapshot *snapshot,
			  const struct mapping *mapping)
{
	struct recording *recording = capture->recording;
	size_t count = recording->module_count;
	struct recording_module *module = &recording->modules[count];

	for (size_t i = 0; i < count; i++)
		if (strcmp(recording->modules[i].path, module_path(mapping)) == 0)
			return (uint32_t)i;
	if (count == MODULES_MAX)
		return RECORDING_NONE;
	*module = (struct recording_module){.path = strdup(module_path(mapping))};
	if (!module->path)
		return RECORDING_NONE;
	capture->files[count] = (struct capture_file){.fd = -1};
	open_module(snapshot, mapping, module, &capture->files[count]);
	return (uint32_t)recording->module_count++;
}

static void forget_files(struct capture *capture)
{
	for (size_t i = 0; capture->files && i < capture->recording->module_count; i++)
		close_fd(capture->files[i].fd);
	free(capture->files);
	free(capture->mappings);
	capture->files = NULL;
	capture->mappings = NULL;
	capture->mapping_count = 0;
	recording_forget_modules(capture->recording);
}

static int take_files(struct capture *capture, const struct snapshot *snapshot)
{
	struct recording *recording = capture->recording;
	const struct mappings *mappings = &snapshot->mappings;
	_cleanup_close_ int perf_map = -1;

	recording->modules = calloc(MODULES_MAX, sizeof(*recording->modules));
	capture->files = calloc(MODULES_MAX, sizeof(*capture->files));
	capture->mappings = calloc(mappings->count, sizeof(*capture->mappings));
	if (!recording->modules || !capture->files || !capture->mappings)
		return -ENOMEM;
	for (size_t i = 0; i < mappings->count; i++) {
		const struct mapping *mapping = &mappings->list[i];
		uint32_t module = module_of(capture, snapshot, mapping);

		if (module != RECORDING_NONE)
			capture->mappings[capture->mapping_count++] = (struct capture_mapping){
				.start = mapping->start,
				.end = mapping->end,
				.offset = mapping->offset,
				.module = module,
			};
	}
	/* What it compiled may not be executable just now, while the runtime is at work on it. */
	perf_map = snapshot_perf_map(snapshot);
	if (perf_map >= 0)
		module_of(capture, snapshot, &(const struct mapping){.path = (char[]){""}});
	return 0;
}

/* --- what is kept ahead -------------------------------------------------------------------- */

static size_t fds_of(const struct kept *kept)
{
	return kept->snapshot.file_count + 2; /* its perf map, and its pidfd */
}

static struct kept *kept_free(struct kept *kept)
{
	inspection_drop(kept->inspection);
	interpreter_search_drop(kept->search);
	loop_poll_drop(kept->poll); /* before what it polls is closed */
	loop_timer_drop(kept->timer);
	snapshot_clear(&kept->snapshot);
	pidref_close(&kept->process);
	free(kept);
	return NULL;
}

static void drop(struct kept *kept)
{
	struct kept **link = &kept->profiler->kept;

	while (*link != kept)
		link = &(*link)->next;
	*link = kept->next;
	kept->profiler->kept_count--;
	kept->profiler->kept_fds -= fds_of(kept);
	kept_free(kept);
}

static void on_kept_timer(uv_timer_t *timer)
{
	drop(timer->data);
}

/* The process is gone: the record of its trip may still be on the way. */
static void on_kept_end(uv_poll_t *poll, int status, int events)
{
	struct kept *kept = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	/* The kernel side has forgotten it by now, but for what was said of it since. */
	source_set_python(kept->profiler->config.source, kept->tgid, NULL);
	uv_timer_start(kept->timer, on_kept_timer, LINGER_MS, 0);
}

static struct kept *find_kept(struct profiler *profiler, uint32_t tgid, uint64_t start_boottime_ns)
{
	for (struct kept *kept = profiler->kept; kept; kept = kept->next)
		if (kept->tgid == tgid && kept->start_boottime_ns == start_boottime_ns)
			return kept;
	return NULL;
}

/* The newest is the first: the last is the oldest. */
static void drop_oldest(struct profiler *profiler)
{
	struct kept *last = profiler->kept;

	while (last->next)
		last = last->next;
	drop(last);
}

/* The kernel side forgets it when the process ends, and so does this for one that has ended meanwhile. */
static void on_interpreter(const struct apo_python *found, void *userdata)
{
	struct kept *kept = userdata;
	struct source *source = kept->profiler->config.source;
	struct apo_python python;

	kept->search = interpreter_search_drop(kept->search);
	if (!found)
		return;
	kept->interpreter = (struct recording_interpreter){
		.python_version = found->version,
		.trouble = found->trouble,
		.is_known = true,
	};
	if (found->trouble)
		return;
	python = *found;
	python.start_boottime_ns = kept->start_boottime_ns;
	if (!source_set_python(source, kept->tgid, &python) && pidref_exited(&kept->process))
		source_set_python(source, kept->tgid, NULL);
}

static void on_kept_inspected(struct inspected *found, void *userdata)
{
	struct kept *kept = userdata;
	struct profiler *profiler = kept->profiler;
	bool is_searched = false;

	kept->inspection = NULL;
	if (!(found->parts & INSPECTION_NAMES))
		return; /* it lingers, so that it is not asked for again at once */
	kept->snapshot = found->snapshot;
	found->snapshot = SNAPSHOT_NONE;
	profiler->kept_fds += kept->snapshot.file_count;
	/* Of the same process: libraries may have come since, code been compiled. */
	for (struct kept *other = kept->next, *next; other; other = next) {
		next = other->next;
		if (other->tgid != kept->tgid ||
		    other->start_boottime_ns != kept->start_boottime_ns)
			continue;
		is_searched |= other->search != NULL;
		if (other->interpreter.is_known)
			kept->interpreter = other->interpreter;
		if (!other->search)
			drop(other);
	}
	if (!is_searched && !source_python_version(profiler->config.source, kept->tgid))
		kept->search = interpreter_search(profiler->config.loop, &kept->snapshot,
						  on_interpreter, kept);
	while (profiler->kept_count > KEPT_MAX ||
	       (profiler->kept_fds > profiler->kept_fds_max && profiler->kept_count > 1))
		drop_oldest(profiler);
}

/* Asks for what can be had of the process now. NULL: it is gone already. */
static struct kept *keep(struct profiler *profiler, const struct apo_task *task)
{
	const struct profiler_config *config = &profiler->config;
	struct kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	*kept = (struct kept){
		.profiler = profiler,
		.tgid = task->tgid,
		.start_boottime_ns = task->start_boottime_ns,
		.asked_ms = uv_now(config->loop),
		.snapshot = SNAPSHOT_NONE,
		.process = PIDREF_NONE,
	};
	if (pidref_of_task(config->proc_fd, config->initial_pid_ns, task, &kept->process))
		return kept_free(kept);
	kept->timer = loop_timer_new(config->loop, kept);
	kept->poll = loop_poll_new(config->loop, kept->process.pidfd, on_kept_end, kept);
	if (kept->timer && kept->poll)
		kept->inspection =
			inspector_ask(config->inspector,
				      &(const struct inspector_subject){
					      .pid = kept->process.pid,
					      .ns_pid = (pid_t)task->ns_tgid,
					      .start_boottime_ns = task->start_boottime_ns,
					      .cgroup = task->cgroup_id,
					      .limit_dirfd = -1,
				      },
				      INSPECTION_NAMES, on_kept_inspected, kept);
	return kept->inspection ? kept : kept_free(kept);
}

void profiler_on_spike(struct profiler *profiler, const struct apo_spike *spike)
{
	struct kept *earlier = find_kept(profiler, spike->task.tgid, spike->task.start_boottime_ns);
	struct kept *kept;

	if (earlier && uv_now(profiler->config.loop) - earlier->asked_ms < RENEW_MS)
		return;
	kept = keep(profiler, &spike->task);
	if (!kept)
		return;
	kept->next = profiler->kept;
	profiler->kept = kept;
	profiler->kept_count++;
	profiler->kept_fds += fds_of(kept);
	if (profiler->kept_count > KEPT_MAX)
		drop_oldest(profiler);
}

/* --- the whole ----------------------------------------------------------------------------- */

int profiler_new(struct profiler **ret, const struct profiler_config *config)
{
	struct profiler *profiler = calloc(1, sizeof(*profiler));
	struct rlimit files;

	if (!profiler)
		return -ENOMEM;
	profiler->config = *config;
	/* The rest is for what has to be opened to act. */
	profiler->kept_fds_max = getrlimit(RLIMIT_NOFILE, &files) ? 0 : files.rlim_cur / 4;
	*ret = profiler;
	return 0;
}

struct profiler *profiler_free(struct profiler *profiler)
{
	if (!profiler)
		return NULL;
	while (profiler->kept)
		drop(profiler->kept);
	free(profiler);
	return NULL;
}

static const char *trouble_of(int error)
{
	switch (error) {
	case -ENOMEM:
		return "out of memory";
	case -ESRCH:
	case -ENOENT:
		return "the process was gone before its files could be opened";
	case -EACCES:
	case -EPERM:
		return "what the process has mapped may not be read: needs CAP_SYS_PTRACE";
	case -ETIMEDOUT:
		return "the process kept from being looked at: what it has mapped could not be "
		       "read in time";
	case -EBUSY:
		return "too many other processes of its cgroup were being looked at";
	case -EMFILE:
	case -ENFILE:
		return "no more files could be opened: raise the limit (LimitNOFILE=, ulimit -n)";
	default:
		return "what the process has mapped could not be read";
	}
}

/* Of the process as it was: what was kept of it. */
static int take_kept(const struct profiler *profiler, const struct profiler_subject *subject,
		     struct capture *capture)
{
	const struct kept *kept = profiler->kept;

	while (kept && (kept->tgid != subject->tgid ||
			kept->start_boottime_ns != subject->start_boottime_ns ||
			!kept->snapshot.mappings.count))
		kept = kept->next;
	if (!kept)
		return subject->error;
	capture->recording->interpreter = kept->interpreter;
	return take_files(capture, &kept->snapshot);
}

static void judge_interpreter(const struct capture *capture)
{
	struct recording_interpreter *interpreter = &capture->recording->interpreter;

	if (interpreter->is_known && !interpreter->trouble && capture->recording->stack_count &&
	    !samples_have_python(capture))
		interpreter->trouble = APO_PYTHON_UNREADABLE;
}

struct capture *profiler_capture(struct profiler *profiler, const struct profiler_subject *subject)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	struct recording *recording = capture ? recording_new() : NULL;
	int r;

	if (!recording) {
		free(capture);
		return NULL;
	}
	capture->recording = recording;
	recording->page_bytes = profiler->config.page_bytes;
	recording->grown_bytes = subject->grown_bytes;
	r = samples_take_stacks(profiler->config.source, subject, room_bytes(profiler), capture);
	capture->held_of_all = &profiler->held_bytes;
	hold(profiler, capture, recording->stack_count * sizeof(*capture->raws));
	if (!r)
		samples_take_codes(profiler->config.source, room_bytes(profiler), capture);
	hold(profiler, capture, capture->code_count * sizeof(*capture->codes));
	if (!r)
		r = take_kept(profiler, subject, capture);
	if (r)
		recording->trouble = trouble_of(r);
	judge_interpreter(capture);
	if (source_usage_samples(profiler->config.source, subject->limit_cgroup,
				 sat_sub(subject->time_ns, BEFORE_NS), &recording->usage_samples,
				 &recording->usage_sample_count))
		recording->usage_sample_count = 0;
	return capture;
}

unsigned int profiler_wants(const struct profiler_subject *subject)
{
	return INSPECTION_NAMES | (subject->rss_bytes <= SUMS_MAX_BYTES ? INSPECTION_SUMS : 0);
}

static void add_sums(const struct mapping_sums *sums, struct recording_mappings *ret)
{
	*ret = (struct recording_mappings){
		.known = true,
		.heap_bytes = sums->heap,
		.stack_bytes = sums->stack,
		.anon_bytes = sums->anon,
		.file_bytes = sums->file,
		.shmem_bytes = sums->shmem,
	};
	for (size_t i = 0; i < MIN(sums->group_count, ARRAY_SIZE(ret->largest)); i++) {
		struct recording_mapping *mapping = &ret->largest[i];

		*mapping = (struct recording_mapping){
			.bytes = sums->groups[i].bytes,
			.largest_bytes = sums->groups[i].largest_bytes,
			.count = sums->groups[i].count,
		};
		snprintf(mapping->name, sizeof(mapping->name), "%s", sums->groups[i].name);
	}
}

void profiler_add_names(const struct inspected *found, struct capture *capture)
{
	struct recording *recording = capture->recording;
	int r = found->error;

	if (found->parts & INSPECTION_SUMS)
		add_sums(&found->sums, &recording->mappings);
	if (found->parts & INSPECTION_NAMES) {
		forget_files(capture);
		r = take_files(capture, &found->snapshot);
	}
	if (r && !recording->module_count)
		recording->trouble = trouble_of(r);
}

void profiler_follow(const struct profiler *profiler, const struct profiler_subject *subject,
		     struct capture *capture)
{
	struct recording *recording = capture->recording;
	uint64_t from =
		recording->usage_sample_count
			? recording->usage_samples[recording->usage_sample_count - 1].time_ns + 1
			: subject->time_ns;
	_cleanup_free_ struct apo_usage_sample *later = NULL;
	struct apo_usage_sample *all;
	size_t count;

	if (source_usage_samples(profiler->config.source, subject->limit_cgroup, from, &later,
				 &count) ||
	    !count)
		return;
	all = reallocarray(recording->usage_samples, recording->usage_sample_count + count,
			   sizeof(*all));
	if (!all)
		return;
	memcpy(all + recording->usage_sample_count, later, count * sizeof(*all));
	recording->usage_samples = all;
	recording->usage_sample_count += count;
}

struct capture *capture_free(struct capture *capture)
{
	if (!capture)
		return NULL;
	forget_files(capture);
	*capture->held_of_all -= capture->held_bytes;
	free(capture->raws);
	free(capture->codes);
	recording_free(capture->recording);
	free(capture);
	return NULL;
}
