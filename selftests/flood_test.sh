#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The disk is full and stays full, until the kernel keeps no more events: the
# documented errno for what is in a container, nothing for the host, and no
# event lost once there is space.  Leaves a log of tens of megabytes behind.
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin_daemon flood
usual=$log
manage "$work/socket"
fs tmpfs "$work/full" -o "size=$(($(stat -c %s "$log") / 1024 + 256))k"
move_to "$work/full"
dd if=/dev/zero of="$work/full/filler" bs=4096 2>/dev/null
fill

expect_message 'exec in container .* denied: .*-105'
claim kernel_keeps_events_until_it_keeps_no_more \
	is "$("$tests/prog_flood")" ENOBUFS
claim programs_in_containers_then_give_enobufs is "$(run "$good")" ENOBUFS
claim programs_of_the_host_run_on is "$("$hello")" hello
claim no_event_is_added_to_a_full_log is "$("$tests/prog_flood")" ENOBUFS
claim daemon_is_alive is_alive
mount -o remount,size=500M "$work/full"
is_drained() {
	test "$(events_waiting)" = 0
}
reload
claim all_is_stored_once_there_is_space eventually is_drained
claim nothing_was_lost goes_on
claim programs_in_containers_run_again is "$(run "$good")" hello
claim register_is_replayed_after_it quote_is_replayed

down TERM
cp "$log" "$usual"
up >/dev/null
log=$usual
claim usual_file_replays_at_last file_replays

finish
