#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Root extends the register past the log.  Where that is let happen, no quote
# of this boot verifies any more: this runs late.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

attribute=/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384
if ! test -w "$attribute"; then
	echo "1..0 # SKIP no attribute extends this register"
	exit 0
fi

begin attack_register
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"
program=$work/program
variant "$program"
busybox=$(command -v busybox)
policy "$program" "$busybox"
container
cat >>"$EXPECTED_MESSAGES" <<-'MESSAGES'
	rtmr3:sha384: opened for writing by
	the register was extended by somebody else
MESSAGES

# extend [FILE]: by 48 bytes; what comes of it.
extend() {
	if printf '%048d' 0 2>/dev/null >"${1-$attribute}"; then
		echo extended
	else
		echo refused
	fi
}

register() {
	dstackctl status --json | jq -r '"\(.register) \(.diverged)"'
}

#
# In enforce
#

state enforce
mark
refused=$(extend)
# A file system of its own, by another name, from another network namespace.
mkdir "$work/sys"
elsewhere=$(unshare --net --mount bash -c "
	mount -t sysfs sysfs $work/sys &&
	printf '%048d' 0 >$work/sys/${attribute#/sys/}" 2>/dev/null &&
	echo extended)
linked=$(ln -s "$attribute" "$work/link"; extend "$work/link")
read_only=$(wc -c <"$attribute")
events=$(events)
claim attack_39_register_is_not_extended_by_root_in_enforce is "$refused" refused
claim attack_39_nor_through_another_sysfs is "$elsewhere" ''
claim attack_39_nor_through_a_link is "$linked" refused
claim attack_39_attempts_are_recorded has "$events" \
	"dstack.register id=host verdict=denied count=[0-9]+ path=" 2
claim attack_40_container_extends_no_other_either \
	has "$(run "$busybox" dd if=/dev/zero bs=48 count=1 \
		"of=${attribute/rtmr3/rtmr2}")" 'Permission denied' 1
claim attack_40_host_does is "$(extend "${attribute/rtmr3/rtmr2}")" extended
claim register_can_be_read is "$read_only" 48
claim attack_39_the_next_quote_is_replayed quote_is_replayed
claim attack_39_register_is_the_logs is "$(register | cut -d' ' -f2)" false

#
# Where it is let happen
#

state measure
load_root
keys_before=$(dstackctl key list --json | jq length)
mark
extended=$(extend)
claim attack_39_register_is_extended_by_root_in_measure is "$extended" extended
claim attack_39_the_next_quote_is_refused \
	has "$(dstackctl quote --out "$work/quote" 2>&1)" 'extended|recover'
claim attack_39_root_keys_were_there is "$keys_before" 1
claim attack_39_root_keys_are_wiped is "$(dstackctl key list --json | jq length)" 0
claim attack_39_no_root_key_is_taken_any_more \
	has "$(dstackctl key load --app-id "$app_id" --epoch 9999 \
	--file "$work/root" 2>&1)" 'until the next boot'
claim attack_39_divergence_is_reported is "$(register | cut -d' ' -f2)" true
claim attack_39_approved_program_runs_in_measure is "$(run "$program")" hello
state enforce
claim attack_39_nothing_runs_any_more_in_enforce is "$(run "$program")" EACCES
claim attack_39_why_says_so has "$(dstackctl why --container "$id" "$program")" \
	'register-diverged'

finish
