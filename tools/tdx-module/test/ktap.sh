# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Copyright (C) The dstack for Linux authors
#
# Results in KTAP, for the scripts beside this one.

count=0
failed=0
skipped=0

# result "ok"|"not ok"|"skip" CLAIM
result() {
	count=$((count + 1))
	case $1 in
	ok)
		echo "ok $count - $2" ;;
	skip)
		skipped=$((skipped + 1))
		echo "ok $count - $2 # SKIP" ;;
	*)
		failed=$((failed + 1))
		echo "not ok $count - $2" ;;
	esac
}

# claim NAME COMMAND...: the claim holds if the command succeeds
claim() {
	local name=$1
	shift
	if "$@"; then result ok "$name"; else result "not ok" "$name"; fi
}

same() {
	test -n "$1" && test "$1" = "$2"
}

differ() {
	test -n "$1" && test -n "$2" && test "$1" != "$2"
}

# summary NAME: the plan and a plain line; fails if a claim did
summary() {
	echo "1..$count"
	echo "# $1: $((count - failed - skipped)) passed, $failed failed, $skipped skipped"
	test "$failed" = 0
}
