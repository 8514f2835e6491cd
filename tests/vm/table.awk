# SPDX-License-Identifier: BSD-2-Clause
#
# matrix.tsv to a table of tests and boots, a line for each boot, and what did not pass at once.
NR == 1 { next }

!($1 in width) {
	boots[++boot_count] = $1
	width[$1] = length($1)
}
$5 == "(boot)" {
	release[$1] = $2
	seconds[$1] = $7
}
{
	if (!($5 in known)) {
		known[$5] = 1
		tests[++test_count] = $5
	}
	if (length($5) > test_width)
		test_width = length($5)
	result[$5, $1] = $6
	if (length($6) > width[$1])
		width[$1] = length($6)
	if ($6 !~ /^skip/ && $8 != "")
		notes = notes sprintf("  %s: %s: %s: %s\n", $1, $5, $6, substr($8, 1, 300))
	count[$1, substr($6, 1, 4)] += $5 != "(boot)" || $6 == "fail"
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
