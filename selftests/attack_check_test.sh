#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Interpreters that ask before they read a script (AT_EXECVE_CHECK, attack 10),
# and securebits that tell them to (attack 9).  Kernels before 6.14 have neither.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_check
interp=$work/interp good=$work/good bad=$work/bad
plain=$work/plain other=$work/other
cp "$tests/prog_interp" "$interp"
variant "$other"
for file in good bad; do
	printf '#!%s\nhello from %s\n' "$interp" "$file" >"$work/$file"
done
printf 'hello from plain\n' >"$plain"
chmod 755 "$good" "$bad" "$plain"

# What an interpreter reads is a script, whatever it begins with.
policy "$interp" "$good"
kinds=$(jq --arg digest "sha256:$(sha256 "$plain")" '.containers.test.allow +=
	[{digest: $digest, kinds: ["script"], path: "plain"}] |
	.containers.test.allow |= sort_by(.digest)' "$work/policy.json")
approve_plain() {
	epoch=$((epoch + 1))
	jq --argjson epoch "$epoch" '.epoch = $epoch' <<<"$kinds" \
		>"$work/policy.json"
	dstackctl policy load "$work/policy.json" >/dev/null
}

ask() {
	run "$interp" -k "$1"
}

count() {
	settle
	dstackctl status --json | jq .log_count
}

container
if test "$("$interp" -k "$good")" = EINVAL; then
	state enforce
	claim kernel_that_can_not_be_asked_says_so is "$(ask "$bad")" EINVAL
	dstackctl container remove "$id"
	why=$(dstackctl container add --cgroup "$cgroup" --id "$id" \
		--section test --app-id "$app_id" --securebits 2>&1)
	claim securebits_that_the_kernel_lacks_are_refused \
		has "$why" 'this kernel has no securebits' 1
	claim container_is_not_registered_then has_not \
		"$(dstackctl container list)" "^$id "
	finish
	exit
fi

#
# In measure
#

mark
answers="$(ask "$good") $(ask "$bad") $(ask "$bad") $(ask "$other")"
events=$(events)
claim attack_10_measure_says_yes_to_all is "$answers" 'yes yes yes yes'
claim attack_10_unapproved_script_is_recorded_once has "$events" \
	"dstack.script id=$id digest=sha256:$(sha256 "$bad") reason=unknown-digest .*path=bad\$" 1
claim attack_10_approved_script_is_not_recorded \
	has_not "$events" "$(sha256 "$good")"
claim attack_10_unapproved_program_is_not_recorded_before_it_runs \
	has_not "$events" "$(sha256 "$other")"

#
# In enforce
#

state enforce
before=$(count)
answer=$(ask "$good")
claim attack_10_yes_to_an_approved_script is "$answer" yes
claim attack_10_yes_to_an_approved_program is "$(ask "$interp")" yes
# The execs of the one that asks are events.
claim attack_10_yes_is_no_event is $(($(count) - before)) 2
claim attack_10_no_to_what_the_policy_has_no_kind_for is "$(ask "$plain")" EACCES
approve_plain
claim attack_10_yes_to_an_approved_file_without_an_interpreter \
	is "$(ask "$plain")" yes

before=$(denied)
mark
answers=
for _ in {1..9}; do
	answers+="$(ask "$bad") "
done
program=$(ask "$other")
events=$(events)
claim attack_10_no_to_an_unapproved_script \
	is "${answers//EACCES /x}" xxxxxxxxx
claim attack_10_no_to_an_unapproved_program is "$program" EACCES
claim attack_10_each_no_is_counted is $(($(denied) - before)) 10
claim attack_10_few_are_recorded has "$events" \
	"dstack.deny id=$id kind=script digest=sha256:$(sha256 "$bad") reason=unknown-digest count=[1248] .*path=bad\$" 4
claim attack_10_no_to_a_program_says_exec has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$other") .*path=other\$" 1
claim attack_10_host_is_told_yes is "$("$interp" -k "$bad")" yes

#
# Who does not ask: a known gap
#

claim attack_08_unapproved_script_is_not_executed is "$(run "$bad")" EACCES
claim attack_09_interpreter_reads_an_unapproved_script_unasked \
	is "$(run "$interp" "$bad")" 'hello from bad'
claim attack_09_interpreter_takes_code_unasked \
	is "$(run "$interp" -c code)" code
claim bits_are_not_set_unasked is "$(run "$interp" -b)" 0

#
# Who is told to ask
#

dstackctl container remove "$id"
mark
dstackctl container add --cgroup "$cgroup" --id "$id" --section test \
	--app-id "$app_id" --securebits
claim registration_says_securebits has "$(events)" \
	"dstack.container action=add id=$id .* flags=securebits\$" 1
claim list_says_securebits is "$(dstackctl container list --json |
	jq --arg id "$id" '.[] | select(.id == $id) | .securebits')" true
claim each_exec_sets_the_bits_and_their_locks is "$(run "$interp" -b)" 0xf00
claim attack_09_bits_can_not_be_cleared is "$(run "$interp" -x)" EPERM
claim attack_09_unapproved_script_is_refused \
	is "$(run "$interp" "$bad")" 'refused EACCES'
claim attack_09_code_is_refused is "$(run "$interp" -c code)" refused
claim approved_script_is_read is "$(run "$interp" "$good")" 'hello from good'
claim approved_script_is_executed is "$(run "$good")" 'hello from good'
state measure
claim bits_are_set_in_measure is "$(run "$interp" -b)" 0xf00
claim attack_09_unapproved_script_is_read_in_measure \
	is "$(run "$interp" "$bad")" 'hello from bad'
claim bits_are_not_the_hosts is "$("$interp" -b)" 0

dstackctl container remove "$id"
mark
ran=$(dstackctl run --name "$id" --section test --securebits \
	--policy "$work/policy.json" -- "$interp" -b)
events=$(events)
claim dstackctl_run_sets_the_bits is "$ran" 0xf00
claim its_registration_says_so has "$events" \
	"dstack.container action=add id=$id .* flags=securebits\$" 1
ran=$(dstackctl run --name "$id" --section test \
	--policy "$work/policy.json" -- "$interp" -b)
claim dstackctl_run_sets_no_bits_unasked is "$ran" 0
claim register_is_replayed quote_is_replayed

finish
