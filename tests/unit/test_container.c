/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/container.h"
#include "core/container_id.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

Test(container, what_has_no_id_has_a_name)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{"/lxc.payload.web", "web"},
		{"/lxc.payload.web/system.slice/nginx.service", "web"},
		{"/lxc/web-1/init.scope", "web-1"},
		{"/machine.slice/systemd-nspawn@build.service/payload/system.slice/cron.service",
		 "build"},
		{"/machine.slice/machine-ci\\x2drunner.scope/payload", "ci-runner"},
		{"/machine.slice/machine-a\\x2fb.scope", "a\\x2fb"},
		{"/lxc.payload.outer/lxc.payload.inner",
		 "outer"}, /* who is in there could call it so */
		{"/lxc.payload.web/system.slice/docker-" ID ".scope", ID},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *id = NULL;

		cr_assert_eq(container_id_from_cgroup(cases[i].path, &id), 0, "%s", cases[i].path);
		cr_expect_str_eq(id, cases[i].name, "%s", cases[i].path);
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
		"/lxc.monitor.web",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/machine-web.scope",
		"/user.slice/user-1000.slice/session-1.scope/lxc.payload.web",
		"/system.slice/web.service/lxc/web",
		"/machine.slice/libpod-1.scope/machine-web.scope",
		"/lxc/..",
		"/machine.slice/machine-\\x2e\\x2e.scope",
		"/lxc.payload.",
		"/lxc",
		"/machine.slice/machine-qemu\\x2d1\\x2ddb.scope/libvirt/emulator",
		"/machine.slice",
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

/* --- what it is called --------------------------------------------------------------------- */

TestSuite(container_facts, .init = fixture_make, .fini = fixture_remove);

#define CONTAINERD(space) \
	"run/containerd/io.containerd.runtime.v2.task/" space "/" ID "/config.json"

static void expect_text(const char *what, const char *text, const char *expected)
{
	cr_expect(!text == !expected, "%s: %s", what, text);
	if (text && expected)
		cr_expect_str_eq(text, expected, "%s", what);
}

/* As the runtimes write them, but for what is not read. */
Test(container_facts, are_what_its_runtime_keeps)
{
	static const struct {
		const char *file, *text;
		const char *name, *pod, *pod_namespace, *label, *variable, *guard;
	} cases[] = {
		{DOCKER,
		 "{\"Name\":\"/web\",\"Config\":{\"Labels\":{\"app\":\"shop\",\"apoptosis.guard\":"
		 "\"gentle\"},\"Env\":[\"A=1\",\"APOPTOSIS_GUARD=off\"]}}",
		 "web", NULL, NULL, "app=shop", "off", "gentle"},
		{CONTAINERD("k8s.io"),
		 "{\"process\":{\"env\":[\"APOPTOSIS_GUARDS=no\",\"APOPTOSIS_GUARD=\"]},"
		 "\"annotations\":{\"io.kubernetes.cri.container-name\":\"nginx\","
		 "\"io.kubernetes.cri.sandbox-name\":\"web-1\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"shop\"}}",
		 "nginx", "web-1", "shop", "io.kubernetes.cri.sandbox-name=web-1", "", NULL},
		{OCI("var/lib/containers"),
		 "{\"annotations\":{\"io.kubernetes.cri-o.Labels\":\"{\\\"io.kubernetes.pod."
		 "name\\\":"
		 "\\\"web-2\\\",\\\"io.kubernetes.pod.namespace\\\":\\\"shop\\\","
		 "\\\"io.kubernetes.container.name\\\":\\\"nginx\\\"}\","
		 "\"io.kubernetes.cri-o.Annotations\":\"{\\\"apoptosis.guard\\\":\\\"gentle\\\"}\"}"
		 "}",
		 "nginx", "web-2", "shop", "io.kubernetes.pod.name=web-2", NULL, "gentle"},
		{DOCKER, "{\"Name\":3,\"Config\":{\"Labels\":[],\"Env\":{}}}", NULL, NULL, NULL,
		 NULL, NULL, NULL},
		{DOCKER, "[]", NULL, NULL, NULL, NULL, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container container;
		bool has_label = !cases[i].label;

		fixture_file(cases[i].file, cases[i].text);
		cr_assert_eq(container_read(fixture_root(), ID, &container), 0, "%s",
			     cases[i].text);
		expect_text("name", container.name, cases[i].name);
		expect_text("pod", container.pod, cases[i].pod);
		expect_text("namespace", container.pod_namespace, cases[i].pod_namespace);
		expect_text("variable", container.guard_variable, cases[i].variable);
		expect_text("guard", container.guard_label, cases[i].guard);
		for (size_t j = 0; j < container.label_count; j++)
			has_label |= cases[i].label && !strcmp(container.labels[j], cases[i].label);
		cr_expect(has_label, "no %s", cases[i].label);
		container_clear(&container);
		cr_expect_eq(container_read(fixture_root(), OTHER, &container), -ENOENT);
		fixture_remove();
		fixture_make();
	}
}

/* Podman has names in a list of all, and no words for who made them. */
Test(container_facts, name_is_in_a_list)
{
	struct container container;

	fixture_file(OCI("var/lib/containers"), "{\"annotations\":{}}");
	fixture_file("var/lib/containers/storage/overlay-containers/containers.json",
		     "[{\"id\":\"" OTHER "\",\"names\":[\"db\"]},{\"id\":\"" ID
		     "\",\"names\":[\"web\"]},3]");
	cr_assert_eq(container_read(fixture_root(), ID, &container), 0);
	expect_text("name", container.name, "web");
	container_clear(&container);
}

Test(container_facts, many_and_long_labels_are_left_out)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	struct container container;

	fprintf(file, "{\"Config\":{\"Labels\":{\"long\":\"%01000d\"", 0);
	for (int i = 0; i < 1000; i++)
		fprintf(file, ",\"l%d\":\"x\"", i);
	fprintf(file, "}}}");
	cr_assert_eq(fclose(file), 0);
	fixture_file(DOCKER, text);
	free(text);
	cr_assert_eq(container_read(fixture_root(), ID, &container), 0);
	cr_expect_eq(container.label_count, CONTAINER_LABELS_MAX);
	for (size_t i = 0; i < container.label_count; i++)
		cr_expect(container.labels[i][0] == 'l' && strlen(container.labels[i]) < 10);
	container_clear(&container);
	cr_expect_eq(container.label_count, 0);
}
