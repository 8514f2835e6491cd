/* SPDX-License-Identifier: BSD-2-Clause */
#include "sinks/journald.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/util.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *entry_of(const struct incident *incident)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_not_null(file);
	journald_print(file, incident, "saved server[7]");
	fclose(file);
	return text;
}

static void expect_owner(const struct incident *incident, const char *fields)
{
	_cleanup_free_ char *text = entry_of(incident);
	const char *owner = strstr(text, "\nAPOPTOSIS_COMM=server\n");

	cr_assert_not_null(owner, "%s", text);
	cr_expect_str_eq(owner + strlen("\nAPOPTOSIS_COMM=server\n"), fields, "%s", text);
}

Test(journald, an_entry_is_exactly_this)
{
	const struct incident incident = {
		.id = 0xab12,
		.verdict = VERDICT_TOO_LATE,
		.need_bytes = 100,
		.limit_bytes = 200,
		.grower = {.pid = 7,
			   .comm = "a\nb",
			   .cgroup = "/system.slice/a.service",
			   .container_id = ID,
			   .unit = "a.service"},
	};
	_cleanup_free_ char *text = entry_of(&incident);

	cr_expect_str_eq(text,
			 "MESSAGE=saved server[7]\n"
			 "MESSAGE_ID=5b1c7d0f2e8a4c6b9a3d74e0c2f15e86\n"
			 "PRIORITY=3\n"
			 "SYSLOG_IDENTIFIER=apoptosis\n"
			 "APOPTOSIS_ID=000000000000ab12\n"
			 "APOPTOSIS_VERDICT=too late\n"
			 "APOPTOSIS_PID=7\n"
			 "APOPTOSIS_NEED_BYTES=100\n"
			 "APOPTOSIS_LIMIT_BYTES=200\n"
			 "APOPTOSIS_COMM=a\\nb\n"
			 "APOPTOSIS_CGROUP=/system.slice/a.service\n"
			 "APOPTOSIS_CONTAINER_ID=" ID "\n"
			 "OBJECT_SYSTEMD_UNIT=a.service\n"
			 "CONTAINER_ID=0123456789ab\n",
			 "%s", text);
}

Test(journald, the_owner_is_that_of_the_target)
{
	struct incident incident = {
		.grower = {.pid = 7, .comm = "server", .unit = "user@1.service"},
		.target = {.pid = 8, .unit = "b.service"},
	};

	expect_owner(&incident, "OBJECT_SYSTEMD_UNIT=b.service\n");
	incident.target.unit = NULL;
	expect_owner(&incident, "");
	incident.target.pid = 0; /* a kill without a trip */
	incident.grower.user_unit = "c.service";
	expect_owner(&incident, "OBJECT_SYSTEMD_UNIT=user@1.service\n"
				"OBJECT_SYSTEMD_USER_UNIT=c.service\n");
}
