#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The log file removed, moved, replaced, cut and written to by somebody else
# while dstackd has it open: noticed with the next event, told, and mended with
# what the open file and the kernel still have (attack 41).
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin_daemon daemon_file
down TERM
manage "$work/socket"
serve --

# then_an_event PATTERN: it notices, and stores that event as well.
then_an_event() {
	is "$(run "$good")" hello && eventually said "$1" && settle
}

# How many files beside the log were kept; they go.
kept() {
	local file count=0
	for file in "$log".*; do
		test ! -e "$file" || count=$((count + 1))
		rm -f "$file"
	done
	echo "$count"
}

claim file_that_is_left_alone_replays file_replays
claim nothing_is_said_of_it is "$(<"$work/said")" ''

rm "$log"
claim removed_file_is_noticed then_an_event "'$log' was removed"
claim removed_file_is_whole_again file_replays
claim removed_file_leaves_nothing_behind is "$(kept)" 0

# As log rotation does it.
hush
mv "$log" "$log.1"
reload
claim moved_file_is_noticed_at_sighup said "'$log' was moved"
claim moved_file_is_whole_again file_replays
claim moved_file_stays is "$(kept)" 1

# As editors do it.
hush
grep -v 'dstack.exec' "$log" >"$work/edited"
mv "$work/edited" "$log"
claim replaced_file_is_noticed then_an_event "'$log' was replaced"
claim other_file_is_told said "kept as '$log\\.[0-9]*'"
claim replaced_file_is_whole_again file_replays
claim other_file_is_kept is "$(kept)" 1

hush
echo 'a note' >>"$log"
claim appended_line_is_noticed then_an_event "'$log' was appended to"
claim file_with_an_appended_line_is_whole_again file_replays
claim file_with_the_appended_line_is_kept is "$(kept)" 1

hush
rm "$log"
mkdir "$log"
run "$good" >/dev/null
claim directory_in_its_place_is_an_error eventually said 'not a regular file'
reload
claim error_is_told_once has "$(<"$work/said")" 'not a regular file' 1
claim programs_run_on is "$(run "$good")" hello
rmdir "$log"
reload
claim file_is_whole_again_once_the_directory_is_gone file_replays

#
# Where content is lost, dstackd cannot know it: the places are kept, and a
# copy that is put back is used
#

cp "$log" "$work/copy"
# The copy, and what was stored since.
put_back() {
	{
		cat "$work/copy"
		tail -n "+$(($(wc -l <"$work/copy") + 1))" "$log"
	} >"$work/whole"
	cp "$work/whole" "$log"
	run "$good" >/dev/null
	settle
}

hush
: >"$log"
claim cut_file_is_noticed then_an_event "'$log' was cut"
claim lost_events_are_counted said "^dstackd: $(wc -l <"$work/copy") events are missing"
claim cut_file_has_a_place_for_every_event is "$(wc -l <"$log")" \
	"$(dstackctl status --json | jq .log_count)"
claim replay_of_a_cut_file_fails has "$(dstackctl replay "$log" 2>&1)" changed
kept >/dev/null
put_back
claim copy_of_a_cut_file_is_taken_up file_replays
kept >/dev/null

hush
cp "$log" "$work/copy"
# An event that no other equals, or its line could be had from there.
line=$(grep -n 'event":"dstack.container"' "$log" | tail -n 1)
at=$(head -n $((${line%%:*} - 1)) "$log" | wc -c)
printf xx | dd of="$log" bs=1 seek=$((at + 60)) conv=notrunc status=none
claim byte_that_was_written_is_noticed then_an_event "'$log' was written to"
claim only_that_event_is_missing said '^dstackd: 1 events are missing'
claim changed_file_is_kept is "$(kept)" 1
put_back
claim copy_of_a_changed_file_is_taken_up file_replays
kept >/dev/null

# Last, as all of it is at once.
hush
cp "$log" "$work/copy"
rm "$log"
down TERM
claim sigterm_repairs_first said "'$log' was removed"
up >/dev/null
claim file_replays_at_last file_replays
claim file_is_as_it_was cmp -n "$(stat -c %s "$work/copy")" "$log" "$work/copy"

finish
