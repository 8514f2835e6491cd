/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of cgroups, of mounts, of containers and of units, as files of /proc have them. The parts: a mountinfo,
 * the cgroup file of this process, that of another one, what a person wrote, and the processes of the
 * cgroup that is mounted.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "sense/cgroup.h"
#include "core/container_id.h"
#include "core/unit.h"

#define MEMORY_CONTROLLER "cpu memory\n"

/* Where mountinfo lines can find something mounted. */
static void make_machine(void)
{
	static bool made;

	if (made)
		return;
	made = true;
	fuzz_file("cg/cgroup.controllers", MEMORY_CONTROLLER, strlen(MEMORY_CONTROLLER));
	fuzz_file("cg/a/b/cgroup.procs", "7\n", 2);
	fuzz_file("proc/7/cgroup", "", 0);
	FUZZ_CHECK(symlinkat("7", fuzz_dir(), "proc/self") == 0);
}

static void check_rel(const struct cgroup_tree *tree, char *rel)
{
	_cleanup_free_ char *again = NULL, *id = NULL, *unit = NULL;
	_cleanup_free_ char *user_unit = NULL;

	FUZZ_CHECK(rel[0] == '/' && !strstr(rel, "//"));
	FUZZ_CHECK(!strstr(rel, "/../") && !strstr(rel, "/./"));
	if (container_id_from_cgroup(rel, &id) == 0)
		FUZZ_CHECK(*id && *id != '.' && !strchr(id, '/')); /* one of a file's to others */
	if (unit_from_cgroup(rel, &unit) == 0)
		FUZZ_CHECK(strstr(rel, unit) && strchr(unit, '.') && !strchr(unit, '/'));
	if (unit_of_user_from_cgroup(rel, &user_unit) == 0)
		FUZZ_CHECK(unit && strstr(strstr(rel, unit), user_unit));
	(void)cgroup_path_normalize(tree, rel, &again);
	free(rel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int proc_fd = -1;
	char *rel;

	make_machine();
	fuzz_part_file(&input, "proc/self/mountinfo");
	fuzz_part_file(&input, "proc/self/cgroup");
	fuzz_part_file(&input, "proc/8/cgroup");
	path = fuzz_part(&input, NULL);
	fuzz_file("cg/cgroup.procs", input.at, input.left);
	if (cgroup_tree_new(&tree, fuzz_dir()))
		return 0;
	FUZZ_CHECK(cgroup_tree_version(tree) == 1 || cgroup_tree_version(tree) == 2);
	FUZZ_CHECK(cgroup_tree_mount(tree)[0] == '/');
	proc_fd = openat(fuzz_dir(), "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup_path_of_pid(tree, proc_fd, 8, &rel) == 0)
		check_rel(tree, rel);
	if (cgroup_path_normalize(tree, path, &rel) == 0)
		check_rel(tree, rel);
	return 0;
}
