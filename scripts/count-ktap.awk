# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Counts the results in a log of KTAP: prints "not ok" and "skip" lines, then
# one line "passed failed skipped".
#
# A log may hold several plans one after the other, before or behind their
# results, and nested blocks, indented or behind "# ".  The result that sums up
# a nested block is not counted again.  What is missing counts as failed: a
# result that a plan announced, or the plan itself; so does "Bail out!".
#
# inner is 0 outside, 1 inside a nested block; seen[inner] and planned[inner]
# are -1 when there is no such block or plan.

function fail(what) {
	failed++
	print "not ok " what
}

function open_block(inner) {
	seen[inner] = 0
	planned[inner] = -1
}

function close_block(inner) {
	if (planned[inner] >= 0 && seen[inner] != planned[inner])
		fail("planned " planned[inner] " tests, saw " seen[inner])
	else if (planned[inner] < 0 && seen[inner] > 0)
		fail("no plan after " seen[inner] " tests: it died")
	seen[inner] = planned[inner] = -1
}

function plan(inner, text,    count, behind) {
	plans++
	count = substr(text, 4) + 0
	behind = planned[inner] < 0 && seen[inner] > 0
	if (!behind) {
		close_block(inner)
		open_block(inner)
	}
	planned[inner] = count
	if (behind || count == 0) {
		close_block(inner)
		open_block(inner)
	}
	if (count == 0 && text ~ /# *SKIP/) {
		skipped++
		print "skip " text
	} else if (count == 0) {
		fail("an empty plan")
	}
}

function result(inner, text,    bad, sums_up) {
	bad = text ~ /^not /
	sub(/^(not )?ok [0-9]+ *(- *)?/, "", text)
	sums_up = !inner && seen[1] >= 0
	if (sums_up)
		close_block(1)
	seen[inner]++
	if (sums_up) {
		if (bad && failed == failed_before)
			fail(text)
	} else if (text ~ /# *SKIP/) {
		skipped++
		print "skip " text
	} else if (bad) {
		fail(text)
	} else {
		passed++
	}
}

BEGIN {
	open_block(0)
	seen[1] = planned[1] = -1
}

{
	sub(/\r$/, "")
	match($0, /^[ #]*/)
	inner = RLENGTH > 0
	text = substr($0, RLENGTH + 1)
}

# Diagnostics are behind "# " as well: a nested block begins with its version.
text ~ /^K?TAP version [0-9]+$/ {
	close_block(inner)
	open_block(inner)
	if (inner)
		failed_before = failed
}

inner && seen[1] < 0 {
	next
}

text ~ /^1\.\.[0-9]+/ {
	plan(inner, text)
}

text ~ /^(not )?ok [0-9]+/ {
	result(inner, text)
}

text ~ /^Bail out!/ {
	fail(text)
}

END {
	close_block(1)
	close_block(0)
	if (!plans)
		fail("no plan")
	print passed + 0, failed + 0, skipped + 0
}
