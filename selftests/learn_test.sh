#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A policy that is learnt from what MEASURE saw lets the same run, and nothing
# else.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin learn
good=$work/good other=$work/other mapper=$work/mapper library=$work/library
script=$work/script
variant "$good"
variant "$other"
# Other tests have sections and programs of these names.
echo learn >>"$other"
variant "$library" "$tests/libprobe.so"
cp "$tests/prog_map" "$mapper"
printf '#!%s\n# %s\n' "$good" "$script" >"$script"
chmod 755 "$script"

# What the container does, and what comes of it.
works() {
	echo "$(run "$good") $(run "$mapper" "$library") $(run "$script")"
}

# A policy without a rule, and with a section that no container has.
policy -t '.allow = []' "$good"
jq '.containers.aside = {"allow": .containers.test.allow,
	"revoked": "kill"} | .containers.test.measure = "first" | .epoch += 1' \
	"$work/policy.json" >"$work/base.json"
epoch=$((epoch + 1))
dstackctl policy load "$work/base.json" >/dev/null || die "can't load the base"
container
measured=$(works)
state enforce
denied=$(works)
state measure

learnt=$work/learnt.json
said=$(dstackctl policy learn --base "$work/base.json" --output "$learnt" 2>&1)
epoch=$((epoch + 1))
dstackctl policy load "$learnt" >/dev/null
loaded=$?
state enforce
enforced=$(works)

all="hello mapped hello $script"
claim all_of_it_runs_in_measure is "$measured" "$all"
claim none_of_it_runs_in_enforce_before is "$denied" "EACCES EACCES EACCES"
claim learning_says_that_the_log_is_the_kernels \
	has "$said" "replay to the kernel's register [0-9a-f]{96}\$" 1
claim learnt_policy_is_loaded is "$loaded" 0
claim all_of_it_runs_in_enforce is "$enforced" "$all"
claim what_was_not_seen_is_denied is "$(run "$other")" EACCES
claim learnt_library_does_not_run_as_a_program is "$(run "$library")" EACCES
claim section_that_was_not_seen_is_kept \
	is "$(jq -c .containers.aside "$learnt")" \
	"$(jq -c .containers.aside "$work/base.json")"
claim terms_of_the_section_are_kept \
	is "$(jq -r .containers.test.measure "$learnt")" first

#
# A log that was changed teaches nothing
#

forge() {
	settle
	sed "$1" "$log" >"$work/forged.jsonl"
	dstackctl policy learn --output "$work/forged.json" \
		"$work/forged.jsonl" 2>&1
	test ! -e "$work/forged.json" || echo "a policy was written"
}

claim attack_41_log_with_an_event_less_is_refused \
	has "$(forge '1d')" "does not replay to the kernel's register" 1
last=$(grep -c . "$log")
claim attack_41_log_with_another_payload_is_refused \
	has "$(forge "$last"'s/"event_payload":"../"event_payload":"00/')" \
	"event $((last - 1)) was changed|does not replay" 1
claim attack_41_no_policy_comes_of_it is "$(test -e "$work/forged.json" &&
	echo "it does")" ""

finish
