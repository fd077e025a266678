#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 46: a container tries to run many files, no two of which are the same.
# Each is denied, or in MEASURE recorded, and each new one makes a record; when
# it has made as many as it may, the log says how many more there were, and
# other containers and what is approved go on.  DISTINCT=1000000 is as many as
# the attack names; else it ends soon after the quota does.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_quota
burst=16384	# as kmod/bounds.h has them
rate=64
most=${DISTINCT:-60000}
batch=4000
good=$work/good
variant "$good"
policy "$good"
container
other=$cgroup.other
mkdir "$other"
dstackctl container add --cgroup "$other" --id "$id.other" --section test \
	--app-id "$app_id" || die "can't add a container"
fs tmpfs "$work/fs"

# try FIRST COUNT: what became of them.
try() {
	"$tests/prog_distinct" -c "$cgroup" "$work/fs/file" "$1" "$2" |
		paste -sd ' '
}

run_in_other() {
	"$tests/prog_run" -c "$other" "$good" 2>&1 </dev/null
}

of_container() {
	dstackctl container list --json | jq -r --arg id "$1" \
		".[] | select(.id == \$id) | .$2"
}

between() {
	if test "$1" -lt "$2" || test "$1" -gt "$3"; then
		echo "$1 is not from $2 to $3"
		return 1
	fi
}

#
# In enforce: denials
#

state enforce
mark
start=$SECONDS
: >"$work/came"
for ((total = 0; total < most; total += batch)); do
	try "$total" "$batch" >>"$work/came"
	test -n "${DISTINCT-}" || test "$(of_container "$id" refused)" = 0 ||
		most=0
done
came=$(awk '{ sum[$1] += $2 } END { for (i in sum) print i, sum[i] }' \
	"$work/came")
seconds=$((SECONDS - start + 2))
settle
dstackctl log --from "$marked" >"$work/log"
records=$(grep -c "dstack.deny id=$id .*count=1 " "$work/log")
refused=$(of_container "$id" refused)
last=$(sed -n "s/.*dstack.quota id=$id what=file count=//p" "$work/log" |
	tail -n 1)
echo "# $total files in $seconds s: $records records, $refused more"
claim attack_46_every_distinct_file_is_denied is "$came" "EACCES $total"
claim attack_46_records_are_bounded between "$records" 1 \
	$((burst + seconds * rate))
claim attack_46_every_other_one_is_counted is $((records + refused)) "$total"
claim attack_46_the_log_says_how_many between "$last" $((refused / 2 + 1)) \
	"$refused"
claim attack_46_another_container_is_not_affected is "$(run_in_other)" hello
claim attack_46_nothing_is_refused_to_another_container \
	is "$(of_container "$id.other" refused)" 0
claim attack_46_approved_programs_run_on is "$(run "$good")" hello

#
# In measure: what cannot be recorded does not run
#

state measure
mark
came=$(try "$total" 3000)
events=$(events)
denied=${came#*EDQUOT }
ran=$((3000 - ${denied%% *}))
claim attack_46_files_beyond_the_quota_do_not_run_in_measure \
	has "$came" 'EDQUOT [0-9]+'
claim attack_46_each_that_could_run_is_recorded has "$events" \
	"dstack.exec id=$id .*reason=unknown-digest" "$ran"
claim attack_46_approved_programs_run_in_measure is "$(run "$good")" hello
claim attack_46_another_container_may_run_others_in_measure is \
	"$("$tests/prog_run" -c "$other" "$hello" 2>&1 </dev/null)" hello
claim register_is_replayed_after_it quote_is_replayed

refused=$(of_container "$id" refused)
dstackctl container remove "$id.other"
rmdir "$other"
dstackctl container remove "$id"
settle
claim attack_46_the_last_number_is_said_when_it_ends is "$(dstackctl log |
	sed -n "s/.*dstack.quota id=$id what=file count=//p" | tail -n 1)" \
	"$refused"
finish
