#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Keys follow the code that a chain approves, on one page: a KMS and an application
# in confidential VMs, and what transactions do to them. `make demo-kms` builds first
# and runs this in the lab.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/kms/parts.sh
. scripts/kms/parts.sh
# shellcheck source=scripts/demo/page.sh
. scripts/demo/page.sh
start=$SECONDS

# sees MACHINE SECONDS PATTERN: waits until it says that, and shows it.
sees() {
	waits "$2" "$work/$1.log" "$3" || die "$1 never says: $3"
	show grep -m 1 -hoE "($3).*" "$work/$1.log"
}

# transaction TEXT COMMAND...
transaction() {
	say "transaction: $1"
	chain "${@:2}" >/dev/null
	mined=$EPOCHREALTIME
}

# count PATTERN: how often the application's second machine has said that.
count() {
	grep -cE "$1" "$work/second.log" || true
}

# again SECONDS PATTERN BEFORE: until it says it once more than that.
again() {
	local end=$((SECONDS + $1))
	until test "$(count "$2")" -gt "$3"; do
		((SECONDS < end)) || die "the application never says: $2"
		sleep 0.05
	done
}

approve_kms() {
	sees kms 500 'attestation: '
	say "It has no keys, and may make none until the contract knows what it is:"
	sees kms 150 'OS image is not allowed'
	transaction "approve the image" image "$image"
	sees kms 150 'Aggregated MR not allowed'
	transaction "approve its measurements" \
		kms-mr "$(kms_attestation mr_aggregated)"
	sees kms 150 'KMS is not allowed to boot on this device'
	transaction "approve the device" \
		kms-device "$(kms_attestation device_id)"
	sees kms 150 'bootstrapped: '
	waits 150 "$work/kms.log" '^serving' || die "the KMS does not serve"
}

approve_app() {
	app_id=$(chain app web | tr 'A-F' 'a-f')
	say "its id, which is its contract's address: $app_id"
	compose=$(compose)
	app first "$compose"
	sees first 400 'refused: Boot denied: [A-Za-z ]*'
	transaction "approve the compose hash" allow web "$(sha256 "$compose")"
	sees first 150 '^disk: '
	machine_end first
}

move() {
	lives=yes disk=first app second "$compose" --memory 1G \
		--tdx "rtmr0=$hardware"
	sees second 400 '^disk: what first wrote'
	say "the KMS gave it the same key for its disk, and gives that to no other application"
	sees second 150 'exec: allowed'
	sees second 150 'key: given'
	say "a container runs the one program that its policy approves, and has keys"
}

revoke() {
	local execs keys
	transaction "announce the policy, epoch 1" \
		announce web "$(sha256 "$(policy 1)")" 1
	sees second 150 'follow: allowed by block [0-9]*'
	execs=$(count '^exec: denied')
	keys=$(count '^key: refused')
	transaction "revoke it" revoke web 1
	again 30 '^exec: denied' "$execs"
	say "from the mined transaction to the first exec that is denied: $(seconds "$mined") s"
	again 30 '^key: refused' "$keys"
	waits 30 "$work/second.log" '^what ran: ended' || die "it still runs"
	sees second 10 'follow: withdrawn: [^(]*'
	say "what ran is ended, and the keys are revoked; it is all in the event log:"
	sleep 2
	show sh -c "sed -n 's/^record: //p' '$work/second.log' |
		grep -E 'dstack.(policy|root)|action=kill' | tail -n 3"
}

renew() {
	local execs
	execs=$(count '^exec: allowed')
	transaction "announce another policy, epoch 2" \
		announce web "$(sha256 "$(policy 2)")" 2
	again 30 '^exec: allowed' "$execs"
	say "from the mined transaction to the first exec under it: $(seconds "$mined") s"
}

title "A chain with the contracts; a KMS boots in a confidential VM"
kms_host
kms_start kms
approve_kms

title "An application boots in a second one"
approve_app

title "It moves to a machine with other measurements of hardware, with its disk"
move

title "Its policy is revoked while it runs"
revoke

title "Another policy comes into force, without a restart"
renew

title "Done in $((SECONDS - start)) s; what the machines said is in build/kms"
