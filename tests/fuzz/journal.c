/* SPDX-License-Identifier: BSD-2-Clause */
/* A record of a raised limit, in its file and on the directory of the cgroup. */
#include "rescue/journal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "fuzz/fuzz.h"

static void take_back(const struct journal_entry *entry)
{
	struct cgroup_limits now = entry->raised;

	FUZZ_CHECK(journal_take_back(entry, &now));
	FUZZ_CHECK(memcmp(&now, &entry->before, sizeof(now)) == 0);
}

static void keep(const struct journal_entry *entry, void *userdata)
{
	*(struct journal_entry *)userdata = *entry;
	take_back(entry);
}

/* What was understood is what we write. */
static void check_file(const char *name, const uint8_t *data, size_t size)
{
	struct journal_entry entry = {.owner = 0};
	_cleanup_free_ char *text = NULL;
	bool known = false;

	fuzz_file(name, data, size);
	FUZZ_CHECK(journal_each(fuzz_dir(), keep, &entry) == 0);
	known = entry.cgroup_id || entry.owner || entry.since_ns;
	if (known) {
		FUZZ_CHECK(journal_write(fuzz_dir(), &entry, true) == 0);
		FUZZ_CHECK(file_read(fuzz_dir(), name, &text, NULL) == 0);
		FUZZ_CHECK(strncmp(text, (const char *)data, strnlen((const char *)data, size)) ==
			   0);
	}
	unlinkat(fuzz_dir(), name, 0);
}

/* Only CAP_SYS_ADMIN may write such an attribute. */
static void check_mark(const uint8_t *data, size_t size)
{
	struct journal_entry entry;

	if (fsetxattr(fuzz_dir(), "trusted.apoptosis.loan", data, size, 0))
		return;
	if (journal_marked(fuzz_dir(), &entry) == 0)
		take_back(&entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	uint64_t id = strncmp(text, "limit ", 6) == 0 ? strtoull(text + 6, NULL, 10) : 0;
	char name[32];

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(name, sizeof(name), "limit-%016" PRIx64, id);
	check_file(name, data, size);
	check_mark(data, size);
	return 0;
}
