#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# One instance on two machines, whose evidence is equally good: attack 59, as a
# whole KMS sees it.  Prints KTAP.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
test -n "${KMS_NETWORK-}" || KMS_NETWORK=1 exec unshare --net "$0" "$@"
work=build/kms-leases
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
# shellcheck source=scripts/kms/loopback.sh
. scripts/kms/loopback.sh

lease_s=8
denied='this instance has its keys on another machine'

# on first|second INSTANCE: that instance asks once, on that machine.
on() {
	local pki=$pki
	test "$1" = first || pki=$work/second
	ask --releases 1 --clients 1 --first "$2"
}

last() {
	tail -n 1 "$work/audit.jsonl"
}

# recorded FILTER: whether that is true of the last one who asked.
recorded() {
	last | jq -e "$1" || { last; return 1; }
}

# is_given MACHINE INSTANCE: and where that is, is in a file from then on.
is_given() {
	on "$@"
	asked '.given == 1'
	recorded '.refused == null and .method == "GetAppKey"'
	last | jq -r .device_id >"$work/$1.is"
}

stays() {
	is_given "$@"
	recorded '.moved_from == null'
}

# moves MACHINE INSTANCE FROM
moves() {
	is_given "$1" "$2"
	recorded ".moved_from == \"$(<"$work/$3.is")\""
}

# is_denied MACHINE INSTANCE FROM: is told why, which is on record as well.
is_denied() {
	on "$1" "$2"
	asked ".refused == 1 and .failed == 0 and
		.said.error == \"Boot denied: $denied\""
	recorded ".refused == \"$denied\" and .key_epoch == null and
		.moved_from == \"$(<"$work/$3.is")\" and .moved_s < $lease_s"
}

# Under the same root: nothing else tells them apart.
are_two_machines() {
	cmp "$pki/root.pem" "$work/second/root.pem"
	! cmp "$work/first.is" "$work/second.is"
}

counted() {
	curl -s --unix-socket "$work/admin.sock" http://kms/metrics |
		awk -v "n=$1" '$1 == "dstack_kms_moved_total" { print; found = $2 }
			END { exit found != n }'
}

begin() {
	stop_kms
	rm -f "$work/audit.jsonl"
	configure ".lease_s = $1"
	start_kms
}

ktap_start
build/tdx-module/mkpki --from="$pki" --new-platform "$work/second"
begin 0
claim instance_is_given_its_keys stays first 7
claim another_is_on_another_machine stays second 8
claim which_is_all_that_differs are_two_machines
claim attack_59_is_only_noticed_without_a_lease moves second 7 first
claim attack_59_is_counted counted 1

begin "$lease_s"
claim instance_is_given_its_keys_and_a_lease stays first 7
claim another_instance_is_elsewhere stays second 8
claim attack_59_second_machine_is_denied is_denied second 7 first
claim attack_59_is_denied_each_time is_denied second 7 first
sleep $((lease_s - 2))
claim same_machine_is_given_them_again stays first 7
sleep 3
claim and_its_lease_began_anew is_denied second 7 first
sleep "$lease_s"
claim second_machine_is_given_them_later moves second 7 first
claim attack_59_first_machine_is_denied_then is_denied first 7 second
claim attack_59_is_counted_each_time counted 5
claim record_is_whole_afterwards check_audit
ktap_finish
