#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Code that was never a file: memory that is written and executed, memory of
# files that is changed first (attack 17), and the switch that allows it.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_memory
prog=$work/prog approved=$work/approved unapproved=$work/unapproved
cp "$tests/prog_memory" "$prog"
variant "$approved" "$tests/libprobe.so"
variant "$unapproved" "$tests/libprobe.so"
policy "$prog" "$approved"
container

# Of no file at all; of a file, of which a part is no longer what it holds.
anonymous=(written written_first written_and_open shared shared_first moved heap
	stack keyed inherited segment segment_later implied implied_later)
changed=(writable_file patched patched_back made_writable)
memory=("${anonymous[@]}" "${changed[@]}")

declare -A came

# try WAY...: what comes of each, with the approved file.
try() {
	local name result
	came=()
	while read -r name result; do
		came[$name]=$result
	done < <(run "$prog" "$approved" "$@")
}

# file WAY FILE: of one that needs a process of its own, to map nothing else.
file() {
	local result
	result=$(run "$prog" "$2" "$1")
	echo "${result#* }"
}

#
# In measure
#

before=$(denied)
mark
try "${memory[@]}"
events=$(events)
for way in "${memory[@]}"; do
	claim "attack_17_${way}_memory_is_executed_in_measure" \
		is "${came[$way]}" ran
done
claim attack_17_memory_is_recorded_once has "$events" \
	"dstack.map id=$id digest=none reason=memory epoch=$epoch storage=memory path=" 1
claim attack_17_each_time_is_counted \
	is $(($(denied) - before >= ${#memory[@]})) 1
claim nothing_is_said_of_a_switch has_not "$events" 'dstack\.memory '

mark
later=$(file file_later "$unapproved")
events=$(events)
claim attack_17_unapproved_file_becomes_executable_in_measure is "$later" mapped
claim attack_17_it_is_recorded_with_its_digest has "$events" \
	"dstack.map id=$id digest=sha256:$(sha256 "$unapproved") reason=unknown-digest .*path=unapproved\$" 1
mark
claim attack_17_code_of_a_memfd_runs_in_measure \
	is "$(file memfd "$approved")" ran
claim attack_17_its_record_says_memfd has "$(events)" \
	"dstack.map id=$id digest=none reason=unsealed-memfd " 1

#
# In enforce
#

state enforce
before=$(denied)
mark
try "${memory[@]}"
events=$(events)
for way in "${memory[@]}"; do
	claim "attack_17_${way}_memory_denied" is "${came[$way]}" EACCES
done
claim attack_17_denials_are_counted_and_recorded_as_memory has "$events" \
	"dstack.deny id=$id kind=memory digest=none reason=memory count=(1|2|4|8|16) epoch=$epoch storage=memory path=" 5
claim attack_17_each_denial_is_counted \
	is $(($(denied) - before)) ${#memory[@]}
claim attack_17_anonymous_memory_has_no_path has "$events" \
	'count=1 .*path=\[anonymous\]$' 1
mark
claim attack_17_code_of_a_memfd_denied is "$(file memfd "$approved")" EACCES
claim attack_17_its_denial_says_memfd has "$(events)" \
	"dstack.deny id=$id kind=map digest=none reason=unsealed-memfd "

# Files that are mapped first, and made executable later.
variant "$work/fresh" "$tests/libprobe.so"
policy "$prog" "$approved" "$work/fresh"
mark
fresh=$(file file_later "$work/fresh")
unknown=$(file file_later "$unapproved")
events=$(events)
claim attack_17_file_that_was_never_vetted_denied is "$fresh" EACCES
claim attack_17_its_denial_says_unseen has "$events" \
	"dstack.deny id=$id kind=map digest=.* reason=unseen .*path=fresh\$" 1
claim attack_17_unapproved_file_denied is "$unknown" EACCES
claim attack_17_its_denial_says_which has "$events" \
	"dstack.deny id=$id kind=map digest=sha256:$(sha256 "$unapproved") reason=unknown-digest .*path=unapproved\$" 1
claim file_is_mapped_there_and_back \
	is "$(file file_there_and_back "$work/fresh")" mapped
claim file_that_was_mapped_executable_may_be_made_so \
	is "$(file file_later "$work/fresh")" mapped
claim shared_file_may_be_made_so \
	is "$(file file_later_shared "$work/fresh")" mapped
claim file_that_was_not_written_may_be_made_so \
	is "$(file file_once_writable "$work/fresh")" mapped
# Twice: of files without a digest this is the third and the fourth time.
mark
file file_written_elsewhere "$work/fresh" >/dev/null
claim attack_20_file_that_is_open_for_writing_is_not_made_executable \
	is "$(file file_written_elsewhere "$work/fresh")" EACCES
claim attack_20_its_denial_says_why has "$(events)" \
	"dstack.deny id=$id kind=map digest=none reason=(open-for-writing|unseen) .*path=fresh\$" 1
claim attack_17_so_is_no_file_that_was_written_since \
	is "$(rewrite "$work/fresh"; file file_later "$work/fresh")" EACCES

# No module is asked when the heap grows.
claim attack_17_known_gap_heap_that_reading_implies \
	is "$(file implied_heap "$approved")" ran

# A file in memory, mapped to be read and executed only.
fs tmpfs "$work/memory"
cp "$approved" "$work/memory/approved"
state measure
filled=$(file filled "$work/memory/approved")
state enforce
claim attack_22_approved_mapping_is_filled_in_measure is "$filled" ran
claim attack_22_approved_mapping_is_not_filled \
	is "$(file filled "$work/memory/approved")" EACCES

#
# Where the policy allows it
#

policy -t '.memory = "allow"' "$prog" "$approved"
mark
try "${memory[@]}"
events=$(events)
claim switch_is_one_event has "$events" \
	"dstack.memory id=$id from=denied to=allowed epoch=$epoch\$" 1
claim switch_comes_before_the_exec has "$(head -n 2 <<<"$events")" \
	"dstack.memory .*dstack.exec id=$id |dstack.(memory|exec) id=$id " 2
for way in "${memory[@]}"; do
	claim "${way}_memory_is_executed_where_that_is_allowed" \
		is "${came[$way]}" ran
done
claim approved_mapping_is_filled_where_that_is_allowed \
	is "$(file filled "$work/memory/approved")" ran
claim allowed_memory_is_not_recorded has_not "$events" 'kind=memory|reason=memory'
claim attack_17_unapproved_file_is_denied_even_so \
	is "$(file file_later "$unapproved")" EACCES
claim attack_17_unsealed_memfd_is_denied_even_so \
	is "$(file memfd "$approved")" EACCES

# What runs on when a policy comes, and when one goes.
policy "$prog" "$approved"
run "$prog" "$approved" file_later >/dev/null
coproc "$tests/prog_run" -c "$cgroup" "$prog" -w "$approved" \
	written written written_first 2>&1
exec {in}>&"${COPROC[1]}" {out}<&"${COPROC[0]}"
read -r -u "$out" without
policy -t '.memory = "allow"' "$prog" "$approved"
echo >&"$in"
read -r -u "$out" allowed_but_not_recorded
mark
try written
again=${came[written]}
events=$(events)
policy "$prog" "$approved"
echo >&"$in"
read -r -u "$out" no_longer
exec {in}>&- {out}<&-
wait
claim process_without_the_right_is_denied is "$without" 'written EACCES'
claim attack_17_right_that_is_not_in_the_log_is_none \
	is "$allowed_but_not_recorded" 'written EACCES'
claim next_exec_records_it_and_has_it is "$again" ran
claim its_event_comes_again has "$events" \
	"dstack.memory id=$id from=denied to=allowed epoch=$((epoch - 1))\$" 1
claim attack_17_right_ends_with_the_policy is "$no_longer" 'written_first EACCES'
mark
try written
claim end_of_the_right_is_an_event has "$(events)" \
	"dstack.memory id=$id from=allowed to=denied epoch=$epoch\$" 1

# The host is not asked.
claim host_has_memory_of_its_own \
	is "$("$prog" "$approved" written_first)" 'written_first ran'
claim register_is_replayed quote_is_replayed

finish
