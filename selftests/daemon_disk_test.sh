#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The disk of the log full, read-only, failing and hanging: programs run on,
# events wait in the kernel, dstackd says so once and goes on when the disk
# does.  A watchdog sees the difference between a disk that fails and a daemon
# that hangs.
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin_daemon daemon_disk
usual=$log

down TERM
manage "$work/socket"
serve --

#
# Full
#

fs tmpfs "$work/full" -o "size=$(($(stat -c %s "$log") / 1024 + 256))k"
move_to "$work/full"
claim log_is_kept_elsewhere file_replays
dd if=/dev/zero of="$work/full/filler" bs=4096 2>/dev/null
claim full_disk_is_reached fill
claim full_disk_is_told fails 'No space left on device'
claim programs_run_while_the_disk_is_full programs_run
claim their_events_wait_in_the_kernel waits 3
claim daemon_with_a_full_disk_is_alive is_alive
second_hup() {
	reload
	has "$(<"$work/said")" "can't store" 1
}
claim full_disk_is_told_once second_hup
rm "$work/full/filler"
claim all_is_stored_once_there_is_space goes_on

#
# Space that the file system has and its disk has not: the sync fails
#

modprobe loop
expect_message 'loop[0-9]'
# mkfs SIZE FILE
mkfs() {
	truncate -s "$1" "$2"
	mkfs.ext4 -q -O ^has_journal -E lazy_itable_init=1 "$2"
}

size=$(($(stat -c %s "$log") / 1024 + 1024))
fs tmpfs "$work/thin" -o "size=${size}k"
mkfs 200M "$work/thin/disk"
image "$work/thin/disk" "$work/thin.ext4"
move_to "$work/thin.ext4"
dd if=/dev/urandom of="$work/thin.ext4/filler" bs=4096 count=$((size / 4)) \
	conv=fsync 2>/dev/null
claim failing_sync_is_reached fill
claim failing_sync_is_told fails '(No space left on device|Input/output error)'
claim programs_run_while_the_sync_fails programs_run
claim daemon_whose_sync_fails_is_alive is_alive
mount -o remount,size=300M "$work/thin"
claim all_is_stored_once_the_sync_works goes_on

#
# A disk that hangs
#

move_to "$work/thin.ext4"
claim frozen_disk_freezes fsfreeze -f "$work/thin.ext4"
programs_run
frozen() {
	local state
	read -r _ _ state _ <"/proc/$(<"$pid_file")/stat"
	test "$state" = D
}
claim frozen_disk_stops_the_daemon eventually frozen
: >"$work/heard"
for _ in {1..25}; do
	nap
done
claim daemon_that_hangs_is_not_alive has_not "$(<"$work/heard")" WATCHDOG
claim programs_run_while_the_disk_hangs programs_run
fsfreeze -u "$work/thin.ext4"
claim daemon_that_hangs_no_longer_is_alive is_alive
claim nothing_was_lost_by_waiting file_replays

#
# Read-only: what ext4 makes of itself when it finds an error
#

mkfs 200M "$work/disk"
image "$work/disk" "$work/ext4" -o errors=remount-ro
loop=$(findmnt -no SOURCE "$work/ext4")
move_to "$work/ext4"
claim log_is_kept_on_ext4 file_replays
sync -f "$log"
echo 1 >"/sys/fs/ext4/${loop##*/}/trigger_fs_error"
claim read_only_disk_is_told fails '(Read-only file system|Input/output error)'
claim programs_run_while_the_disk_is_read_only programs_run
claim daemon_with_a_read_only_disk_is_alive is_alive
# What an operator does: a copy in its place.  6.12 does not even let the file
# be read that is open.
cp --sparse=always "$work/disk" "$work/other"
image "$work/other" "$work/ext4"
claim all_is_stored_on_the_disk_that_takes_its_place goes_on

#
# EIO, now here, now there
#

# inject CALL: fails with EIO until strace ends.  A process that has a tracer
# is not yet stopped by it; strace says when it is.
inject() {
	strace -o /dev/null -p "$(<"$pid_file")" -P "$log" \
		-e "trace=$1" -e "inject=$1:error=EIO" 2>"$work/tracer" &
	tracer=$!
	disown
	eventually grep -q attached "$work/tracer"
}

stays_stopped() {
	grep -q '^State:.*stop' "/proc/$1/status" || return
	nap
	grep -q '^State:.*stop' "/proc/$1/status"
}

# Between two calls: one that strace has begun to change would be ENOSYS.
end_injection() {
	local pid
	pid=$(<"$pid_file")
	kill -STOP "$pid"
	eventually stays_stopped "$pid"
	kill "$tracer"
	eventually gone "$tracer"
	kill -CONT "$pid"
}

for call in write fdatasync fdatasync,ftruncate write,ftruncate; do
	hush
	inject "$call"
	claim "eio_of_${call//,/_and_}_is_told" fails Input/output
	end_injection
	claim "all_is_stored_after_eio_of_${call//,/_and_}" goes_on
done

down TERM
cp "$log" "$usual"
up >/dev/null
log=$usual
claim usual_file_replays_at_last file_replays

finish
