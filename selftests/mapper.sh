# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Devices of device-mapper for tests, each called $id-NAME; besides lib.sh.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# Nobody runs udev here.
export DM_DISABLE_UDEV=1
declare -A roots

mapper_begin() {
	modprobe -a loop dm-verity dm-integrity ||
		die "this kernel has no device-mapper"
	echo 'device-mapper: core: CONFIG_IMA_' >>"$EXPECTED_MESSAGES"
}

# verity NAME IMAGE [OPTION]...: opens it; its root hash is in ${roots[NAME]}.
verity() {
	local text
	text=$(veritysetup format "$2" "$work/$1.hash") ||
		die "can't format $1"
	[[ $text =~ Root\ hash:[[:space:]]*([0-9a-f]+) ]] ||
		die "no root hash: $text"
	roots[$1]=${BASH_REMATCH[1]}
	veritysetup open "${@:3}" "$2" "$id-$1" "$work/$1.hash" "${roots[$1]}" ||
		die "can't open $1"
}

# integrity NAME ALGORITHM: a device of 16 MiB on $work/NAME.img.
integrity() {
	local options=(--integrity "$2")
	truncate -s 16M "$work/$1.img"
	if [[ $2 = hmac-* ]]; then
		head -c 32 /dev/urandom >"$work/$1.key"
		options+=(--integrity-key-file "$work/$1.key"
			--integrity-key-size 32)
	fi
	integritysetup format -q "${options[@]}" "$work/$1.img" >/dev/null ||
		die "can't format $1"
	integritysetup open "${options[@]}" "$work/$1.img" "$id-$1" ||
		die "can't open $1"
}

# flip FILE PATTERN: changes the first byte of the last match in FILE.
flip() {
	local at
	at=$(LC_ALL=C grep -aboP "$2" "$1" | cut -d: -f1 | tail -n 1)
	test -n "$at" || die "no '$2' in $1"
	printf X | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

mapper_end() {
	local name
	for name in /dev/mapper/"$id"-*; do
		test ! -e "$name" || dmsetup remove "${name##*/}"
	done
}
