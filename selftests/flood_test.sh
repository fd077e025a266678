#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The disk is full and stays full, until the kernel keeps no more events of a
# container that adds them: the documented errno for what is in that container,
# nothing for another one or the host, and no event lost once there is space.
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin_daemon flood
other=$cgroup.other
mkdir "$other"
dstackctl container add --cgroup "$other" --id "$id.other" --section test \
	--app-id "$app_id" || die "can't add a container"
# One that is not approved runs already when the log is full.
state measure
coproc "$tests/prog_run" -c "$cgroup" "$tests/prog_memory" -w "$good" \
	file_later written written_first
exec {to}>&"${COPROC[1]}" {from}<&"${COPROC[0]}"
read -r -u "$from" _
state enforce
usual=$log
manage "$work/socket"
fs tmpfs "$work/full" -o "size=$(($(stat -c %s "$log") / 1024 + 256))k"
move_to "$work/full"
dd if=/dev/zero of="$work/full/filler" bs=4096 2>/dev/null
fill

flood() {
	"$tests/prog_volume" -n -c "$1" 20000 1024
}

expect_message '(exec|memory) in container .* denied: .*-105'
claim kernel_keeps_events_until_it_keeps_no_more \
	has "$(flood "$cgroup")" '^ENOBUFS after [1-9]'
claim programs_in_the_container_still_run is "$(run "$good")" hello
claim denials_take_what_is_left is "$("$tests/prog_distinct" -c "$cgroup" \
	"$work/distinct" 0 4000)" 'EACCES 4000'
claim programs_in_the_container_then_give_enobufs is "$(run "$good")" ENOBUFS
claim programs_in_another_container_run_on is \
	"$("$tests/prog_run" -c "$other" "$good" 2>&1 </dev/null)" hello
state measure
echo >&"$to"
read -r -u "$from" mapped
echo >&"$to"
read -r -u "$from" changed
state enforce
claim executable_memory_in_the_container_gives_enobufs \
	is "$mapped" 'written ENOBUFS'
claim process_whose_memory_became_executable_unrecorded_is_killed \
	is "$changed" 'written_first signal 9'
claim programs_of_the_host_run_on is "$("$hello")" hello
claim no_event_is_added_for_it is "$(flood "$cgroup")" 'ENOBUFS after 0'
claim daemon_is_alive is_alive
mount -o remount,size=500M "$work/full"
is_drained() {
	test "$(events_waiting)" = 0
}
reload
claim all_is_stored_once_there_is_space eventually is_drained
claim nothing_was_lost goes_on
claim programs_in_the_container_run_again is "$(run "$good")" hello
claim register_is_replayed_after_it quote_is_replayed
claim what_was_refused_is_in_the_log has \
	"$(dstackctl log --file "$log" | grep "dstack.quota id=$id ")" \
	"what=room count=(1|2|4|8|16|32|64)$"
dstackctl container remove "$id.other"
rmdir "$other"

down TERM
cp "$log" "$usual"
up >/dev/null
log=$usual
claim usual_file_replays_at_last file_replays

finish
