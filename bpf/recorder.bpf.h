/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The recorder: user stacks of what grows, and the flight recorder's points. It only takes part
 * while a process is in a spike (spike_update() in state.bpf.h), and decides nothing.
 *
 * Stacks are kept as registers and a copy of their top, not as frames: most programs and libraries
 * are built without frame pointers, and only unwind tables, which user space reads, know better.
 */
#pragma once

#include "state.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64); /* hash of the stack */
	__type(value, struct apo_stack);
	__uint(max_entries, 1); /* as are those below set by the loader, if anything is recorded */
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct apo_weight_key);
	__type(value, struct apo_weight);
	__uint(max_entries, 1);
} weights SEC(".maps");

/* A ring per CPU, the oldest point overwritten. */
const volatile __u32 points_per_cpu = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct apo_point);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* points_per_cpu times the CPU count */
} points SEC(".maps");

/* A stack in the making, per CPU and trigger: a tick may come while a fault is at work. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct apo_stack);
	__uint(max_entries, 1); /* times the CPU count */
} scratches SEC(".maps");

#define POINT_NS 1000000ULL
#define POINT_SHIFT 9 /* moved: by a 512th of the limit */

static __always_inline void point_add(struct look *look, struct apo_guard *guard,
				      const struct apo_process *process)
{
	__u64 usage = look->reading.usage_pages;
	__s64 moved = usage - guard->point_pages;
	__u32 cpu = bpf_get_smp_processor_id(), key;
	struct apo_point *point;
	struct slot *slot;

	if (moved < 0)
		moved = -moved;
	if (guard->last_trip_ns != look->now &&
	    (since(look->now, guard->point_ns) < POINT_NS ||
	     (__u64)moved < look->reading.limit_pages >> POINT_SHIFT))
		return;
	slot = bpf_map_lookup_elem(&slots, &cpu);
	if (!slot)
		return;
	key = cpu * points_per_cpu + slot->points++ % points_per_cpu;
	point = bpf_map_lookup_elem(&points, &key);
	if (!point)
		return;
	guard->point_ns = look->now;
	guard->point_pages = usage;
	point->time_ns = look->now;
	point->limit_cgroup = look->reading.limit_cgroup;
	point->limit_pages = look->reading.limit_pages;
	point->usage_pages = usage;
	point->reclaimable_pages = look->reading.reclaimable_pages;
	point->rate_pages_s = guard->rate_pages_s;
	__builtin_memcpy(point->rss_pages, process->rss_pages, sizeof(point->rss_pages));
	point->tgid = look->tgid;
}

/* In time for the slow path to read, before the trip, what will be gone after it. */
static __always_inline void spike_emit(struct look *look, struct apo_process *process)
{
	struct apo_spike *spike = bpf_ringbuf_reserve(&records, sizeof(*spike), 0);

	if (!spike) {
		stat_add(APO_STAT_LOST_RECORDS);
		return;
	}
	spike->rec.type = APO_REC_SPIKE;
	spike->rec.size = sizeof(*spike);
	spike->spike_ns = process->spike_ns;
	task_describe(look->owner, look->cgroup_id, &spike->task);
	bpf_ringbuf_submit(spike, wake_later());
}

#define CHUNK_BYTES 512	 /* the copy ends with the mapping, to that precision */
#define FRAMES_HASHED 32 /* of the chain of frame pointers */
#define FRAMES_TRUSTED 3 /* so many in a row are no accident */
#define WORDS_HASHED 64	 /* of the top of the stack */
#define SP_BITS 0xfff	 /* are the same in every thread */

static __always_inline __u64 hash_add(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

static __always_inline __u64 word_at(const struct apo_stack *stack, __u64 offset)
{
	return *(const __u64 *)(stack->copy + (offset & (APO_STACK_BYTES - 8)));
}

/*
 * What tells paths through the code apart: the chain of frame pointers where there is one, and what
 * looks like a return into the program itself. Taking data for one only makes two stacks of one.
 */
static __noinline __u64 stack_hash(struct apo_stack *stack, __u64 code_start, __u64 code_end)
{
	__u64 hash = hash_add(0, stack->registers[REGISTER_PC]);
	__u64 at = stack->registers[REGISTER_FP] - stack->sp;
	__u32 frames = 0;

	/* Before the frames: the verifier walks this once for each way there is to it. */
	for (__u32 i = 0; i < WORDS_HASHED; i++) {
		__u64 word = word_at(stack, i * 8);

		if (word - code_start < code_end - code_start)
			hash = hash_add(hash, word);
	}
	for (; frames < FRAMES_HASHED && at < stack->bytes - 8 && !(at & 7); frames++) {
		__u64 next = word_at(stack, at) - stack->sp;

		hash = hash_add(hash, word_at(stack, at + 8));
		if (next <= at)
			break;
		at = next;
	}
	return frames < FRAMES_TRUSTED ? hash_add(hash, stack->sp & SP_BITS) : hash;
}

/* The stack of the running task; 0: it could not be had. */
static __noinline __u64 stack_take(struct look *look)
{
	__u32 key = bpf_get_smp_processor_id() * APO_TRIGGERS + look->trigger - 1, bytes = 0;
	struct apo_stack *stack = bpf_map_lookup_elem(&scratches, &key);
	struct mm_struct *mm = look->mm;
	__u64 hash;

	if (!stack || !compat_user_registers((void *)bpf_get_current_task(), stack->registers))
		return 0;
	stack->sp = stack->registers[REGISTER_SP];
	for (; bytes < APO_STACK_BYTES; bytes += CHUNK_BYTES)
		if (bpf_probe_read_user(stack->copy + bytes, CHUNK_BYTES,
					(void *)(stack->sp + bytes)))
			break;
	if (!bytes)
		return 0;
	stack->bytes = bytes;
	hash = stack_hash(stack, BPF_CORE_READ(mm, start_code), BPF_CORE_READ(mm, end_code));
	if (!bpf_map_lookup_elem(&stacks, &hash))
		bpf_map_update_elem(&stacks, &hash, stack, BPF_ANY);
	return hash;
}

static __noinline void sample(struct look *look, __u64 spike_ns, __u64 pages)
{
	struct apo_weight_key key = {.spike_ns = spike_ns, .tgid = look->tgid};
	struct apo_weight *weight, first = {.pages = pages, .samples = 1};

	key.stack = stack_take(look);
	weight = bpf_map_lookup_elem(&weights, &key);
	if (weight) {
		__sync_fetch_and_add(&weight->pages, pages);
		__sync_fetch_and_add(&weight->samples, 1);
	} else {
		bpf_map_update_elem(&weights, &key, &first, BPF_ANY);
	}
	stat_add(APO_STAT_SAMPLES);
}

#define HUGE_NS 100000000ULL /* for how long more of them are expected */

/*
 * After the decision. The look that trips takes what is due, however little, and ends the spike:
 * what the shutdown allocates is another one. What the mm counters show is left to the faults, for
 * a tick finds any of the threads. Returns whether each event is worth a look, because huge pages
 * would be put down to whoever faults most often.
 */
static __noinline bool record(struct look *look)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct apo_process *process = bpf_map_lookup_elem(&processes, &look->tgid);
	__u64 id = look->reading.limit_cgroup, spike_ns;
	struct apo_guard *guard = bpf_map_lookup_elem(&guards, &id);
	bool tripped;
	__s64 due, hidden;

	if (!process || !guard)
		return false;
	tripped = guard->last_trip_ns == look->now;
	spike_ns = process->spike_ns;
	point_add(look, guard, process);
	if (process->noted_ns < spike_ns && guard->need_pages >= look->reading.limit_pages / 2 &&
	    since(look->now, process->noted_ns) >= NSEC_PER_SEC) {
		process->noted_ns = look->now;
		spike_emit(look, process);
	}
	if (tripped)
		process->spike_ns = 0;
	due = process->owned_pages - process->spike_level_pages;
	hidden = hidden_pages(process);
	if (look->trigger != APO_TRIGGER_GROWTH && !tripped &&
	    due > hidden - process->spike_hidden_pages)
		due = hidden - process->spike_hidden_pages;
	if (due >= (tripped ? 1 : APO_SAMPLE_PAGES) && BPF_CORE_READ(task, mm) == look->mm) {
		process->spike_level_pages += due;
		process->spike_hidden_pages = hidden;
		sample(look, spike_ns, due);
		if (look->events && due >= (__s64)look->events * HUGE_RATIO)
			process->huge_ns = look->now;
	}
	return since(look->now, process->huge_ns) < HUGE_NS;
}
