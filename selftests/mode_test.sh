#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# measure=every and measure=first: chosen by the policy, told by the log.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin mode
one=$work/one two=$work/two script=$work/script
variant "$one"
variant "$two"
printf '#!%s\n' "$one" >"$script"
chmod 755 "$script"
container

thrice() {
	run "$1" >/dev/null
	run "$1" >/dev/null
	run "$1"
}

# of FILE EVENTS: how many of its execs are recorded.
of() {
	grep -c "dstack.exec .*path=$1\$" <<<"$2"
}

mode() {
	dstackctl container list --json |
		jq -r --arg id "$id" '.[] | select(.id == $id) | .measure'
}

#
# every, the default
#

policy "$one" "$script"
mark
thrice "$one" >/dev/null
events=$(events)
claim every_exec_is_recorded_by_default is "$(of one "$events")" 3
claim default_is_no_event has_not "$events" 'dstack\.mode'
claim list_shows_every is "$(mode)" every

#
# first
#

policy --measure first "$one" "$script"
state enforce
mark
old=$(thrice "$one")
new=$(thrice "$script")
denied=$(thrice "$two")
events=$(events)
claim first_lets_approved_programs_run is "${old##* } $new" \
	"hello hello $script"
claim first_denies_unapproved_programs is "$denied" EACCES
claim switch_is_one_event has "$events" \
	"dstack.mode id=$id from=every to=first epoch=$epoch\$" 1
claim switch_comes_before_everything_of_that_mode is \
	"$(grep -n 'dstack\.mode' <<<"$events" | cut -d: -f1)" 1
claim first_does_not_record_what_is_in_the_log is "$(of one "$events")" 0
claim first_records_a_script_once has "$events" 'dstack.script .*path=script$' 1
claim first_counts_denials_as_ever has "$events" 'dstack.deny .*path=two$' 2
claim list_shows_first is "$(mode)" first

policy --measure first "$one" "$two"
mark
thrice "$two" >/dev/null
events=$(events)
claim first_records_a_new_program_once is "$(of two "$events")" 1
claim same_mode_in_a_new_policy_is_no_event has_not "$events" 'dstack\.mode'

# What ran approved and runs on although it no longer is must not go unseen.
state measure
policy --measure first "$one"
mark
thrice "$two" >/dev/null
events=$(events)
claim program_that_lost_its_approval_is_recorded_again has "$events" \
	"dstack.exec id=$id .*reason=unknown-digest epoch=$epoch .*path=two\$" 1
claim quote_is_replayed_in_first quote_is_replayed

#
# And back
#

policy "$one" "$two"
mark
thrice "$one" >/dev/null
events=$(events)
claim switch_back_is_one_event has "$events" \
	"dstack.mode id=$id from=first to=every epoch=$epoch\$" 1
claim every_exec_is_recorded_again is "$(of one "$events")" 3
claim quote_is_replayed_in_every quote_is_replayed

# A container of its own has a mode of its own.
other=$cgroup/other
mkdir "$other"
dstackctl container add --cgroup "$other" --id "$id.other" --section other \
	--app-id "$app_id"
dstackctl policy scan --epoch $((epoch + 1)) --name test "$one" \
	--measure first --name other "$one" --output "$work/both.json"
dstackctl policy load "$work/both.json" >/dev/null || die "can't load both"
mark
thrice "$one" >/dev/null
cgroup=$other thrice "$one" >/dev/null
events=$(events)
empty "$other"
dstackctl container remove "$id.other"
claim each_section_has_its_mode has "$events" \
	"dstack.mode id=$id.other from=every to=first epoch=$((epoch + 1))\$" 1
claim section_with_every_is_not_touched_by_the_other \
	is "$(grep -c "dstack.exec id=$id " <<<"$events")" 3
claim section_with_first_records_once \
	is "$(grep -c "dstack.exec id=$id.other " <<<"$events")" 1

finish
