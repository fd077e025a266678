# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# KTAP for shell scripts that check many small claims: source this, state the
# claims, end with ktap_finish.

ktap_count=0
ktap_failed=0

ktap_start() {
	echo "TAP version 13"
}

# claim NAME COMMAND...: the claim holds if the command succeeds; what it
# printed is shown only if it does not.  Under "set -e" a function stops at its
# first command that fails, provided that claim is not called in a condition.
# Exit status 4 skips: the last line of the output is the reason.
claim() {
	local name=$1 output status strict=
	shift
	case $- in
	*e*)
		strict=yes ;;
	esac
	set +e
	output=$(test -z "$strict" || set -e; "$@" 2>&1)
	status=$?
	test -z "$strict" || set -e
	ktap_count=$((ktap_count + 1))
	case $status in
	0)
		echo "ok $ktap_count - $name" ;;
	4)
		echo "ok $ktap_count - $name # SKIP $(tail -n 1 <<<"$output")" ;;
	*)
		ktap_failed=$((ktap_failed + 1))
		test -z "$output" || echo "# ${output//$'\n'/$'\n'# }"
		echo "not ok $ktap_count - $name" ;;
	esac
}

# Succeeds if no line of the input matches the pattern, else shows those lines.
no_line() {
	local status=0
	grep -E "$1" || status=$?
	test "$status" = 1
}

# The lines of the input that do not match the pattern, if any.
without() {
	grep -vE "$1" || true
}

ktap_finish() {
	echo "1..$ktap_count"
	test "$ktap_failed" = 0
}
