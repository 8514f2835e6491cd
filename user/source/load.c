// SPDX-License-Identifier: BSD-2-Clause
#include "source/load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"

static int bridge_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	/* libbpf's own words help developers only; ours say what to do. */
	(void)level;
	log_print(LOG_LEVEL_TRACE, fmt, args);
	return 0;
}

void load_begin(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	libbpf_set_print(bridge_log);
	/* Ring buffers and BTF need it before 5.11; later locked memory is not counted for BPF. */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

int load_prepare(const struct bpf_object *object)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object, "prepare");
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	return program ? bpf_prog_test_run_opts(bpf_program__fd(program), &opts) : -ENOENT;
}

ssize_t load_iterate(const struct bpf_program *program, void *ret, size_t size)
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	bpf_link__destroy(link);
	n = fd < 0 ? -1 : read(fd, ret, size);
	return n < 0 ? -errno : n;
}

static bool may_load(void)
{
	uint64_t needed = 1ULL << CAP_BPF | 1ULL << CAP_PERFMON, effective;
	_cleanup_free_ char *status = NULL;
	const char *field;

	if (file_read(AT_FDCWD, "/proc/self/status", &status, NULL))
		return false;
	field = parse_field(status, "CapEff");
	effective = field ? strtoull(field, NULL, 16) : 0;
	return (effective & needed) == needed || effective >> CAP_SYS_ADMIN & 1;
}

void load_explain(int r)
{
	if ((r == -EPERM || r == -EACCES) && !may_load())
		log_error("cannot load the kernel side: needs CAP_BPF and CAP_PERFMON in the "
			  "initial user namespace (run as root, or see apoptosis doctor)");
	else if (r == -ENOMEM)
		log_error("cannot load the kernel side: not enough locked memory (raise "
			  "LimitMEMLOCK, or grant CAP_SYS_RESOURCE)");
	else
		log_error("cannot load the kernel side: %s (-vv shows what the kernel said, "
			  "apoptosis doctor what is missing)",
			  strerror(-r));
}
