// SPDX-License-Identifier: BSD-2-Clause
#include "engine/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <seccomp.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

/* docs/security.md says what for. */
static const int kept[] = {
	CAP_BPF,
	CAP_PERFMON,
	CAP_SYS_ADMIN, /* before 5.8 in place of these; loans on record at their cgroup; whose pages are */
	CAP_SYS_RESOURCE,
	CAP_SYS_NICE,
	CAP_IPC_LOCK,
	CAP_KILL,
	CAP_SYS_PTRACE,
	CAP_DAC_READ_SEARCH,
	CAP_DAC_OVERRIDE,
	CAP_SYSLOG,
	CAP_SETUID,
	CAP_SETGID,
	CAP_CHECKPOINT_RESTORE,
	CAP_NET_BIND_SERVICE, /* metrics-listen */
};

/* As a filter of systemd's @system-service leaves out, too. */
static const char *const refused[] = {
	/* another process from within */
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"userfaultfd",
	"perf_event_open",
	/* mounts and namespaces */
	"mount",
	"umount",
	"umount2",
	"move_mount",
	"mount_setattr",
	"open_tree",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"pivot_root",
	"chroot",
	"setns",
	"unshare",
	/* the machine */
	"init_module",
	"finit_module",
	"delete_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"swapon",
	"swapoff",
	"acct",
	"quotactl",
	"quotactl_fd",
	"iopl",
	"ioperm",
	"settimeofday",
	"clock_settime",
	"clock_adjtime",
	"adjtimex",
	"sethostname",
	"setdomainname",
	"syslog",
	"vhangup",
	/* keys */
	"add_key",
	"request_key",
	"keyctl",
};

static bool is_kept(int capability)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (kept[i] == capability)
			return true;
	return false;
}

/* The bounding set first, which takes CAP_SETPCAP. */
static int drop_capabilities(void)
{
	bool may_bound;

	if (capng_get_caps_process())
		return -EIO;
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		if (!is_kept(i))
			capng_update(CAPNG_DROP,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE |
					     CAPNG_BOUNDING_SET,
				     (unsigned int)i);
	if (may_bound && capng_apply(CAPNG_SELECT_BOUNDS))
		return -EPERM;
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

static int refuse_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(refused) && !r; i++) {
		int call = seccomp_syscall_resolve_name(refused[i]);

		/* One that this machine does not have cannot be made. */
		if (call >= 0)
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
	}
	r = r ?: seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

void confine_process(void)
{
	int r = drop_capabilities();

	if (r)
		log_warn("capabilities that are not needed are kept: %s, ignoring", strerror(-r));
	r = refuse_calls();
	if (r)
		log_warn("system calls that are not needed stay allowed: %s, ignoring",
			 strerror(-r));
}
