#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# dstackd killed, stopped, started again: nobody runs unseen, no event is lost.
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin_daemon daemon
events_before=$(wc -l <"$log")
claim file_replays_to_the_register file_replays

#
# Killed
#

claim killed_daemon_ends down KILL
claim attack_31_killed_daemon_leaves_the_hooks_in_place is "$(hooks)" "$all_hooks"
claim attack_31_killed_daemon_leaves_approved_programs_running is "$(run "$good")" hello
claim attack_31_killed_daemon_leaves_unapproved_programs_denied is "$(run "$bad")" EACCES
claim events_wait_in_the_kernel is "$(events_waiting)" 2
claim restarted_daemon_comes_up up
claim restarted_daemon_keeps_the_state is "$(dstackctl status --json |
	jq -r .state)" enforce
claim restarted_daemon_loses_no_event file_replays
claim restarted_daemon_repeats_no_event has "$(dstackctl log \
	--from "$events_before")" 'dstack\.(exec|deny)' 2
claim second_daemon_is_refused has "$(up)" 'running already'

#
# Damage
#

down KILL
run "$good" >/dev/null
printf '{"imr":3,"event_ty' >>"$log"
claim torn_last_line_is_reported has "$(up)" 'incomplete line'
claim torn_last_line_is_repaired file_replays

down KILL
cp "$log" "$work/log"
# An event that no other equals, or its line could be had from there.
line=$(grep -n 'event":"dstack.container"' "$log" | tail -n 1)
sed -i "${line%%:*}"'s/digest":"../digest":"00/' "$log"
said=$(up)
claim changed_log_is_reported has "$said" "kept as '$log\\.[0-9]*'"
claim changed_log_is_kept_aside rm "$log".[0-9]*
claim lost_event_is_reported has "$said" '1 events are missing'
claim event_after_a_lost_one_is_stored has "$(tail -n 1 "$log")" dstack
claim replay_of_a_log_with_a_lost_event_fails \
	has "$(dstackctl replay "$log" 2>&1)" 'was changed'

down KILL
cp "$work/log" "$log"
up >/dev/null
claim restored_log_is_taken_up_again file_replays

down KILL
rm "$log"
run "$good" >/dev/null
said=$(up)
settle
claim removed_log_is_reported has "$said" 'events are missing'
claim removed_log_is_made_anew_from_what_the_kernel_has is \
	"$(wc -l <"$log") $(tail -n 1 "$log" | jq -r .event)" \
	"$(dstackctl status --json | jq .log_count) dstack.exec"
down KILL
{
	cat "$work/log"
	tail -n "+$(($(wc -l <"$work/log") + 1))" "$log"
} >"$work/whole"
cp "$work/whole" "$log"
up >/dev/null

#
# Stopped and restarted, again and again
#

restart_often() {
	local i
	for i in {1..100}; do
		down "$([[ $i = *[02468] ]] && echo KILL || echo TERM)" &&
			is "$(run "$good")" hello && up || return
	done
}

sigterm_drains() {
	run "$good" >/dev/null
	down TERM && is "$(wc -l <"$log")" \
		"$(dstackctl status --json | jq .log_count)"
}

claim sigterm_stores_what_the_kernel_has sigterm_drains
up >/dev/null
claim attack_45_hundred_restarts_succeed restart_often
claim attack_45_they_lose_and_repeat_no_event file_replays
claim attack_45_register_is_replayed_after_them quote_is_replayed

#
# Off
#

mark
state off
claim state_off_releases_the_hooks is "$(hooks)" '[]'
claim state_off_lets_everything_run is "$(run "$bad")" hello
claim state_off_records_nothing_more has_not "$(events)" 'dstack\.(exec|deny)'
claim state_without_hooks_is_refused \
	has "$(dstackctl state enforce 2>&1; echo "status $?")" 'status 1'
down TERM
claim daemon_that_comes_up_attaches_the_hooks_again \
	is "$(up; hooks)" "$all_hooks"
state enforce
claim enforcement_is_back is "$(run "$bad") $(run "$good")" 'EACCES hello'
claim file_replays_at_last file_replays

finish
