#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 16: a hundred threads start programs as fast as they can, and with
# arguments as large as they can be.  Everything ends, each exec is one event
# or one denial, and memory is what it was.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_storm
limit=$((60 * ${TIME_SCALE:-1}))
good=$work/good bad=$work/bad
threads=100 rounds=2
variant "$good" "$tests/prog_id"
variant "$bad" "$tests/prog_id"
good_digest=$(sha256 "$good")
bad_digest=$(sha256 "$bad")
policy "$good"
container

# storm ARGUMENT...: what prog_storm reports, without what the programs print.
storm() {
	timeout "$limit" "$tests/prog_storm" -c "$cgroup" "$@" 2>&1 </dev/null |
		grep -v '^uid=' | paste -sd ' '
}

verdicts() {
	dstackctl container list --json | jq -r --arg id "$id" \
		'.[] | select(.id == $id) | "\(.allowed) \(.denied)"'
}

# rose BEFORE AFTER: by how much, pair by pair.
rose() {
	echo "$((${2% *} - ${1% *})) $((${2#* } - ${1#* }))"
}

# KiB that the kernel's own objects take and cannot give back.
kernel_memory() {
	sed -n 's/^SUnreclaim: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

# What is in the register now, as the log file has it.
register_is_the_logs() {
	local register
	settle
	register=$(dstackctl status --json | jq -r .register)
	dstackctl replay "$log" --expect "$register"
}

half=$((threads * rounds / 2))

#
# In measure
#

before=$(verdicts)
mark
came=$(storm "$threads" "$rounds" "$good" "$bad")
events=$(events)
claim attack_16_every_program_of_a_storm_runs_in_measure \
	is "$came" "ok $((2 * half))"
claim attack_16_each_is_one_event_in_measure has "$events" \
	"dstack.exec id=$id digest=sha256:($good_digest reason=approved|$bad_digest reason=unknown-digest) " \
	$((2 * half))
claim attack_16_each_is_counted_in_measure \
	is "$(rose "$before" "$(verdicts)")" "$half $half"
claim attack_16_register_is_replayed_in_measure register_is_the_logs

#
# In enforce
#

# The storm in measure has filled whatever caches there are.
state enforce
memory=$(kernel_memory)
before=$(verdicts)
mark
came=$(storm "$threads" "$rounds" "$good" "$bad")
events=$(events)
grown=$(($(kernel_memory) - memory))
claim attack_16_in_a_storm_only_approved_programs_run \
	is "$came" "ok $half EACCES $half"
claim attack_16_each_approved_exec_is_one_event has "$events" \
	"dstack.exec id=$id digest=sha256:$good_digest reason=approved " "$half"
claim attack_16_no_unapproved_exec_is_an_event \
	has_not "$events" "dstack.exec .*$bad_digest"
claim attack_16_each_is_counted \
	is "$(rose "$before" "$(verdicts)")" "$half $half"
claim attack_16_denials_are_recorded_at_powers_of_two has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$bad_digest reason=unknown-digest count=(1|2|4|8|16|32|64) " 7
claim attack_16_register_is_replayed register_is_the_logs
claim attack_16_kernel_keeps_less_than_8_mib test "$grown" -lt 8192
pending=$(dstackctl status --json | jq .log_pending)
claim attack_16_nothing_waits_for_dstackd is "$pending" 0

# Of threads that exec at the same time one becomes the program, and nobody
# else's exec gets as far as an event.
mark
came=$(timeout "$limit" "$tests/prog_storm" -c "$cgroup" -e "$threads" 1 "$good" \
	2>&1)
claim attack_16_of_threads_that_exec_one_wins \
	is "$came" 'uid=0 euid=0 net_raw=1'
claim attack_16_threads_that_exec_are_one_event has "$(events)" \
	"dstack.exec id=$id digest=sha256:$good_digest " 1
before=$(verdicts)
claim attack_16_threads_that_exec_unapproved_programs_are_all_denied \
	is "$(storm -e "$threads" 2 "$bad")" "EACCES $((2 * threads))"
claim attack_16_each_of_their_denials_is_counted \
	is "$(rose "$before" "$(verdicts)")" "0 $((2 * threads))"

#
# As many arguments as there can be
#

before=$(verdicts)
memory=$(kernel_memory)
mark
most=$(storm -a 2000000 10 2 "$good" "$bad")
grown=$(($(kernel_memory) - memory))
after=$(verdicts)
too_many=$(storm -a 8000000 1 1 "$good")
events=$(events)
claim attack_16_programs_with_huge_arguments_are_told_apart \
	is "$most" 'ok 10 EACCES 10'
claim attack_16_programs_with_huge_arguments_are_events has "$events" \
	"dstack.exec id=$id digest=sha256:$good_digest " 10
claim attack_16_programs_with_huge_arguments_are_counted \
	is "$(rose "$before" "$after")" '10 10'
claim attack_16_huge_arguments_are_not_kept test "$grown" -lt 8192
claim attack_16_what_the_kernel_refuses_first_is_no_event \
	is "$too_many $(rose "$after" "$(verdicts)")" 'E2BIG 1 0 0'
claim attack_16_register_is_still_replayed quote_is_replayed

finish
