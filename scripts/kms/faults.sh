#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A KMS that is killed, whose disk is full, and whom those that it asks leave
# alone: nothing is lost, nothing is given that may not be, and it goes on by
# itself.  Prints KTAP.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
test -n "${KMS_NETWORK-}" ||
	KMS_NETWORK=1 exec unshare --net --mount "$0" "$@"
work=build/kms-faults
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
# shellcheck source=scripts/kms/loopback.sh
. scripts/kms/loopback.sh

roots() {
	curl -sk "https://$at/prpc/GetMeta?json" | jq -er .k256_pubkey
}

# begin FILTER: with nothing that was before.
begin() {
	stop_kms
	rm -rf "$work"/{audit.jsonl,state}
	configure "$1"
	start_kms
}

given_and_refused() {
	asked ".given == $1 and .refused == $2 and .failed == 0"
}

# refused_all WHY: each of some, with that in the answer, and none is recorded.
refused_all() {
	local before
	before=$(given)
	ask --releases 20
	given_and_refused 0 20
	asked ".said.error | test(\"$1\")"
	test "$(given)" = "$before"
}

given_all() {
	ask --releases 20
	given_and_refused 20 0
}

#
# Killed
#

killed_while_it_gives() {
	local i asking
	for i in {1..8}; do
		ask --releases 3000 --clients 8 --fresh \
			--given "$work/given.$i" &
		asking=$!
		sleep "0.$((RANDOM % 9 + 1))"
		end_kms KILL
		wait "$asking"
		start_kms
		test "$(roots)" = "$first_roots"
	done
}

# Of all that anybody got, by evidence that nobody else has.
all_that_was_given_is_recorded() {
	sort -u "$work"/given.* >"$work/given"
	jq -r 'select(.refused == null) | .evidence' "$work/audit.jsonl" |
		sort -u >"$work/recorded"
	wc -l "$work/given" "$work/recorded"
	test "$(wc -l <"$work/given")" -ge 20
	comm -23 "$work/given" "$work/recorded" | no_line .
}

#
# Full
#

small=$work/small

fills_up() {
	ask --releases 400
	asked '.given > 0 and .refused > 0 and .failed == 0'
	asked '.said.error | test("write down.*No space left")'
	test "$(jq .given "$work/asked")" = "$(grep -c . "$small/audit.jsonl")"
}

room_comes() {
	mount -o remount,size=8M "$small"
	given_all
	build/userspace/test/kmsd-no-td --check-audit "$small/audit.jsonl"
}

no_roots_without_room() {
	head -c 8M /dev/zero >"$small/filler" 2>/dev/null || true
	configure ".state = \"$PWD/$small/state\""
	! start_kms || return 1
	grep 'No space left' "$work/kms.log"
	! test -e "$small/state/state"
}

roots_with_room() {
	rm "$small/filler"
	start_kms
	given_all
	stop_kms
}

#
# Alone
#

# A server that allows everything, at 127.0.0.1:9000.
webhook() {
	node -e 'require("http").createServer((q, r) => {
		q.resume().on("end", () => r.end(JSON.stringify({
			isAllowed: true, reason: "", gatewayAppId: "g" })));
	}).listen(9000, "127.0.0.1");' &
	hook=$!
	until curl -s -d '{}' http://127.0.0.1:9000/ >/dev/null; do
		sleep 0.1
	done
}

decided_by_webhook='.auth = {type: "webhook", timeout_ms: 500,
	url: "http://127.0.0.1:9000"}'
by_chain='.auth = {type: "chain", chain_id: 31337, timeout_ms: 500,
	kms_contract: ("0x" + "11" * 20), rpc_urls: ["http://127.0.0.1:9000"],
	known_code: {}}'
# Nobody is there, and no directory of it either.
no_collateral='.collateral = {url: "http://127.0.0.1:9001/",
	dir: (.collateral.dir + ".later")}'

collateral_comes() {
	mkdir -p "$work/collateral.later"
	cp "$work/collateral/"* "$work/collateral.later/"
	given_all
}

collateral_goes() {
	rm -r "$work/collateral.later"
	given_all
}

ktap_start
begin .
first_roots=$(roots)
claim killed_at_any_time_it_has_its_roots_again killed_while_it_gives
claim each_key_that_somebody_got_is_recorded all_that_was_given_is_recorded
claim record_is_whole_afterwards check_audit

stop_kms
mkdir "$small"
mount -t tmpfs -o size=128k,mode=700 tmpfs "$small"
configure ".audit = \"$PWD/$small/audit.jsonl\""
start_kms
claim with_a_full_disk_nothing_is_given_unrecorded fills_up
claim and_once_there_is_room_it_goes_on room_comes
stop_kms
claim roots_are_not_made_on_a_full_disk no_roots_without_room
claim and_once_there_is_room_they_are roots_with_room

webhook
begin "$decided_by_webhook"
claim with_who_decides_keys_are_given given_all
kill "$hook"
wait "$hook" || true
claim without_who_decides_none_are refused_all "authorization failed"
webhook
claim and_with_who_decides_again_they_are given_all
kill "$hook"
begin "$by_chain"
claim without_a_chain_none_are refused_all "authorization failed"

begin "$no_collateral"
claim without_collateral_no_evidence_is_good \
	refused_all "attestation verification failed: collateral"
claim and_with_collateral_it_is collateral_comes
claim collateral_that_is_known_lasts_while_it_is_valid collateral_goes
ktap_finish
