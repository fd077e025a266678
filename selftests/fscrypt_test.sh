#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# An encrypted directory whose key goes from the module to the file system.
set -u
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin fscrypt
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"
modprobe loop 2>/dev/null

fscrypt_end() {
	dstackctl key revoke --all >/dev/null
	end
}
trap fscrypt_end EXIT

truncate -s 32M "$work/disk.img"
mkfs.ext4 -q -O encrypt "$work/disk.img" || die "can't make a file system"
host_keys '[{path: "home/", kinds: ["bytes"], scope: ["app"],
	delivery: ["fscrypt"]}]'
load_root

mount_disk() {
	mount -o loop "$work/disk.img" "$work/mnt"
}

directory_is_encrypted_with_the_key() {
	mkdir "$work/mnt" && mount_disk && mkdir "$work/mnt/home" &&
		"$tests/prog_fscrypt" home/me "$work/mnt/home" &&
		echo 'written through fscrypt' >"$work/mnt/home/file" &&
		umount "$work/mnt"
}

locked_directory_shows_nothing() {
	mount_disk || return
	! grep -rq 'written through fscrypt' "$work/mnt/home" 2>/dev/null &&
		! test -e "$work/mnt/home/file"
}

disk_does_not_hold_the_content() {
	sync
	! grep -q 'written through fscrypt' "$work/disk.img"
}

# On one that is encrypted the same policy is set again.
key_opens_it_again() {
	"$tests/prog_fscrypt" home/me "$work/mnt/home" &&
		grep -q 'written through fscrypt' "$work/mnt/home/file"
}

other_key_does_not() {
	local status=0
	umount "$work/mnt" && mount_disk || return
	"$tests/prog_fscrypt" home/you "$work/mnt/home" 2>&1 && status=1
	test "$status" = 0 && ! test -e "$work/mnt/home/file"
}

path_that_is_not_approved_is_refused() {
	! "$tests/prog_fscrypt" other "$work/mnt/home" 2>&1
}

unmounted() {
	umount "$work/mnt"
}

claim fscrypt_key_goes_to_the_file_system directory_is_encrypted_with_the_key
claim fscrypt_directory_without_key_shows_nothing locked_directory_shows_nothing
claim fscrypt_disk_is_not_in_the_clear disk_does_not_hold_the_content
claim fscrypt_key_opens_it_again key_opens_it_again
claim fscrypt_other_key_does_not other_key_does_not
claim fscrypt_path_that_is_not_approved_is_refused \
	path_that_is_not_approved_is_refused
claim fscrypt_file_system_goes unmounted
finish
