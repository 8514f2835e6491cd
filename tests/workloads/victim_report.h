/* SPDX-License-Identifier: BSD-2-Clause */
/* What the victim leaves behind: the state file of its shutdown, and the result. */
#pragma once

#include "victim.h"

static uint32_t fnv1a(uint32_t hash, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)data[i]) * 16777619U;
	return hash;
}

/* The shutdown's work: FILE appears, whole and with its checksum, or not at all. */
static int write_state(enum reason reason)
{
	static char block[STATE_BLOCK];
	uint64_t blocks = opt.state_kib * 1024 / sizeof(block), start = now_ns();
	uint32_t hash = 2166136261U, noise = 12345;
	char temporary[512];
	FILE *file;
	int n;

	snprintf(temporary, sizeof(temporary), "%s.tmp", opt.state);
	file = fopen(temporary, "we");
	if (!file)
		return -errno;
	n = snprintf(block, sizeof(block), "reason %s\n", reason_name[reason]);
	hash = fnv1a(hash, block, (size_t)n);
	fwrite(block, 1, (size_t)n, file);
	for (uint64_t i = 0; i < blocks; i++) {
		for (size_t j = 0; j < sizeof(block); j++) {
			noise = noise * 1103515245U + 12345U;
			block[j] = j % 64 == 63 ? '\n' : (char)('a' + (noise >> 16) % 26);
		}
		hash = fnv1a(hash, block, sizeof(block));
		fwrite(block, 1, sizeof(block), file);
		if (opt.shutdown_ms)
			sleep_ns(opt.shutdown_ms * 1000000 / blocks);
	}
	fprintf(file, "checksum %08x\n", hash);
	if (fflush(file) != 0 || fsync(fileno(file)) < 0 || fclose(file) != 0 ||
	    rename(temporary, opt.state) < 0)
		return -errno;
	atomic_store(&shared->shutdown_ns, now_ns() - start);
	return 0;
}

static void write_result(int status)
{
	struct role *role = shared->child_is_grower ? &shared->grower : &shared->parent;
	uint64_t touched = shared->touched;
	double seconds = (double)(shared->grown_ns - shared->first_ns) / 1e9;
	char temporary[512];
	FILE *file;

	snprintf(temporary, sizeof(temporary), "%s.tmp", opt.result);
	file = fopen(temporary, "we");
	if (!file)
		die("cannot write %s: %m", temporary);
	fprintf(file,
		"{\"kind\":\"%s\",\"reason\":\"%s\",\"status\":%d,\"pid\":%d,\"grower\":%d,"
		"\"page_size\":%" PRIu64 ",\"unit_bytes\":%" PRIu64 ",\"units_at_signal\":%" PRIu64
		",\"units_total\":%" PRIu64 ",\"rate_bytes_per_s\":%.0f,",
		kind->name, reason_name[role->stop], status, (int)getpid(),
		shared->child_is_grower ? (int)shared->child : (int)getpid(), page_size, unit_size,
		(uint64_t)role->units, touched,
		seconds > 0 ? (double)(touched * unit_size) / seconds : 0.0);
	fprintf(file,
		"\"handler_count\":%d,\"handler_signal\":%d,\"handler_pid\":%d,\"handler_ns\":"
		"%" PRIu64 ",\"usr1_count\":%d,\"parent_handler_count\":%d,\"shutdown_ms\":%.3f}\n",
		(int)role->handlers, (int)role->signal, (int)role->pid, (uint64_t)role->handler_ns,
		(int)role->usr1, shared->child_is_grower ? (int)shared->parent.handlers : 0,
		(double)shared->shutdown_ns / 1e6);
	if (fclose(file) != 0 || rename(temporary, opt.result) < 0)
		die("cannot write %s: %m", opt.result);
}
