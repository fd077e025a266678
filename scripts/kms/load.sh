#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What a release of keys costs a KMS, beside what nobody can do without, and
# whether its memory grows: DSTACK_RELEASES of them, each by a connection of its
# own.  Prints KTAP.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
test -n "${KMS_NETWORK-}" || KMS_NETWORK=1 exec unshare --net "$0" "$@"
work=build/kms-load
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
# shellcheck source=scripts/kms/loopback.sh
. scripts/kms/loopback.sh

releases=${DSTACK_RELEASES:-2000}

measure() {
	configure .
	start_kms
	# Once without: what is made at first is made.
	ask --releases 100 --clients 16
	# What disturbs only adds: a ratio that is met once is the server's.
	for tries in 1 2 3; do
		ask --releases "$releases" --clients 16 --cost "$(kms)"
		! jq -e '.ratio <= 1.5' "$work/asked" >/dev/null || break
	done
	echo "$tries" >"$work/tries"
	stop_kms
}

each_release_is_recorded() {
	check_audit
	test "$(given)" = $((releases * $(<"$work/tries") + 100))
}

ktap_start
claim kms_gives_keys_to_many measure
test ! -s "$work/asked" || sed 's/^/# /' "$work/asked"
claim each_of_them_gets_keys asked ".given == $releases"
claim each_release_is_recorded each_release_is_recorded
claim release_costs_at_most_1.5_times_handshake_and_signatures \
	asked '.ratio <= 1.5'
# In KiB: a page here and there is the allocator's.
claim memory_does_not_grow asked '.rss_kib | .[9] - .[0] <= 1024'
ktap_finish
