#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Runs the tests beside it, or the named ones, in a machine that has the module
# loaded and dstackd running.  Prints one flat KTAP: every claim of every test,
# then some of its own about the kernel.  Exits 0 if all hold.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
begin_mark="dstack selftests begin"
# Kernel messages that a test provokes; tests append patterns.
export EXPECTED_MESSAGES=/run/dstack-expected-messages
# What a busy host makes its emulated machine say, what follows a line that is
# limited, and what loading the module again says: TAINT_OOT_MODULE, _UNSIGNED_MODULE.
printf '%s\n' 'hrtimer: interrupt took [0-9]* ns' \
	': [0-9]* callbacks suppressed' \
	'workqueue: .* hogged CPU for ' \
	'loading out-of-tree module taints kernel' \
	'module verification failed' >"$EXPECTED_MESSAGES"
# ... and the bits of these two, and of TAINT_TEST, which backend sim sets.
taints=$((1 << 12 | 1 << 13 | 1 << 18))

# TIME_SCALE is how many times slower than others this machine is, 1 to 49:
# tests wait so much longer for what must happen, and may take so much longer.
export TIME_SCALE=${TIME_SCALE:-1}
# Longer than any test takes on a machine that is busy.
seconds=${TEST_SECONDS:-$((480 * TIME_SCALE))}

count=0
failed=0

usage() {
	echo "Usage: run.sh [NAME]..."
	echo "Runs every *_test and *_test.sh here, or these, with or without _test."
}

# result "ok"|"not ok" NAME
result() {
	count=$((count + 1))
	test "$1" = ok || failed=$((failed + 1))
	echo "$1 $count $2"
}

# list [NAME]...: fault_* need a machine that was told to fail, crowd_test and
# load_* take long, app_test, boot_test and booted_* leave a boot that was measured,
# of which there is one, and nothing runs after locked_test: they run by name only.
#
# The scripts need a machine as it came up.  agent_attack_test, flood_test, log_test
# and quota_test fill the log and come when few others have to read it.  unload_test takes the
# register for what the log says it is, which attack_register_test leaves untrue
# as long as the module stays.
late=(
	agent_attack_test.sh flood_test.sh unload_test.sh
	attack_register_test.sh log_test quota_test
)
list() {
	local test name
	for test in "$here"/*_test.sh "$here"/*_test; do
		name=${test##*/}
		[[ $name = *'*'* || " ${late[*]} " = *" $name "* ||
			($# = 0 && $name =~ ^(app|boot|booted|fault|crowd|load|locked)_) ]] || echo "$test"
	done
	for name in "${late[@]}"; do
		test ! -e "$here/$name" || echo "$here/$name"
	done
}

# flatten NAME: the results of one test in, renumbered results out.  A plan
# that was not kept is a failure of its own.
flatten() {
	local line planned='' seen=0
	while IFS= read -r line; do
		case $line in
		'ok '[0-9]* | 'not ok '[0-9]*)
			seen=$((seen + 1))
			if [[ $line =~ ^(not )?ok\ [0-9]+(\ -)?\ (.*)$ ]]; then
				result "${BASH_REMATCH[1]}ok" \
					"${BASH_REMATCH[3]#global.}"
			fi ;;
		1..[0-9]*)
			planned=${line#1..}
			if [[ $line =~ ^1\.\.0\ .*SKIP ]]; then
				result ok "$1 # SKIP ${line#*SKIP }"
				planned=0
			fi
			planned=${planned%% *} ;;
		# What the kernel's harness says about each test that passes.
		*'TAP version '* | '#  RUN '* | '#            OK '* | \
			'# Starting '* | '# PASSED: '* | '# Totals: '*) ;;
		'Bail out!'*)
			result 'not ok' "$1: $line" ;;
		'#'*)
			echo "$line" ;;
		*)
			echo "# $line" ;;
		esac
	done
	test "$planned" = "$seen" ||
		result 'not ok' "$1 ended after $seen of ${planned:-?} claims"
}

# Results are printed from here, not from a pipe, so that they are counted.
run_test() {
	local name=${1##*/} start=${EPOCHREALTIME/./}
	flatten "${name%.sh}" < <(timeout -k 5 "$seconds" "$1" 2>&1 </dev/null)
	echo "# ${name%.sh}: $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
}

# Warnings and worse since the beginning, less those that were expected.
messages() {
	dmesg --raw |
		sed "1,/$begin_mark/d" | grep '^<[0-4]>' |
		grep -vEf "$EXPECTED_MESSAGES"
}

check_dmesg() {
	local lines
	if ! dmesg | grep -q "$begin_mark"; then
		echo "# the kernel's buffer was too small to hold all messages"
		result 'not ok' dmesg_is_clean
		return
	fi
	lines=$(messages)
	if test -n "$lines"; then
		echo "# ${lines//$'\n'/$'\n'# }"
		result 'not ok' dmesg_is_clean
	else
		result ok dmesg_is_clean
	fi
}

# Where the kernel looks for memory that nobody knows any more.  It takes some
# time to be sure, and two looks.  Nobody may, once it is locked down.
check_leaks() {
	local file=/sys/kernel/debug/kmemleak found _
	test -w "$file" || return 0
	for _ in 1 2; do
		sleep 6
		{ echo scan >"$file"; } 2>/dev/null || {
			result ok "no_memory_is_lost # SKIP locked down"
			return
		}
	done
	found=$(cat "$file")
	if grep -q '\[dstack\]' <<<"$found"; then
		echo "# ${found//$'\n'/$'\n'# }"
		result 'not ok' no_memory_is_lost
	else
		result ok no_memory_is_lost
	fi
}

check_taint() {
	local bits
	bits=$(cat /proc/sys/kernel/tainted)
	if test $((bits & ~taints)) != 0; then
		echo "# /proc/sys/kernel/tainted is $bits"
		result 'not ok' taints_are_expected
	else
		result ok taints_are_expected
	fi
}

main() {
	local chosen=() test name
	for test in $(list "$@"); do
		test $# -gt 0 || chosen+=("$test")
		for name; do
			[[ ! ${test##*/} =~ ^"$name"(_test)?(\.sh)?$ ]] ||
				chosen+=("$test")
		done
	done
	if test "${#chosen[@]}" = 0 || test "${#chosen[@]}" -lt $#; then
		usage >&2
		exit 2
	fi
	echo "TAP version 13"
	echo "<6>$begin_mark" >/dev/kmsg
	for test in "${chosen[@]}"; do
		run_test "$test"
	done
	check_leaks
	check_dmesg
	check_taint
	echo "1..$count"
	test "$failed" = 0
}

main "$@"
