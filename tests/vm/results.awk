# SPDX-License-Identifier: BSD-2-Clause
#
# The output of the live tests to "TEST RESULT SECONDS REASON", tab-separated, a line per test that
# has ended. RESULT is pass, fail or skip:FEATURE; a pass with a REASON is one at the second try, and
# says why the first failed. Last, if the runner came to its end, a line "Synthesis" with Criterion's
# own count of passes.
function result(name, text, seconds, reason) {
	if (!(name in row))
		names[++count] = name
	else if (text == "pass")
		reason = "second try; first: " why[name]
	why[name] = reason
	row[name] = name "\t" text "\t" seconds "\t" reason
}

{ gsub(/\033\[[0-9;]*m/, "") }

/^pass [a-z]+::/ { result($2, "pass", substr($3, 2), "") }

# skip suite::test: feature: reason
/^skip [a-z]+::/ {
	name = $2
	feature = $3
	sub(/:$/, "", name)
	sub(/:$/, "", feature)
	reason = $0
	sub(/^skip [^ ]* [^ ]* ?/, "", reason)
	gsub(/\t/, " ", reason)
	result(name, "skip:" feature, 0, reason)
}

# What was wrong comes before which test it was, between markers and empty lines.
/^\[----\] / {
	sub(/^\[----\] */, "")
	if ($0 != "" && $0 !~ /: Assertion Failed$/)
		message = message (message == "" ? "" : " ") $0
}
# [FAIL] suite::test: (0.88s), or CRASH!, or Timed out. (600.00s)
/^\[FAIL\] / {
	name = $2
	sub(/:$/, "", name)
	seconds = match($0, /\([0-9.]+s\)/) ? substr($0, RSTART + 1, RLENGTH - 3) : 0
	if ($0 ~ /CRASH|Timed out/)
		message = $3 (message == "" ? "" : ": ") message
	gsub(/\t/, " ", message)
	result(name, "fail", seconds, message)
	message = ""
}

/^\[====\] Synthesis: / {
	match($0, /Passing: [0-9]+/)
	passes += substr($0, RSTART + 9, RLENGTH - 9)
	ended = 1
}

END {
	for (n = 1; n <= count; n++)
		print row[names[n]]
	if (ended)
		print "Synthesis\t" passes
}
