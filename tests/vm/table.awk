# SPDX-License-Identifier: BSD-2-Clause
#
# matrix.tsv to a table of tests and boots, a line for each boot, and what did not pass at once.
NR == 1 { next }

!($1 in width) {
	boots[++boot_count] = $1
	width[$1] = length($1)
}
$6 == "(boot)" {
	release[$1] = $2
	seconds[$1] = $8
}
{
	if (!($6 in known)) {
		known[$6] = 1
		tests[++test_count] = $6
	}
	if (length($6) > test_width)
		test_width = length($6)
	result[$6, $1] = $7
	if (length($7) > width[$1])
		width[$1] = length($7)
	if ($7 !~ /^skip/ && $9 != "")
		notes = notes sprintf("  %s: %s: %s: %s\n", $1, $6, $7, substr($9, 1, 300))
	count[$1, substr($7, 1, 4)] += $6 != "(boot)" || $7 == "fail"
}

function cell(text, size) { printf "  %-" size "s", text }

END {
	cell("", test_width)
	for (b = 1; b <= boot_count; b++)
		cell(boots[b], width[boots[b]])
	print ""
	for (t = 1; t <= test_count; t++) {
		cell(tests[t], test_width)
		for (b = 1; b <= boot_count; b++)
			cell((tests[t], boots[b]) in result ? result[tests[t], boots[b]] : "-",
			     width[boots[b]])
		print ""
	}
	print ""
	summary = "  %-18s %-34s %8s %8s %8s %8s\n"
	printf summary, "boot", "kernel", "passed", "failed", "skipped", "seconds"
	for (b = 1; b <= boot_count; b++)
		printf summary, boots[b], release[boots[b]], count[boots[b], "pass"] + 0,
			count[boots[b], "fail"] + 0, count[boots[b], "skip"] + 0, seconds[boots[b]]
	if (notes != "")
		printf "\n%s", notes
}
