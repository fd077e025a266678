#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the log says of root keys: which one it was, unless it is of this machine
# alone.
set -u
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin root
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"

root_end() {
	dstackctl key revoke --all >/dev/null
	end
}
trap root_end EXIT

# said: what the last event of a root key says, without the epoch.
said() {
	settle
	dstackctl log | sed -n 's/.*dstack\.root //p' | tail -n 1 |
		sed -E 's/ epoch=[0-9]+//'
}

# loaded KEY: what is said of one that was loaded.
loaded() {
	is "$(said)" "action=load app=$app_id key=$1"
}

id_of_newest() {
	dstackctl key list --json |
		jq -r '[.. | objects | select(.key_id)] | max_by(.epoch) | .key_id'
}

load_root
claim root_key_is_named_by_its_id loaded "$(id_of_newest)"
local_root=yes load_root
first=$(id_of_newest)
claim root_key_of_this_machine_alone_is_not_named loaded local
local_root=yes load_root
claim another_one_measures_the_same loaded local
claim and_is_another_one test "$(id_of_newest)" != "$first"
finish
