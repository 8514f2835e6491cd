/* SPDX-License-Identifier: BSD-2-Clause */
/* A record of a raised limit, in its file and on the directory of the cgroup. */
#include "rescue/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "fuzz/fuzz.h"

#define MARK "trusted.apoptosis.loan"

static void take_back(const struct journal_entry *entry)
{
	struct cgroup_limits now = entry->raised, wanted = entry->before;

	wanted.memsw_bytes =
		MAX(wanted.memsw_bytes, wanted.memory_bytes); /* what the kernel takes */
	FUZZ_CHECK(journal_take_back(entry, &now));
	FUZZ_CHECK(memcmp(&now, &wanted, sizeof(now)) == 0);
}

static bool is_same(const struct journal_entry *a, const struct journal_entry *b)
{
	return a->cgroup_id == b->cgroup_id && a->since_ns == b->since_ns && a->owner == b->owner &&
	       memcmp(&a->before, &b->before, sizeof(a->before)) == 0 &&
	       memcmp(&a->raised, &b->raised, sizeof(a->raised)) == 0 &&
	       memcmp(&a->raised_last, &b->raised_last, sizeof(a->raised_last)) == 0;
}

/* What was understood is written so that it is understood again. The cgroup is the directory, too. */
static void check(const char *name, uint64_t id)
{
	struct journal_entry entry = {0}, again = {0};

	if (journal_read(fuzz_dir(), fuzz_dir(), id, &entry))
		return;
	take_back(&entry);
	unlinkat(fuzz_dir(), name, 0);
	FUZZ_CHECK(journal_write(fuzz_dir(), fuzz_dir(), &entry) == 0);
	FUZZ_CHECK(journal_read(fuzz_dir(), fuzz_dir(), id, &again) == 0);
	FUZZ_CHECK(is_same(&entry, &again));
	journal_remove(fuzz_dir(), fuzz_dir(), id);
	FUZZ_CHECK(journal_read(fuzz_dir(), fuzz_dir(), id, &again) == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	uint64_t id = strncmp(text, "limit ", 6) == 0 ? strtoull(text + 6, NULL, 10) : 0;
	char name[32];

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(name, sizeof(name), "limit-%016" PRIx64, id);
	fuzz_file(name, data, size);
	check(name, id);
	/* Only CAP_SYS_ADMIN may write such an attribute. */
	if (!fsetxattr(fuzz_dir(), MARK, data, size, 0))
		check(name, id);
	journal_remove(fuzz_dir(), fuzz_dir(), id);
	return 0;
}
