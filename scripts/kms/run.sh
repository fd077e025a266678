#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A chain, a KMS in a confidential VM of its own, and an application in others:
# who is not approved gets nothing, with the contract's reason; who was approved
# and is revoked runs nothing more, and has no keys.  Prints KTAP.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/kms/parts.sh
. scripts/kms/parts.sh
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh

# measures_the_same NAME: as the KMS did at its first boot.
measures_the_same() {
	waits 500 "$work/$1.log" '^attestation: |ended' &&
		test "$(kms_attestation mr_aggregated "$1")" = \
			"$(kms_attestation mr_aggregated)"
}

kms_host
kms_start kms
ktap_start
waits 500 "$work/kms.log" '^attestation: |ended'
claim kms_is_none_before_its_image_is_approved \
	waits 150 "$work/kms.log" '^bootstrap: .*OS image is not allowed'
chain image "$image" >/dev/null
claim nor_before_its_measurements_are \
	waits 150 "$work/kms.log" '^bootstrap: .*Aggregated MR not allowed'
chain kms-mr "$(kms_attestation mr_aggregated)" >/dev/null
claim nor_before_its_device_is waits 150 "$work/kms.log" \
	'^bootstrap: .*KMS is not allowed to boot on this device'
chain kms-device "$(kms_attestation device_id)" >/dev/null
claim approved_kms_makes_its_roots \
	waits 150 "$work/kms.log" '^bootstrapped: '
claim and_serves waits 150 "$work/kms.log" '^serving'
claim attack_71_roots_are_made_once \
	says kms '^again: .*this KMS has its keys already'
claim attack_71_strangers_make_none \
	says kms '^stranger: .*Service not found: Onboard.Bootstrap'
claim next_key_epoch_waits_for_the_contract \
	says kms '^epochs: \["lives","not started"\]$'
claim attack_63_last_key_epoch_that_lives_is_not_retired \
	says kms '^retire: .*no other key epoch lives than 0'

app_id=$(chain app web | tr 'A-F' 'a-f')
compose=$(compose)
hash=$(sha256 "$compose")
app first "$compose"
claim application_is_denied_with_the_contracts_reason waits 300 \
	"$work/first.log" 'refused: Boot denied: Compose hash not allowed'
chain allow web "$hash" >/dev/null
claim application_boots_once_a_transaction_approves_it \
	waits 150 "$work/first.log" '^disk: new'
machine_end first

#
# Its KMS boots again, and it moves to another machine, where it lives on
#

kms_end
kms_start again
claim kms_measures_the_same_at_its_next_boot measures_the_same again
claim and_has_its_roots waits 150 "$work/again.log" '^serving'
claim and_is_the_same_for_applications test "$compose" = "$(compose)"
lives=yes disk=first app second "$compose" --memory 1G --tdx "rtmr0=$hardware"
claim application_opens_its_disk_on_other_hardware \
	waits 400 "$work/second.log" '^disk: what first wrote'

# occurs NUMBER PATTERN: so often has it been said by that machine.
occurs() {
	test "$(grep -cE "$2" "$work/second.log")" -ge "$1"
}

# until_ SECONDS COMMAND...
until_() {
	local end=$((SECONDS + $1))
	until "${@:2}"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# at_most SECONDS FIGURE
at_most() {
	awk -v most="$1" -v have="$2" 'BEGIN { exit !(have <= most) }'
}

chain announce web "$(sha256 "$(policy 1)")" 1 >/dev/null
claim container_runs_what_its_policy_approves \
	waits 150 "$work/second.log" '^exec: allowed'
claim and_has_keys waits 150 "$work/second.log" '^key: given'
waits 150 "$work/second.log" 'follow: allowed by block'
sleep 3
claim policy_that_is_announced_and_active_stays \
	test "$(grep -c '^exec: denied' "$work/second.log")" = 0

chain revoke web 1 >/dev/null
mined=$EPOCHREALTIME
claim revoked_policy_denies_new_execs \
	until_ 30 occurs 1 '^exec: denied'
took=$(seconds "$mined")
echo "# from transaction mined to first denied exec: $took s"
claim from_transaction_mined_to_denied_exec_are_at_most_5_s at_most 5 "$took"
claim attack_78_what_ran_is_ended waits 10 "$work/second.log" '^what ran: ended'
claim attack_78_keys_are_revoked waits 10 "$work/second.log" '^key: refused'
claim attack_78_it_is_on_record until_ 10 occurs 1 \
	'^record: .*dstack.revoke .*action=kill'
claim contracts_reason_is_told \
	says second 'follow: withdrawn: Exec policy revoked'

chain announce web "$(sha256 "$(policy 2)")" 2 >/dev/null
mined=$EPOCHREALTIME
claim policy_of_the_next_epoch_is_loaded \
	until_ 30 occurs 2 '^exec: allowed'
echo "# from transaction mined to first exec under it: $(seconds "$mined") s"
claim and_gives_keys_again until_ 10 occurs 2 '^key: given'

#
# Key epochs
#

# keys: how many different ones the container was given.
keys() {
	sed -n 's/^key: given, //p' "$work/second.log" | sort -u | wc -l
}

# has_keys NUMBER
has_keys() {
	test "$(keys)" -ge "$1"
}

claim keys_are_the_same_under_the_next_policy test "$(keys)" = 1
chain key-epoch >/dev/null
mined=$EPOCHREALTIME
claim guest_takes_up_the_next_key_epoch_without_restart until_ 60 has_keys 2
echo "# from transaction mined to a key of the next epoch: $(seconds "$mined") s"
claim attack_63_keys_of_two_epochs_differ test "$(keys)" = 2
claim its_disk_opens_with_the_key_of_that_epoch waits 30 "$work/second.log" \
	'follow: the disk opens with the key of key epoch 1'
machine_end second "$app_end_port"

# Both live: a machine that boots is given keys of the older one first.
lives=yes disk=second app third "$compose"
claim machine_that_boots_meanwhile_opens_the_disk_too \
	waits 400 "$work/third.log" '^disk: what second wrote'
claim and_its_keys_are_of_the_older waits 10 "$work/third.log" '^keys: 0'
claim and_it_takes_up_those_of_the_next waits 60 "$work/third.log" \
	'follow: new keys are of key epoch 1'
chain end-key-epoch 0 >/dev/null
claim attack_63_epoch_that_ended_is_retired_in_the_guest waits 60 \
	"$work/third.log" 'follow: key epoch 0 has ended: its keys are gone'

waits 60 "$work/third.log" '^exec: allowed'
chain deny web "$hash" >/dev/null
mined=$EPOCHREALTIME
claim compose_hash_that_is_taken_back_denies_execs_as_well \
	waits 30 "$work/third.log" '^exec: denied'
echo "# from transaction mined to first denied exec: $(seconds "$mined") s"
machine_end third "$app_end_port"

disk=third app fourth "$compose"
claim application_is_denied_once_a_transaction_takes_that_back waits 400 \
	"$work/fourth.log" 'refused: Boot denied: Compose hash not allowed'
chain allow web "$hash" >/dev/null
claim its_disk_goes_on_under_the_next_key_epoch \
	waits 150 "$work/fourth.log" '^disk: what third wrote'
claim and_its_keys_are_of_that waits 10 "$work/fourth.log" '^keys: 1'
ktap_finish
