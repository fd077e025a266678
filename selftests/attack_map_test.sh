#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Code that comes in by a mapping of which nobody said that it is to be executed,
# and names that are made to hide what runs (attacks 6, 7).
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_map
mapper=$work/mapper good=$work/good bad=$work/bad
cp "$tests/prog_map" "$mapper"
variant "$good" "$tests/libprobe.so"
variant "$bad" "$tests/libprobe.so"
policy "$mapper" "$good"
container

declare -A ways=(
	[private]=''
	[shared]=-s
	[that_reading_implies]=-p
	[that_reading_implies_shared]='-s -p'
)

# try FILE: what comes of it in each way.
try() {
	local name
	for name in "${!ways[@]}"; do
		# shellcheck disable=SC2086 # options
		came[$name]=$(run "$mapper" ${ways[$name]} "$1")
	done
}

declare -A came

# Nobody is there to keep it from being executed, so each must have worked.
before=$(denied)
mark
try "$bad"
events=$(events)
for name in "${!ways[@]}"; do
	claim "attack_07_unapproved_mapping_${name}_in_measure" \
		is "${came[$name]}" mapped
done
claim attack_07_mapping_is_recorded_once has "$events" \
	"dstack.map id=$id digest=sha256:$(sha256 "$bad") reason=unknown-digest " 1
claim attack_07_each_mapping_is_counted \
	is $(($(denied) - before)) ${#ways[@]}

state enforce
before=$(denied)
mark
try "$bad"
events=$(events)
for name in "${!ways[@]}"; do
	claim "attack_07_unapproved_mapping_${name}_denied" \
		is "${came[$name]}" EACCES
done
claim attack_07_first_denied_mapping_is_recorded has "$events" \
	"dstack.deny id=$id kind=map digest=sha256:$(sha256 "$bad") reason=unknown-digest count=1 " 1
claim attack_07_each_denied_mapping_is_counted \
	is $(($(denied) - before)) ${#ways[@]}
try "$good"
for name in "${!ways[@]}"; do
	claim "approved_mapping_${name}" is "${came[$name]}" mapped
done

# This one takes a mapping for which the file is open for writing.
echo 'uses deprecated remap_file_pages' >>"$EXPECTED_MESSAGES"
state measure
mark
remapped=$(run "$mapper" -r "$bad")
claim attack_07_file_is_remapped_executable_in_measure is "$remapped" mapped
claim attack_07_its_record_says_open_for_writing has "$(events)" \
	"dstack.map id=$id digest=none reason=open-for-writing .*path=bad\$" 1
state enforce
claim attack_07_file_is_not_remapped_executable \
	is "$(run "$mapper" -r "$bad") $(run "$mapper" -r "$good")" \
	'EACCES EACCES'

#
# Names
#

# deep: a directory whose name is longer than any path can be.
deep() {
	local _ name
	name=$(printf 'd%.0s' {1..200})
	cd "$work" || return
	for _ in {1..24}; do
		mkdir "$name"
		cd "$name" || return
	done
}

# A path that looks like fields of a record, and one in which lines end.
fields=$work/$'a b digest=sha256:00 reason=approved'
lines=$work/$'a\ndstack.exec id=x'
variant "$work/other"
cp "$work/other" "$fields"
cp "$work/other" "$lines"
mark
by_fields=$(run "$fields")
by_lines=$(run "$lines")
by_deep=$(deep; cp "$work/other" ./program; run ./program)
events=$(events)
claim attack_01_program_by_a_name_of_fields_denied is "$by_fields" EACCES
claim attack_01_program_by_a_name_of_lines_denied is "$by_lines" EACCES
claim attack_01_program_by_no_name_that_fits_denied is "$by_deep" EACCES
claim names_make_no_lines has "$events" '^ *[0-9]+ dstack\.' \
	"$(wc -l <<<"$events")"
claim names_make_no_fields \
	has "$events" 'reason=unknown-digest .*path="[^"]*reason=approved"$' 1
state measure
mark
by_deep=$(
	cd "$work" || exit
	for _ in {1..24}; do
		cd d* || exit
	done
	run ./program
)
events=$(events)
claim program_by_no_name_that_fits_runs_in_measure is "$by_deep" hello
claim its_record_has_its_digest_and_no_path has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$work/other") .*path=%3F\$|path=\\?\$" 1
claim register_is_replayed quote_is_replayed

finish
