/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/unit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define USER "/user.slice/user-1000.slice/user@1000.service"

/* unit, user_unit: NULL where the path shows none. */
static void expect(const char *path, const char *unit, const char *user_unit)
{
	_cleanup_free_ char *own = NULL, *of_user = NULL;

	cr_expect_eq(unit_from_cgroup(path, &own), unit ? 0 : -ENOENT, "%s", path);
	cr_expect_eq(unit_of_user_from_cgroup(path, &of_user), user_unit ? 0 : -ENOENT, "%s", path);
	cr_expect(!unit == !own && (!unit || strcmp(unit, own) == 0), "%s: %s", path, own ?: "-");
	cr_expect(!user_unit == !of_user && (!user_unit || strcmp(user_unit, of_user) == 0),
		  "%s: %s", path, of_user ?: "-");
}

Test(unit, first_component_that_is_no_slice_names_it)
{
	static const struct {
		const char *path, *unit;
	} rows[] = {
		{"/system.slice/nginx.service", "nginx.service"},
		{"/system.slice/nginx.service/", "nginx.service"},
		{"//system.slice//nginx.service//a", "nginx.service"},
		{"system.slice/nginx.service", "nginx.service"},
		{"/nginx.service", "nginx.service"},
		{"/init.scope", "init.scope"},
		{"/system.slice/system-getty.slice/getty@tty1.service/sub", "getty@tty1.service"},
		{"/system.slice/a@b@c.service", "a@b@c.service"},
		{"/system.slice/dbus.socket", "dbus.socket"},
		{"/system.slice/dev-disk-by\\x2did.swap", "dev-disk-by\\x2did.swap"},
		{"/system.slice/org.example.app.service", "org.example.app.service"},
		{"/system.slice/_memory.service", "memory.service"},
		{"/_system.slice/__a.service", "_a.service"},
		{"/system.slice/docker-" ID ".scope", "docker-" ID ".scope"},
		{"/system.slice/docker-" ID ".scope/system.slice/nginx.service",
		 "docker-" ID ".scope"},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/"
		 "cri-containerd-" ID ".scope",
		 "cri-containerd-" ID ".scope"},
		{"/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope"},
		{"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID,
		 "containerd.service"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect(rows[i].path, rows[i].unit, NULL);
}

Test(unit, below_the_manager_of_a_user_there_are_two)
{
	static const struct {
		const char *path, *unit, *user_unit;
	} rows[] = {
		{USER "/app.slice/foo.service", "user@1000.service", "foo.service"},
		{USER "/app.slice/app-a.slice/app-a@1.service/x", "user@1000.service",
		 "app-a@1.service"},
		{USER "/init.scope", "user@1000.service", "init.scope"},
		{USER "/user.slice/libpod-" ID ".scope", "user@1000.service",
		 "libpod-" ID ".scope"},
		{USER "/app.slice/_cpu.service", "user@1000.service", "cpu.service"},
		{USER, "user@1000.service", NULL},
		{USER "/app.slice", "user@1000.service", NULL},
		{"/user.slice/user-0.slice/session-c2.scope/foo.service", "session-c2.scope",
		 "foo.service"},
		{"/user.slice/user-0.slice/session-2.scope", "session-2.scope", NULL},
		{"/capsule.slice/capsule@one.service/app.slice/foo.service", "capsule@one.service",
		 "foo.service"},
		{"/system.slice/user@joe.service/foo.service", "user@joe.service", NULL},
		{"/system.slice/session-.scope/foo.service", "session-.scope", NULL},
		{"/system.slice/a.service" USER "/foo.service", "a.service", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect(rows[i].path, rows[i].unit, rows[i].user_unit);
}

Test(unit, other_paths_show_none)
{
	static const char *const paths[] = {
		"",
		"/",
		"/..",
		"/../system.slice/a.service",
		"/docker/" ID,
		"/docker/" ID "/system.slice/nginx.service",
		"/kubepods/burstable/pod1/" ID,
		"/system.slice",
		"/system.slice/system-getty.slice/",
		"/system.slice/nginx",
		"/system.slice/nginx.services",
		"/system.slice/nginx.service.d",
		"/system.slice/.service",
		"/system.slice/_.service",
		"/system.slice/@a.service",
		"/system.slice/a@.service",
		"/system.slice/a b.service",
		"/system.slice/a\nb.service",
		"/system.slice/\xc3\xa4.service",
		"/a@b.slice/nginx.service",
		"/_",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		expect(paths[i], NULL, NULL);
}

Test(unit, name_has_at_most_255_bytes)
{
	char path[400], *name = path + 1;

	path[0] = '/';
	memset(name, 'a', 256);
	strcpy(name + 247, ".service");
	expect(path, name, NULL);
	strcpy(name + 247, "a.service");
	expect(path, NULL, NULL);
}

Test(unit, only_a_service_is_one)
{
	cr_expect(unit_is_service("getty@tty1.service"));
	cr_expect_not(unit_is_service("docker-0123.scope"));
	cr_expect_not(unit_is_service(".service"));
	cr_expect_not(unit_is_service("service"));
}
