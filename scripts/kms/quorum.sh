#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Three KMSs of the same roots, whose states take two of them to open: killed,
# started alone, together, and with an old disk.  Prints KTAP.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
test -n "${KMS_NETWORK-}" || KMS_NETWORK=1 exec unshare --net "$0" "$@"
work=build/kms-quorum
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
# shellcheck source=scripts/kms/loopback.sh
. scripts/kms/loopback.sh

no_fields="{}"

# url NUMBER
url() {
	echo "https://127.0.0.1:800$1"
}

# begin NUMBER: from now on that one runs; what it says is in NUMBER/log.
begin() {
	DSTACK_TEST_PKI=$pki build/userspace/test/kmsd-no-td \
		--config "$work/$1/kms.json" >>"$work/$1/log" 2>&1 &
	echo "$!" >"$work/$1/pid"
}

# finish_off SIGNAL NUMBER...: it has ended when this returns.
finish_off() {
	local number pid
	for number in "${@:2}"; do
		pid=$(<"$work/$number/pid")
		kill "-$1" "$pid"
		while kill -0 "$pid" 2>/dev/null; do
			sleep 0.05
		done
	done
}

# within SECONDS COMMAND...
within() {
	local end=$((SECONDS + $1))
	until "${@:2}" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# admin NUMBER METHOD [JSON]
admin() {
	curl -s --fail-with-body --unix-socket "$work/$1/admin.sock" \
		--json "${3-$no_fields}" "http://kms/prpc/$2?json"
}

# roots NUMBER: the public key of its roots, if it has any.
roots() {
	curl -sk --fail --json null "$(url "$1")/prpc/GetMeta?json" |
		jq -er .k256_pubkey
}

# has_roots NUMBER...
has_roots() {
	local number
	for number; do
		test "$(roots "$number")" = "$known"
	done
}

# said NUMBER PATTERN
said() {
	grep -qE "$2" "$work/$1/log"
}

make_kms() {
	mkdir -p "$work/$1"
	configure ".listen = [\"127.0.0.1:800$1\"] |
		.admin = [\"$PWD/$work/$1/admin.sock\"] |
		.state = \"$PWD/$work/$1/state\" |
		.audit = \"$PWD/$work/$1/audit.jsonl\" | del(.domain) |
		.app = \"$PWD/$work/app\" |
		.quorum = {keep: \"$PWD/$work/$1/keep\", k: 2, peers: (
			[1, 2, 3] - [$1] | map(\"https://127.0.0.1:800\\(.)\"))}"
	mv "$work/kms.json" "$work/$1/"
	begin "$1"
	within 20 test -S "$work/$1/admin.sock"
}

one_has_roots() {
	make_kms 1
	admin 1 Onboard.Bootstrap '{"domain": "127.0.0.1"}'
	within 20 roots 1
}

# The others take them over.
onboard() {
	make_kms "$1"
	admin "$1" Onboard.Onboard \
		"{\"source_url\": \"$(url 1)\", \"domain\": \"127.0.0.1\"}"
	within 20 has_roots "$1"
}

restart_alone() {
	finish_off KILL 1
	begin 1
	within 20 has_roots 1
}

# share_out NUMBER GENERATION
share_out() {
	local answer
	answer=$(admin "$1" Admin.ShareOut) || {
		echo "$answer"
		return 1
	}
	jq -e ".generation == $2 and .k == 2 and .n == 3" <<<"$answer"
}

# What it takes two for, one does not do.
alone_it_waits() {
	finish_off KILL 1 2 3
	begin 1
	within 20 said 1 'takes 2 shares and there are 1'
	! roots 1
}

# It serves, but nothing that takes roots.
gives_no_keys() {
	curl -sk --json null "$(url 1)/prpc/GetTempCaCert?json" |
		grep 'Service not found'
}

two_open_both() {
	begin 2
	within 30 has_roots 1 2
}

old_disk_waits() {
	finish_off TERM 1
	mv "$work/1/state" "$work/1/state.new"
	cp -a "$work/1/state.old" "$work/1/state"
	: >"$work/1/log"
	begin 1
	within 20 said 1 'share is of another generation'
	! roots 1
}

end_all() {
	cat "$work"/*/pid | xargs -r kill 2>/dev/null || true
	wait
}

# Whoever asks another KMS says which image it booted.
mkdir "$work/app"
jq -n --arg image "$image" '{kms_urls: [],
	vm_config: ({os_image_hash: $image} | tojson)}' \
	>"$work/app/.sys-config.json"

ktap_start
claim one_kms_has_roots one_has_roots
known=$(roots 1)
claim second_kms_takes_them_over onboard 2
claim third_kms_takes_them_over onboard 3
claim state_that_is_not_shared_opens_alone restart_alone
for number in 1 2 3; do
	claim "state_of_kms_${number}_is_shared_out" share_out "$number" 1
done
claim shared_state_does_not_open_alone alone_it_waits
claim who_waits_for_shares_gives_no_keys gives_no_keys
claim two_that_wait_open_each_others two_open_both
begin 3
claim third_opens_as_well within 30 has_roots 3
finish_off TERM 1
cp -a "$work/1/state" "$work/1/state.old"
begin 1
claim it_opens_again_with_the_others within 30 has_roots 1
claim it_is_shared_out_anew share_out 1 2
claim disk_from_before_that_does_not_open old_disk_waits
claim who_waits_ends_when_it_is_told_to finish_off TERM 1
rm -rf "$work/1/state"
mv "$work/1/state.new" "$work/1/state"
begin 1
claim new_disk_opens within 30 has_roots 1
ktap_finish
