/* SPDX-License-Identifier: BSD-2-Clause */
/* What the memory is: what a report says of its kinds against what was put there. */
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "events.h"

TestSuite(kinds, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define LIMIT (256 * MIB)
#define LEFT 140 /* MiB */

static json_t *report_of(struct live_process *guard, const char *dir, struct live_process *program)
{
	const json_t *verdict = live_event(guard, "verdict", program->pid);

	live_wait_exit(program);
	return live_report(guard, dir, verdict);
}

/* On one line: it does not matter here where they end. */
static const char *text_of(const char *dir, const json_t *report)
{
	char *text = live_format(
		"%s", live_tool("report", "--report-dir", dir, live_text(report, "id"))->output[0]);

	for (char *at = text; (at = strchr(at, '\n'));)
		*at = ' ';
	return text;
}

static const json_t *find_part(const json_t *report, const char *name)
{
	const json_t *parts = live_member(report, "memory.parts"), *part;
	size_t i;

	json_array_foreach (parts, i, part)
		if (strcmp(live_text(part, "part"), name) == 0)
			return part;
	live_fatal("there is no %s", name);
}

static json_int_t bytes_of(const json_t *report, const char *name)
{
	return live_int(find_part(report, name), "bytes");
}

static json_int_t before_of(const json_t *report, const char *name)
{
	return live_int(find_part(report, name), "before_bytes");
}

/* What CPUs have counted and not added yet, on older kernels. */
#define INEXACT ((json_int_t)MIB)

static bool is_about(json_int_t bytes, json_int_t wanted)
{
	return bytes >= wanted - INEXACT && bytes <= wanted + INEXACT;
}

static json_int_t sum_of_parts(const json_t *report)
{
	const json_t *parts = live_member(report, "memory.parts"), *part;
	json_int_t sum = 0;
	size_t i;

	json_array_foreach (parts, i, part)
		sum += live_int(part, "bytes");
	return sum;
}

static void leave_behind(const struct live_cgroup *cgroup, const char *path, unsigned int mib)
{
	struct live_process *writer = live_start(cgroup, "/bin/dd", "if=/dev/zero",
						 live_format("of=%s", path), "bs=1M",
						 live_format("count=%u", mib));

	live_wait_exit(writer);
	live_check(live_exit_code(writer) == 0, "status %d", live_exit_code(writer));
}

/* Who wrote it is gone, and so is who is told for it before it is looked at: it is found all the same. */
Test(kinds, tmpfs_left_behind_is_told_by_file_and_not_what_is_charged_to_others)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "left", LIMIT);
	struct live_cgroup *other = live_cgroup(NULL, "other", 0);
	const char *tmpfs = live_tmpfs(600), *dir = live_path("reports"), *text;
	struct live_process *guard;
	const json_t *files;
	json_t *report;

	leave_behind(cgroup, live_format("%s/last run", tmpfs), LEFT);
	leave_behind(other, live_format("%s/others", tmpfs), 2 * LEFT);
	live_check(mkdir(live_format("%s/below", tmpfs), 0700) == 0, "mkdir: %m");
	leave_behind(cgroup, live_format("%s/below/it", tmpfs), 10);
	guard = live_watch("--cgroup", cgroup->rel, "--report-dir", dir);
	report = report_of(guard, dir, live_start(cgroup, live_workload("hoard")));
	live_expect_text(report, "verdict", "saved");

	live_check(is_about(bytes_of(report, "shmem"), (LEFT + 10) * MIB) &&
			   is_about(before_of(report, "shmem"), bytes_of(report, "shmem")),
		   "%lld and %lld bytes", bytes_of(report, "shmem"), before_of(report, "shmem"));
	if (!live_bool(report, "memory.files_owned"))
		live_skip("kpagecgroup", "pages do not tell whose they are before Linux 5.14");
	files = live_member(report, "memory.files");
	live_check(json_array_size(files) == 2, "%s", json_dumps(files, JSON_COMPACT));
	live_expect_text(report, "memory.files.0.path", live_format("%s/last run", tmpfs));
	live_expect_int(report, "memory.files.0.bytes", LEFT * MIB);
	live_expect_text(report, "memory.files.1.path", live_format("%s/below/it", tmpfs));
	live_check(live_bool(report, "memory.files.0.older") &&
			   !live_bool(report, "memory.files.0.unlinked"),
		   "it is not older");
	text = text_of(dir, report);
	live_check(strstr(text, "left there before it"), "the first paragraph does not tell:\n%s",
		   text);
	live_check(strstr(text, "remove them"), "what to do is not told:\n%s", text);
	json_decref(report);
}

/* All but what the stocks of CPUs hold ahead. */
Test(kinds, what_a_process_had_is_anonymous_though_it_is_gone_at_once)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "hoard", LIMIT);
	const char *dir = live_path("reports");
	struct live_process *guard = live_watch("--cgroup", cgroup->rel, "--report-dir", dir);
	json_t *report = report_of(guard, dir, live_start(cgroup, live_workload("hoard")));
	json_int_t own = live_int(report, "memory.rss_bytes.anon");

	live_check(bytes_of(report, "anon") >= own - INEXACT, "%lld bytes of %lld",
		   bytes_of(report, "anon"), own);
	live_check(before_of(report, "anon") < own / 2, "%lld bytes before",
		   before_of(report, "anon"));
	live_check(sum_of_parts(report) >= live_int(report, "memory.usage_bytes"),
		   "%lld bytes of %lld", sum_of_parts(report),
		   live_int(report, "memory.usage_bytes"));
	live_check(json_is_null(live_member(report, "memory.files")), "files were looked for");
	live_check(!strstr(text_of(dir, report), " are files on tmpfs"),
		   "it is told as something else");
	json_decref(report);
}

/* It lives until the end of its grace, and was looked at long before. */
Test(kinds, what_has_no_path_and_is_open_is_told_by_its_name)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "nameless", 320 * MIB);
	const char *dir = live_path("reports"), *tmpfs = live_tmpfs(1024);
	struct live_process *guard =
		live_watch("--cgroup", cgroup->rel, "--report-dir", dir, "--grace", "5s");
	json_t *report = report_of(guard, dir,
				   live_victim(cgroup, "--kind", "tmpfs", "--dir", tmpfs, "--deaf",
					       "--max", "300M", "--hold"));

	live_check(bytes_of(report, "shmem") >= (json_int_t)(200 * MIB), "%lld bytes",
		   bytes_of(report, "shmem"));
	live_check(strncmp(live_text(report, "memory.files.0.path"), tmpfs, strlen(tmpfs)) == 0,
		   "it is %s", live_text(report, "memory.files.0.path"));
	live_check(live_bool(report, "memory.files.0.unlinked") &&
			   !live_bool(report, "memory.files.0.older"),
		   "it has a path, or is old");
	live_check(strstr(text_of(dir, report), ", removed but open"), "%s", text_of(dir, report));
	json_decref(report);
}

/* v1 has one number for the kernel's; v2 counts pipes with none of the parts it names. */
Test(kinds, what_waits_in_pipes_is_the_kernels)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "pipes", 64 * MIB);
	const char *dir = live_path("reports");
	struct live_process *guard = live_watch("--cgroup", cgroup->rel, "--report-dir", dir);
	json_t *report =
		report_of(guard, dir, live_victim(cgroup, "--kind", "pipe", "--rate", "50"));

	live_check(bytes_of(report, "kernel") + bytes_of(report, "other") >= (json_int_t)(40 * MIB),
		   "%s", json_dumps(live_member(report, "memory.parts"), JSON_COMPACT));
	live_check(bytes_of(report, "anon") < (json_int_t)(10 * MIB), "%lld bytes are anonymous",
		   bytes_of(report, "anon"));
	json_decref(report);
}

/* Of the process itself, which is asked while it shuts down. */
Test(kinds, what_the_process_has_mapped_is_told_by_its_name)
{
	static const struct {
		const char *kind, *name, *row;
	} kinds[] = {{"shmem", "/dev/zero", "/dev/zero"}, {"anon", "", " without a name"}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "mapped", 320 * MIB);
		const char *dir = live_path("reports"), *text;
		struct live_process *guard =
			live_watch("--cgroup", cgroup->rel, "--report-dir", dir, "--grace", "5s");
		json_t *report = report_of(guard, dir,
					   live_victim(cgroup, "--kind", kinds[i].kind, "--deaf",
						       "--max", "300M", "--hold"));
		const char *path = "recording.mappings.largest.0";

		live_expect_text(report, live_format("%s.name", path), kinds[i].name);
		live_check(live_int(report, live_format("%s.bytes", path)) >=
				   (json_int_t)(200 * MIB),
			   "%s", json_dumps(live_member(report, path), JSON_COMPACT));
		text = text_of(dir, report);
		live_check(strstr(text, "  resident in victim just after, by what is mapped ") &&
				   strstr(text, kinds[i].row),
			   "%s", text);
		json_decref(report);
	}
}
