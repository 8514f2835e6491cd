/* SPDX-License-Identifier: BSD-2-Clause */
/* An incident that an earlier instance has left open, and what becomes of it in a report. */
#include "engine/handover.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "fuzz/fuzz.h"
#include "output/event.h"
#include "output/incident_json.h"
#include "output/report.h"

static struct handover *handover;
static char name[32];

static void check_report(const struct incident *incident)
{
	json_t *document = incident_json(incident, event_name(incident));
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	FUZZ_CHECK(document && file);
	FUZZ_CHECK(report_text(file, document, &(struct terminal){}) == 0);
	fclose(file);
	FUZZ_CHECK(fuzz_is_printable(text, true));
	json_decref(document);
}

/* Written again it is what it was, but for who wrote it. */
static void check_written(const struct handover_entry *entry, const char *before)
{
	const char *numbers = strstr(before, " limit_cgroup"),
		   *names = strstr(before, " grower.comm");
	_cleanup_free_ char *after = NULL;

	handover_write(handover, entry);
	FUZZ_CHECK(file_read(fuzz_dir(), name, &after, NULL) == 0);
	FUZZ_CHECK(strncmp(numbers, strstr(after, " limit_cgroup"), (size_t)(names - numbers)) ==
		   0);
	handover_remove(handover, entry->incident->id);
}

static void take(const struct handover_entry *entry, void *userdata)
{
	check_report(entry->incident);
	check_written(entry, userdata);
	incident_free(entry->incident);
}

static void set_up(void)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	log_set_level(LOG_LEVEL_ERROR);
	setenv("RUNTIME_DIRECTORY", fuzz_dir_path(), 1);
	FUZZ_CHECK(proc_fd >= 0 && handover_new(&handover, proc_fd) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	uint64_t id = strncmp(text, "trip ", 5) == 0 ? strtoull(text + 5, NULL, 10) : 0;

	if (!handover)
		set_up();
	snprintf(name, sizeof(name), "trip-%016" PRIx64, id);
	fuzz_file(name, data, size);
	handover_take(handover, take, text);
	unlinkat(fuzz_dir(), name, 0);
	return 0;
}
