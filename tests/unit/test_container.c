/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/container.h"
#include "core/container_id.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>

#include "base/util.h"
#include "unit/fixture.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

Test(container, id_is_found_in_the_known_forms)
{
	static const char *const paths[] = {
		"/docker/" ID,
		"/system.slice/docker-" ID ".scope",
		"/docker/" ID "/init.scope",
		"/kubepods/burstable/pod2c48913c-b29f-11e7-9350-020968147796/" ID,
		"/kubepods.slice/kubepods-burstable.slice/"
		"kubepods-burstable-pod2c48913c_b29f.slice/"
		"cri-containerd-" ID ".scope",
		"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/crio-" ID
		".scope",
		"/machine.slice/libpod-" ID ".scope/container",
		"/libpod_parent/libpod-" ID,
		"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope",
		"/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:" ID,
		"/k8s.io/" ID,
		"/system.slice/nerdctl-" ID ".scope",
		"/system.slice/crun-" ID ".scope",
		"docker/" ID "/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_free_ char *id = NULL;

		cr_assert_eq(container_id_from_cgroup(paths[i], &id), 0, "%s", paths[i]);
		cr_expect_str_eq(id, ID, "%s", paths[i]);
	}
}

Test(container, innermost_container_wins)
{
	_cleanup_free_ char *id = NULL;

	cr_assert_eq(container_id_from_cgroup(
			     "/docker/" OTHER "/system.slice/docker-" ID ".scope/sub", &id),
		     0);
	cr_expect_str_eq(id, ID);
}

Test(container, other_paths_show_none)
{
	static const char *const paths[] = {
		"",
		"/",
		"/system.slice/nginx.service",
		"/user.slice/user-1000.slice/engine-2.scope",
		"/machine.slice/libpod-conmon-" ID ".scope",
		"/kubepods.slice/crio-conmon-" ID ".scope",
		"/docker/0123456789ab",
		"/docker/" ID "0",
		"/docker/x" ID,
		"/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		"/docker-" ID ".scope.d",
		"/evil:" ID,
		"/.scope",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char *id = NULL;

		cr_expect_eq(container_id_from_cgroup(paths[i], &id), -ENOENT, "%s", paths[i]);
		cr_expect_null(id, "%s", paths[i]);
	}
}

TestSuite(container_signal, .init = fixture_make, .fini = fixture_remove);

#define DOCKER "var/lib/docker/containers/" ID "/config.v2.json"
#define OCI(storage) storage "/storage/overlay-containers/" ID "/userdata/config.json"
#define ANNOTATED(signal) \
	"{\"annotations\":{\"org.opencontainers.image.stopSignal\":\"" signal "\"},\"hooks\":{}}"

/* As the runtimes write them, but for what is not read. */
Test(container_signal, is_what_its_runtime_keeps)
{
	static const struct {
		const char *file, *text;
		int signal; /* 0: none is known */
	} cases[] = {
		{DOCKER, "{\"ID\":\"" ID "\",\"Config\":{\"StopSignal\":\"SIGQUIT\"}}", SIGQUIT},
		{DOCKER, "{\"Config\":{\"StopSignal\":\"SIGRTMIN+3\"}}", 37},
		{DOCKER, "{\"Config\":{\"StopSignal\":\"SIGTERM\"}}", 0},
		{DOCKER, "{\"Config\":{\"StopSignal\":\"SIGKILL\"}}", 0},
		{DOCKER, "{\"Config\":{\"StopSignal\":\"\"}}", 0},
		{DOCKER, "{\"Config\":{\"StopSignal\":3}}", 0},
		{DOCKER, "{\"Config\":{}}", 0},
		{DOCKER, "{", 0},
		{OCI("var/lib/containers"), ANNOTATED("3"), SIGQUIT},
		{OCI("var/lib/containers"), ANNOTATED("15"), 0},
		{OCI("run/containers"), ANNOTATED("SIGWINCH"), SIGWINCH},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int signal = 0, r;

		fixture_file(cases[i].file, cases[i].text);
		r = container_stop_signal(fixture_root(), ID, &signal);
		cr_expect_eq(r, cases[i].signal ? 0 : -ENOENT, "%s: %d", cases[i].text, r);
		if (cases[i].signal)
			cr_expect_eq(signal, cases[i].signal, "%s: %d", cases[i].text, signal);
		cr_expect_eq(container_stop_signal(fixture_root(), OTHER, &signal), -ENOENT);
		fixture_remove();
		fixture_make();
	}
}
