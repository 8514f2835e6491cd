/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/pod.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/util.h"

#define UID "2c48913c-b29f-11e7-9350-020968147796"
#define UID_OF_SLICE "2c48913c_b29f_11e7_9350_020968147796"
#define PODMAN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

Test(pod, cgroup_is_known_as_each_driver_names_it)
{
	static const struct {
		const char *path, *uid;
	} cases[] = {
		{"/kubepods/pod" UID, UID},
		{"/kubepods/burstable/pod" UID, UID},
		{"/kubepods/besteffort/pod4d9a2f7cd8a2b01c", "4d9a2f7cd8a2b01c"},
		{"/kubelet/kubepods/burstable/pod" UID, UID},
		{"/kubepods.slice/kubepods-pod" UID_OF_SLICE ".slice", UID},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_OF_SLICE
		 ".slice",
		 UID},
		{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_OF_SLICE ".slice",
		 UID},
		{"/my-pods.slice/my-pods-podx-pod" UID_OF_SLICE ".slice", UID},
		{"/machine.slice/machine-libpod_pod_" PODMAN ".slice", PODMAN},
		{"pod" UID, UID},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect(pod_is_at(cases[i].path, cases[i].uid), "%s", cases[i].path);
}

Test(pod, cgroups_of_others_and_of_its_containers_are_not_its_own)
{
	static const char *const paths[] = {
		"/",
		"",
		"/kubepods/burstable/pod" UID "/" PODMAN,
		"/kubepods/burstable/pod" UID "0",
		"/kubepods/burstable/xpod" UID,
		"/kubepods/burstable/" UID,
		"/kubepods.slice/kubepods-pod" UID ".slice",
		"/kubepods.slice/kubepods-pod" UID_OF_SLICE,
		"/kubepods.slice/kubepods-pod" UID_OF_SLICE "0.slice",
		"/kubepods.slice/kubepods-pod" UID_OF_SLICE ".slice/crio-" PODMAN ".scope",
		"/kubepods.slice/pod" UID_OF_SLICE ".slice",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		cr_expect_not(pod_is_at(paths[i], UID), "%s", paths[i]);
}

Test(pod, uid_is_no_path_and_no_pattern)
{
	static const char *const refused[] = {"",   "a/b", "..",  "a b",
					      "a*", "a_b", "a\n", PODMAN PODMAN "0"};
	static const char *const taken[] = {UID, PODMAN, PODMAN PODMAN, "A-1"};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		cr_expect_not(pod_uid_is_valid(refused[i]), "'%s'", refused[i]);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		cr_expect(pod_uid_is_valid(taken[i]), "'%s'", taken[i]);
}
