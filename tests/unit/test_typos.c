/* SPDX-License-Identifier: BSD-2-Clause */
/* What people type who do not know the program yet, and what they are told. */
#include <criterion/criterion.h>

#include "base/util.h"
#include "unit/command_line.h"

Test(typos, are_told_with_what_was_meant)
{
	static const struct refused_line lines[] = {
		{COMMAND_WATCH,
		 {"--al"},
		 "unknown option '--al', did you mean --all? see apoptosis watch --help"},
		{COMMAND_WATCH,
		 {"--resevre=10%"},
		 "unknown option '--resevre=10%', did you mean --reserve? see apoptosis watch "
		 "--help"},
		{COMMAND_STATUS,
		 {"--jsno"},
		 "unknown option '--jsno', did you mean --json? see apoptosis status --help"},
		{COMMAND_WATCH,
		 {"--all", "--reserve", "40"},
		 "--reserve '40': a unit is missing (K, M, G or T; B for bytes); give a size such "
		 "as 64M, or a percent of the limit up to 100%"},
		{COMMAND_WATCH,
		 {"--all", "--reserve", "40  "},
		 "--reserve '40  ': a unit is missing (K, M, G or T; B for bytes); give a size "
		 "such "
		 "as 64M, or a percent of the limit up to 100%"},
		{COMMAND_WATCH,
		 {"--all", "--airbag", "1.5"},
		 "--airbag '1.5': a unit is missing (K, M, G or T; B for bytes); give a size such "
		 "as 128M, a percent of the limit up to 100%, auto or off"},
		{COMMAND_WATCH,
		 {"--all", "--airbag-max=512"},
		 "--airbag-max '512': a unit is missing (K, M, G or T; B for bytes); give a size "
		 "such as 512M, or a percent of the limit up to 100%"},
		{COMMAND_RUN,
		 {"--limit", "512", "--", "x"},
		 "--limit '512': a unit is missing (K, M, G or T; B for bytes); give a size such "
		 "as 256M"},
		{COMMAND_WATCH,
		 {"--all", "--signal", "TREM"},
		 "--signal 'TREM': did you mean TERM? give the name or number of a signal that a "
		 "process can handle, "
		 "such as TERM"},
		{COMMAND_WATCH,
		 {"--all", "--warn", "80%:sigusr"},
		 "--warn '80%:sigusr': did you mean USR1? give a percent of the limit below 100%, "
		 "with a signal or auto if wanted, such as 80%:USR1, or off"},
	};

	expect_refused(lines, ARRAY_SIZE(lines));
}

/* As the man page has it; what else is understood is in test_parse.c. */
Test(typos, a_size_may_have_a_blank_before_its_unit)
{
	cr_expect_eq(RUN("--limit", "512 MiB", "--", "x").limit_bytes, 512ULL << 20);
}

Test(typos, a_command_that_was_meant_is_known)
{
	cr_expect_str_eq(command_guess("runn"), "run");
	cr_expect_str_eq(command_guess("stat"), "status");
	cr_expect_str_eq(command_guess("wacth"), "watch");
	cr_expect_str_eq(command_guess("checkconfig"), "check-config");
	cr_expect_null(command_guess("ps"));
	cr_expect_null(command_guess(""));
}
