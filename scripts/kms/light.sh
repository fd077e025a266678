#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A KMS with a light client, started again and again: it goes on from what it
# believed.  The data are of a day in 2025, so that nothing of it is new enough for
# a key, and all of it is signed.  Prints KTAP.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
test -n "${KMS_NETWORK-}" || KMS_NETWORK=1 exec unshare --net "$0" "$@"
work=build/kms-light
vectors=${DSTACK_VECTORS-}/eth/mainnet
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
# shellcheck source=scripts/kms/loopback.sh
. scripts/kms/loopback.sh

test -d "$vectors" || {
	echo "1..0 # SKIP no eth/mainnet in DSTACK_VECTORS"
	exit 0
}
kept=$work/state/light-client
root=d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a

# began TIMES: so often, of all starts, it was at a checkpoint.
began() {
	local found
	found=$(grep -c ^bootstrap/ "$work/asked")
	test "$found" = "$1" || { cat "$work/asked" "$work/kms.log"; return 1; }
}

# start_at CHECKPOINT: and it has looked at the chain once.
start_at() {
	stop_kms
	rm -f "$work/kms.log"
	configure ".auth = {type: \"chain\", chain_id: 1, head_s: 0,
		kms_contract: (\"0x\" + \"11\" * 20), known_code: {},
		rpc_urls: [\"http://127.0.0.1:9000\"], light_client: {
			beacon_urls: [\"http://127.0.0.1:9001\"],
			checkpoint: \"0x$1\"}}"
	start_kms
	curl -sk "https://$at/prpc/GetMeta?json" | jq -e .ca_cert
}

# said PATTERN
said() {
	grep -E "$1" "$work/kms.log" || { cat "$work/kms.log"; return 1; }
}

says_nothing() {
	no_line "begins at its checkpoint" <"$work/kms.log"
}

begins_at_the_checkpoint() {
	start_at "$root"
	began 1
	says_nothing
}

is_beside_the_state() {
	test "$(stat -c %a "$kept")" = 600
	test "$(stat -c %s "$kept")" -ge 49440
}

goes_on() {
	start_at "$root"
	began "$1"
	says_nothing
	# From there, and not from the period of the checkpoint.
	tail -n 2 "$work/asked" | grep -qx 'updates?start_period=1422&count=16'
}

# not_used WHY TIMES
not_used() {
	start_at "$root"
	said "light client believed.*begins at its checkpoint: $1"
	began "$2"
}

change_byte() {
	printf '\x55\xaa' |
		dd of="$kept" bs=1 seek=20000 conv=notrunc status=none
}

another_checkpoint() {
	start_at "$(printf '%064d' 9)"
	said "begins at its checkpoint: it goes back to another checkpoint"
	# Nobody has that one, so that nothing was believed instead.
	cmp "$kept" "$work/before"
}

ktap_start
node scripts/kms/light.mjs "$vectors" >"$work/asked" &
until curl -s -o /dev/null http://127.0.0.1:9001/ready; do
	sleep 0.1
done
claim first_start_begins_at_the_checkpoint begins_at_the_checkpoint
claim what_it_believes_is_beside_its_state is_beside_the_state
claim next_start_goes_on_from_there goes_on 1
end_kms KILL
claim and_so_does_one_after_it_was_killed goes_on 1
change_byte
claim attack_79_changed_file_is_not_used not_used 'Bad message' 2
claim and_is_replaced_by_its_own goes_on 2
truncate -s 1000 "$kept"
claim attack_79_cut_file_is_not_used not_used 'Bad message' 3
rm "$kept"
claim without_a_file_it_is_a_first_start start_at "$root"
claim which_begins_at_the_checkpoint began 4
cp "$kept" "$work/before"
claim checkpoint_that_was_changed_counts another_checkpoint
claim and_the_first_one_goes_on_again goes_on 5
stop_kms
ktap_finish
