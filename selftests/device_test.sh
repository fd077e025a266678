#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Block devices that check what they read: dm-verity, and dm-integrity with a
# key.  What lies on them is of a class of its own once they are registered.
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"
# shellcheck source=selftests/mapper.sh
. "$tests/mapper.sh"

begin device
mapper_begin

# Each image has these: "good" is approved, "bad" is not, and of "victim" a
# byte is changed on the disk.
mkdir "$work/tree"
for name in good bad victim; do
	variant "$work/tree/$name"
done
victim=$(tail -c 16 "$work/tree/victim")
policy "$work/tree/good" "$work/tree/victim"
container

erofs=$work/erofs.img ext4=$work/ext4.img
# A changed byte of a file is not to be one of its inode.
mkfs.erofs --quiet -E noinline_data "$erofs" "$work/tree" || die "can't make an erofs"
mke2fs -q -t ext4 -b 4096 -O ^has_journal -d "$work/tree" "$ext4" 8M ||
	die "can't make an ext4"
for fs in erofs ext4; do
	verity "$fs" "$work/$fs.img"
	mkdir "$work/$fs"
	mount -o ro "/dev/mapper/$id-$fs" "$work/$fs" || die "can't mount $fs"
	mounts=("$work/$fs" "${mounts[@]}")
done

class() {
	dstackctl why --container "$id" --kind exec --json "$1" |
		jq -r .storage
}

# says COMMAND...: what it says on stderr, and its status.
says() {
	local status=0
	{ "$@" >/dev/null || status=$?; } 2>&1
	echo "status $status"
}

#
# Registering
#

claim files_on_dm_verity_are_on_a_disk_before_it_is_registered \
	is "$(class "$work/erofs/good") $(class "$work/ext4/good")" 'disk disk'
mark
dstackctl device add "/dev/mapper/$id-erofs" "/dev/mapper/$id-ext4" ||
	die "can't register"
events=$(events)
listed=$(dstackctl device list)
for fs in erofs ext4; do
	claim "files_of_${fs}_on_registered_dm_verity_are_on_dm_verity" \
		is "$(class "$work/$fs/good")" dm-verity
	claim "registering_dm_verity_of_${fs}_is_an_event_with_its_root_hash" \
		has "$events" "dstack.device action=add class=dm-verity device=dm-[0-9]+ root=${roots[$fs]}\$" 1
	claim "device_list_has_dm_verity_of_$fs" \
		has "$listed" "^/dev/mapper/$id-$fs +dm-verity +${roots[$fs]}\$" 1
done
claim status_shows_the_devices has "$(dstackctl status)" \
	"^device +/dev/mapper/$id-erofs is dm-verity\$" 1

state enforce
mark
claim approved_program_on_dm_verity_runs is "$(run "$work/erofs/good")" hello
claim unapproved_program_on_dm_verity_denied \
	is "$(run "$work/erofs/bad")" EACCES
events=$(events)
claim records_say_dm_verity has "$events" \
	"dstack.(exec|deny) id=$id .*storage=dm-verity .*path=erofs/(good|bad)\$" 2

#
# What a policy makes of it
#

policy -t '.trust = {"exec": ["dm-verity"]}' "$work/tree/good"
claim unlisted_program_on_dm_verity_runs_where_that_is_trusted \
	is "$(run "$work/erofs/bad") $(run "$work/ext4/bad")" 'hello hello'
claim unlisted_program_on_a_disk_is_denied_where_dm_verity_is_trusted \
	is "$(run "$work/tree/bad")" EACCES
policy -t '.storage = {"exec": ["dm-verity"]}' "$work/tree/"{good,victim}
claim listed_program_on_dm_verity_runs_where_only_that_is_accepted \
	is "$(run "$work/erofs/good")" hello
claim listed_program_on_a_disk_is_denied_where_only_dm_verity_is_accepted \
	is "$(run "$work/tree/good")" EACCES
policy "$work/tree/"{good,victim}

mkdir "$work/upper" "$work/wdir"
fs overlay "$work/overlay" -o \
	"lowerdir=$work/erofs,upperdir=$work/upper,workdir=$work/wdir"
lower=$(class "$work/overlay/good")
echo >>"$work/overlay/good"
claim file_below_overlayfs_is_of_the_class_of_its_layer is "$lower" dm-verity
claim file_copied_up_is_of_the_class_of_the_upper_layer \
	is "$(class "$work/overlay/good")" disk
umount "$work/overlay"

#
# What is not registered
#

loop=$(losetup -f --show -r "$erofs")
dmsetup create "$id-linear" --readonly --table \
	"0 $(blockdev --getsz "$loop") linear $loop 0"
verity lax "$erofs" --ignore-corruption
verity once "$erofs" --check-at-most-once
claim disk_is_not_registered has \
	"$(says dstackctl device add "$loop")" 'not a device of device-mapper' 1
claim linear_device_is_not_registered has \
	"$(says dstackctl device add "/dev/mapper/$id-linear")" \
	'dm-linear does not count' 1
claim dm_verity_that_ignores_corruption_is_not_registered has \
	"$(says dstackctl device add "/dev/mapper/$id-lax")" \
	'it has ignore_corruption' 1
claim dm_verity_that_checks_once_is_not_registered has \
	"$(says dstackctl device add "/dev/mapper/$id-once")" \
	'it has check_at_most_once' 1
claim registered_device_is_not_registered_again has \
	"$(says dstackctl device add "/dev/mapper/$id-erofs")" \
	'registered already' 1
claim none_of_them_is_listed is \
	"$(dstackctl device list --json | jq length)" 2
dmsetup remove "$id-linear"
losetup -d "$loop"

#
# Attack 23: the disk is written below the file system
#

# Nothing of it is in memory.
forget() {
	umount "$work/$1"
	echo 3 >/proc/sys/vm/drop_caches
	mount -o ro "${2:-/dev/mapper/$id-$1}" "$work/$1" ||
		die "can't mount $1 again"
}

echo 'device-mapper: verity: .* data block [0-9]+ is corrupted' \
	>>"$EXPECTED_MESSAGES"
for fs in erofs ext4; do
	before=$(run "$work/$fs/victim")
	flip "$work/$fs.img" "$victim"
	forget "$fs"
	mark
	after=$(run "$work/$fs/victim")
	events=$(events)
	claim "approved_program_of_${fs}_on_dm_verity_runs" is "$before" hello
	claim "attack_23_changed_disk_of_${fs}_below_dm_verity_is_eio" \
		is "$after" EIO
	claim "attack_23_its_denial_of_${fs}_is_recorded" has "$events" \
		"dstack.deny id=$id kind=exec digest=none reason=internal-error .*storage=dm-verity .*path=$fs/victim\$" 1
	claim "attack_23_other_program_of_${fs}_runs" \
		is "$(run "$work/$fs/good")" hello
done

#
# Attack 23: the device becomes another one
#

other=$work/other.img
variant "$work/tree/good"
mkfs.erofs --quiet "$other" "$work/tree"
verity other "$other"
table=$(dmsetup table "$id-other")
claim registered_device_is_not_removed_by_device_mapper \
	is "$(says dmsetup remove --noudevsync "$id-ext4" | tail -n 1)" \
	'status 1'
before=$(class "$work/erofs/good")
dmsetup suspend "$id-erofs"
dmsetup load "$id-erofs" --readonly --table "$table"
dmsetup resume "$id-erofs"
claim registered_device_counts_until_its_table_changes is "$before" dm-verity
claim attack_23_device_with_another_root_hash_is_a_disk \
	is "$(class "$work/erofs/good")" disk
claim attack_23_device_list_says_that_it_changed has \
	"$(dstackctl device list)" "^/dev/mapper/$id-erofs +changed " 1

#
# Removing
#

mark
dstackctl device remove "/dev/mapper/$id-erofs" "/dev/mapper/$id-ext4"
events=$(events)
claim files_on_removed_device_are_on_a_disk is "$(class "$work/ext4/good")" disk
claim removing_is_an_event has "$events" \
	"dstack.device action=remove class=dm-verity device=dm-[0-9]+ root=(${roots[ext4]}|${roots[erofs]})\$" 2
claim removed_device_is_not_removed_again has \
	"$(says dstackctl device remove "/dev/mapper/$id-ext4")" \
	'not registered' 1
umount "$work/ext4" "$work/erofs"
claim removed_device_can_be_removed_by_device_mapper \
	dmsetup remove "$id-ext4"

#
# A device with a key
#

integrity keyed hmac-sha256
mkdir "$work/keyed"
mke2fs -q -t ext4 -b 4096 -O ^has_journal -d "$work/tree" \
	"/dev/mapper/$id-keyed"
mount -o ro "/dev/mapper/$id-keyed" "$work/keyed" || die "can't mount keyed"
mounts=("$work/keyed" "${mounts[@]}")
mark
dstackctl device add "/dev/mapper/$id-keyed"
claim files_on_keyed_dm_integrity_are_on_authenticated_storage \
	is "$(class "$work/keyed/victim")" authenticated
claim registering_it_is_an_event has "$(events)" \
	'dstack.device action=add class=authenticated device=dm-[0-9]+ root=none$' 1
claim approved_program_on_it_runs is "$(run "$work/keyed/victim")" hello
echo 'device-mapper: integrity: .* Checksum failed at sector' \
	>>"$EXPECTED_MESSAGES"
flip "$work/keyed.img" "$victim"
forget keyed
claim attack_23_changed_disk_below_dm_integrity_is_denied \
	has_not "$(run "$work/keyed/victim")" hello
integrity unkeyed crc32c
claim dm_integrity_without_a_key_is_not_registered has \
	"$(says dstackctl device add "/dev/mapper/$id-unkeyed")" \
	'it has no key' 1

#
# OFF lets go of all
#

state off
claim state_off_lets_go_of_the_devices \
	is "$(dstackctl device list --json | jq length)" 0
claim in_off_no_device_is_registered has \
	"$(says dstackctl device add "/dev/mapper/$id-keyed")" \
	'no hooks are held' 1

down TERM
dstackd --daemonize --device "/dev/mapper/$id-keyed" ||
	die "dstackd does not start"
claim dstackd_registers_what_it_is_told_to \
	is "$(class "$work/keyed/good")" authenticated
claim register_is_replayed quote_is_replayed

umount "$work/keyed"
mounts=()
dstackctl device remove "/dev/mapper/$id-keyed"
mapper_end
finish
