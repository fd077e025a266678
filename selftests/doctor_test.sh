#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What dstackctl doctor finds, and dstackctl top shows.
set -u
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin doctor
policy "$hello"
container

# doctor FILTER: of its checks, in JSON.
doctor() {
	dstackctl doctor --json | jq -r "$1"
}

# of CHECK: what it says of that one.
of() {
	doctor ".[] | select(.check == \"$1\") | .verdict"
}

claim nothing_fails_on_a_machine_that_works \
	is "$(doctor '.[] | select(.verdict == "fail") | .check')" ''
claim what_fails_or_warns_says_how_to_mend_it \
	is "$(doctor '.[] | select(.mend == "" and
		(.verdict == "fail" or .verdict == "warn")) | .check')" ''
claim text_has_a_line_for_each_check \
	is "$(dstackctl doctor | grep -cE '^(ok|warn|fail|skip) ')" \
	"$(doctor length)"
claim backend_that_proves_nothing_is_a_warning is "$(of backend)" \
	"$(test "$DSTACK_BACKEND" = sim && echo warn || echo ok)"
claim hooks_are_all_held is "$(of hooks)" ok
claim state_measure_is_a_warning is "$(of state)" warn
state enforce
claim state_enforce_is_none is "$(of state)" ok
state measure

# Without the module all that needs it is skipped, and the exit status tells.
export DSTACK_DEVICE=$work/none
claim missing_module_fails is "$(of module)" fail
claim what_needs_it_is_skipped is "$(of hooks) $(of quote)" 'skip skip'
claim a_failure_is_told_by_the_status is \
	"$(dstackctl doctor >/dev/null; echo $?)" 1
unset DSTACK_DEVICE

# Denied in measure: counted, and shown.
variant "$work/other"
run "$work/other" >/dev/null
claim top_shows_containers_with_what_was_denied \
	has "$(dstackctl top --count 1)" "^$id +test .* 1 +[0-9]+ +[0-9]+$" 1
claim top_takes_no_interval_of_nothing is \
	"$(dstackctl top --interval 0 2>/dev/null; echo $?)" 2

finish
