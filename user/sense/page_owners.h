/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * To which cgroup the pages of a file on tmpfs are charged, by asking for some of them: the kernel tells it by page
 * frame (/proc/kpagecgroup), and frames are shown to who has CAP_SYS_ADMIN. No page is allocated or swapped in.
 */
#pragma once

struct page_owners;

/*
 * Of the cgroup whose directory that is, and all below it. -ENOENT: this kernel does not tell (CONFIG_MEMCG,
 * CONFIG_PROC_PAGE_MONITOR); -EPERM: not to us; -EINVAL: it cannot map pages without a risk (before 5.14).
 */
int page_owners_new(struct page_owners **ret, int proc_fd, int cgroup_dirfd);
/* Takes NULL. Returns NULL. */
struct page_owners *page_owners_free(struct page_owners *owners);

/* 0 to 1: the share of the pages of a file, by a path descriptor, that is charged to them. */
double page_owners_share(const struct page_owners *owners, int path_fd);
