/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The profiler: user stacks of what grows, and samples of usage. It runs only while a process is in
 * a spike (spike_update() in account.bpf.h), and decides nothing.
 *
 * Stacks are kept as registers and a copy of their top, not as frames: most programs and libraries
 * are built without frame pointers, and their unwind tables are read in user space.
 */
#pragma once

#include "emit.bpf.h"
#include "python.bpf.h"

#define USAGE_SAMPLE_NS 1000000ULL
#define USAGE_SAMPLE_SHIFT 9 /* usage has moved by a 512th of the limit */

static __always_inline void usage_sample_add(struct check *check, struct limit *limit,
					     const struct process *process)
{
	__u64 usage = check->reading.usage_pages;
	__s64 moved = usage - limit->sample_pages;
	__u32 cpu = bpf_get_smp_processor_id(), key;
	struct apo_usage_sample *sample;
	struct slot *slot;

	if (moved < 0)
		moved = -moved;
	if (limit->shared.last_trip_ns != check->now &&
	    (since(check->now, limit->sample_ns) < USAGE_SAMPLE_NS ||
	     (__u64)moved < check->reading.limit_pages >> USAGE_SAMPLE_SHIFT))
		return;
	slot = bpf_map_lookup_elem(&slots, &cpu);
	if (!slot)
		return;
	key = cpu * usage_samples_per_cpu + slot->usage_samples++ % usage_samples_per_cpu;
	sample = bpf_map_lookup_elem(&usage_samples, &key);
	if (!sample)
		return;
	limit->sample_ns = check->now;
	limit->sample_pages = usage;
	sample->time_ns = check->now;
	sample->limit_cgroup = check->reading.limit_cgroup;
	sample->limit_pages = check->reading.limit_pages;
	sample->usage_pages = usage;
	sample->reclaimable_pages = check->reading.reclaimable_pages;
	sample->rate_pages_s = limit->shared.rate_pages_s;
	__builtin_memcpy(sample->rss_pages, process->shared.rss_pages, sizeof(sample->rss_pages));
	sample->tgid = check->tgid;
}

#define CHUNK_BYTES 512	 /* the copy ends with the mapping, to that precision */
#define FRAMES_HASHED 32 /* of the chain of frame pointers */
#define FRAMES_TRUSTED 3 /* fewer may be chance: then the place on the stack counts too */
#define WORDS_HASHED 64	 /* of the top of the stack */
#define SP_BITS 0xfff	 /* of the stack pointer: these are the same in every thread */

static __always_inline __u64 word_at(const struct apo_stack *stack, __u64 offset)
{
	return *(const __u64 *)(stack->copy + (offset & (APO_STACK_BYTES - 8)));
}

/*
 * A hash that differs between paths through the code: of the chain of frame pointers, where there
 * is one, and of the words that look like returns into the program itself. Data that is taken for a
 * return only makes two stacks of one.
 */
static __noinline __u64 stack_hash(struct apo_stack *stack, __u64 code_start, __u64 code_end)
{
	__u64 hash = hash_add(0, stack->registers[REGISTER_PC]);
	__u64 at = stack->registers[REGISTER_FP] - stack->sp;
	__u32 frames = 0;

	/* Before the frames: the verifier walks this loop once for each path that leads to it. */
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

/* Replaces the oldest if there is no room. A stack that was replaced returns at its next sample. */
static __always_inline void stack_add(const __u64 *hash, const struct apo_stack *stack)
{
	int r = bpf_map_update_elem(&stacks, hash, stack, BPF_NOEXIST);
	__u64 oldest;

	if (r == -E2BIG && !bpf_map_pop_elem(&stack_queue, &oldest)) {
		bpf_map_delete_elem(&stacks, &oldest);
		r = bpf_map_update_elem(&stacks, hash, stack, BPF_NOEXIST);
	}
	if (!r)
		bpf_map_push_elem(&stack_queue, hash, 0);
}

/* Takes the stack of the running task and returns its key; 0: it cannot be read. */
static __noinline __u64 stack_take(struct check *check)
{
	__u32 key = bpf_get_smp_processor_id() * APO_TRIGGERS + check->trigger - 1, bytes = 0;
	struct apo_stack *stack = bpf_map_lookup_elem(&scratches, &key);
	struct mm_struct *mm = check->mm;
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
	stack->python_count = 0;
	hash = hash_add(stack_hash(stack, BPF_CORE_READ(mm, start_code),
				   BPF_CORE_READ(mm, end_code)),
			python_take(key, check->tgid));
	check->python_count = stack->python_count;
	if (!bpf_map_lookup_elem(&stacks, &hash)) {
		python_codes_take(key, check->tgid);
		stack_add(&hash, stack);
	}
	return hash;
}

#define WEIGHTS_TRIED 4 /* at most, to find one whose spike is over */

/*
 * Makes room for a weight: drops the oldest whose spike is over, or the last one tried. The others
 * that were tried go to the end of the queue.
 */
static __always_inline void weight_evict(void)
{
	struct apo_weight_key oldest;
	struct process *process;

	for (__u32 i = 0; i < WEIGHTS_TRIED; i++) {
		if (bpf_map_pop_elem(&weight_queue, &oldest))
			return;
		process = bpf_map_lookup_elem(&processes, &oldest.tgid);
		if (i < WEIGHTS_TRIED - 1 && process && process->spike_ns == oldest.spike_ns)
			bpf_map_push_elem(&weight_queue, &oldest, 0);
		else
			break;
	}
	bpf_map_delete_elem(&weights, &oldest);
}

static __noinline void weight_add(const struct apo_weight_key *key, __u64 pages)
{
	struct apo_weight *weight = bpf_map_lookup_elem(&weights, key);
	struct apo_weight first = {.pages = pages, .samples = 1};
	int r;

	if (weight) {
		__sync_fetch_and_add(&weight->pages, pages);
		__sync_fetch_and_add(&weight->samples, 1);
		return;
	}
	r = bpf_map_update_elem(&weights, key, &first, BPF_NOEXIST);
	if (r == -E2BIG) {
		weight_evict();
		r = bpf_map_update_elem(&weights, key, &first, BPF_NOEXIST);
	}
	if (!r)
		bpf_map_push_elem(&weight_queue, key, 0);
}

static __noinline void stack_sample(struct check *check, __u64 spike_ns, __u64 pages)
{
	struct apo_weight_key key = {.spike_ns = spike_ns, .tgid = check->tgid};

	key.stack = stack_take(check);
	weight_add(&key, pages);
	stat_add(APO_STAT_SAMPLES);
}

#define MET_SHIFT 5 /* of the limit, a 32nd */

/*
 * User space is told of a process when it is no small part of the limit any more, so that what it runs is known
 * before most of it grows, and again when the limit is half full, for what it has loaded since.
 */
static __always_inline bool is_to_be_noted(const struct check *check, const struct limit *limit,
					   struct process *process)
{
	if (!process->is_met &&
	    process->owned_pages >= (__s64)(check->reading.limit_pages >> MET_SHIFT)) {
		process->is_met = 1;
		return true;
	}
	if (process->noted_ns >= process->spike_ns ||
	    limit->shared.need_pages < check->reading.limit_pages / 2 ||
	    since(check->now, process->noted_ns) < NSEC_PER_SEC)
		return false;
	process->noted_ns = check->now;
	return true;
}

/* Without a branch, each of which the verifier follows both ways. */
static __always_inline __u32 sample_more(__u64 python_count)
{
	return (-python_count >> 63) * (APO_SAMPLE_PAGES_PYTHON - APO_SAMPLE_PAGES);
}

#define HUGE_NS 100000000ULL /* for how long more of them are expected */

/*
 * Runs after the decision. The check that trips samples what is due, however little, and ends the
 * spike: what the shutdown allocates is another one. Triggers other than growth sample only what
 * the mm counters do not show: the rest is left to the faults, because a tick finds any of the
 * threads. Returns whether each event is to be checked: else huge pages would be put down to the
 * thread that faults most often. A global function: verified once.
 */
__noinline int profile_growth(__u32 key)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct check *check = check_of(key);
	struct process *process;
	struct limit *limit;
	__u64 spike_ns;
	bool tripped;
	__s64 due, hidden;

	if (!check)
		return false;
	process = bpf_map_lookup_elem(&processes, &check->tgid);
	limit = limit_find(check->reading.limit_cgroup, check->policy);
	if (!process || !limit)
		return false;
	tripped = limit->shared.last_trip_ns == check->now;
	spike_ns = process->spike_ns;
	usage_sample_add(check, limit, process);
	if (is_to_be_noted(check, limit, process))
		spike_emit(check, process);
	if (tripped)
		process->spike_ns = 0;
	due = process->owned_pages - process->spike_level_pages;
	hidden = hidden_pages(process);
	if (check->trigger != APO_TRIGGER_GROWTH && !tripped &&
	    due > hidden - process->spike_hidden_pages)
		due = hidden - process->spike_hidden_pages;
	if (due >= (tripped ? 1 : APO_SAMPLE_PAGES + process->sample_more) &&
	    BPF_CORE_READ(task, mm) == check->mm) {
		process->spike_level_pages += due;
		process->spike_hidden_pages = hidden;
		check->python_count = 0;
		stack_sample(check, spike_ns, due);
		process->sample_more = sample_more(check->python_count);
		if (check->events && due >= (__s64)check->events * HUGE_RATIO)
			process->huge_ns = check->now;
	}
	return since(check->now, process->huge_ns) < HUGE_NS;
}
