#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Programs that the policy does not name: as files, and as memfds.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_exec
good=$work/good bad=$work/bad
variant "$good"
variant "$bad"
good_digest=$(sha256 "$good")
bad_digest=$(sha256 "$bad")
policy "$good"
container

#
# In measure everything runs, and says what enforce would do
#

mark
bad_in_measure=$(run "$bad")
memfd_in_measure=$(run -m "$good")
sealed_in_measure=$(run -s "$bad")
events=$(events)

claim attack_01_unapproved_program_runs_on_the_host \
	is "$("$bad")" hello
claim attack_01_unapproved_program_runs_in_measure \
	is "$bad_in_measure" hello
claim attack_01_its_one_record_has_its_sha256 has "$events" \
	"dstack.exec id=$id digest=sha256:$bad_digest reason=unknown-digest .*path=bad\$" 1
claim attack_01_host_execs_are_not_recorded has "$events" '=host ' 0
claim attack_03_unsealed_memfd_runs_in_measure \
	is "$memfd_in_measure" hello
claim attack_03_its_record_says_that_it_is_unsealed has "$events" \
	"dstack.exec id=$id .*reason=unsealed-memfd .*storage=memfd-open" 1
claim attack_03_unapproved_sealed_memfd_runs_in_measure \
	is "$sealed_in_measure" hello
claim attack_01_register_is_replayed_in_measure quote_is_replayed

#
# In enforce
#

state enforce
mark
good_in_enforce=$(run "$good")
run "$good" >/dev/null
bad_in_enforce=$(run "$bad")
memfd_in_enforce=$(run -m "$good")
sealed_in_enforce=$(run -s "$bad")
approved_in_enforce=$(run -s "$good")
events=$(events)

claim approved_program_runs_in_enforce is "$good_in_enforce" hello
claim approved_program_is_recorded_each_time has "$events" \
	"dstack.exec id=$id digest=sha256:$good_digest reason=approved epoch=$epoch storage=disk path=good\$" 2
claim attack_01_unapproved_program_runs_on_the_host_in_enforce \
	is "$("$bad")" hello
claim attack_01_unapproved_program_denied_in_enforce \
	is "$bad_in_enforce" EACCES
claim attack_01_one_deny_record_says_unknown_digest has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$bad_digest reason=unknown-digest count=1 .*path=bad\$" 1
claim attack_01_denied_program_has_no_exec_record \
	has_not "$events" "dstack.exec .*$bad_digest"
claim attack_03_unsealed_memfd_denied_in_enforce \
	is "$memfd_in_enforce" EACCES
claim attack_03_deny_record_says_unsealed_memfd has "$events" \
	"dstack.deny id=$id kind=exec .*reason=unsealed-memfd" 1
claim attack_03_unapproved_sealed_memfd_denied_in_enforce \
	is "$sealed_in_enforce" EACCES
claim attack_03_deny_record_has_the_digest_of_the_sealed_memfd has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$bad_digest .*count=2 .* storage=memfd " 1
claim approved_sealed_memfd_runs_in_enforce is "$approved_in_enforce" hello

mark
for _ in {1..7}; do
	run "$bad" >/dev/null
done
events=$(events)
claim denials_are_recorded_at_powers_of_two is \
	"$(sed -n 's/.*dstack.deny.* count=\([0-9]*\) .*/\1/p' <<<"$events" |
		paste -sd ' ')" '4 8'
claim attack_01_register_is_replayed_in_enforce quote_is_replayed

#
# Roles
#

policy -j 'map(.kinds = ["map"])' "$good"
mark
library=$(run "$good")
events=$(events)
claim library_run_as_a_program_denied is "$library" EACCES
claim its_deny_record_says_other_kind has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$good_digest reason=other-kind" 1
claim dropped_digest_is_denied_from_the_next_epoch_on \
	has "$events" "reason=other-kind count=1 epoch=$epoch "

finish
