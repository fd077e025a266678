#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# In a TD whose emulator was given the files in /copy: its registers are those
# that dstackctl computes of them.
set -u
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin measured
registers=/sys/devices/virtual/misc/tdx_guest/measurements

value() {
	od -An -v -tx1 "$registers/$1" | tr -d ' \n'
}
predicted() {
	dstackctl mr --emulated --json --kernel /copy/kernel \
		--initrd /copy/initrd --cmdline-file /copy/cmdline
}

is_not() {
	! is "$@" >/dev/null
}

mr=$(predicted)
for register in rtmr1 rtmr2; do
	claim "${register}_is_that_of_the_files" \
		is "$(value "$register:sha384")" "$(jq -r ".$register" <<<"$mr")"
done
echo . >>/copy/initrd
claim rtmr2_is_that_of_no_other_files \
	is_not "$(value rtmr2:sha384)" "$(predicted | jq -r .rtmr2)"
finish
