#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 23: a file changes because the disk below its file system does.  Nobody
# opens the file, so no hook sees it: from a container the disk is out of reach.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/mapper.sh
. "$tests/mapper.sh"

begin attack_disk
disk=$work/disk mnt=$work/mnt
cp "$tests/prog_disk" "$disk"
mkdir "$mnt" "$work/tree"
variant "$work/tree/program"
policy "$disk" "$work/tree/program"
container
mapper_begin
modprobe btrfs

# Disks as somebody in a container can make them: files.
for name in free used own; do
	mke2fs -q -t ext4 -b 4096 -O ^has_journal,verity -d "$work/tree" \
		"$work/$name.img" 8M || die "can't make $name"
	loops[${#loops[@]}]=$(losetup -f --show "$work/$name.img")
done
truncate -s 128M "$work/btrfs.img"
mkfs.btrfs -q "$work/btrfs.img" || die "can't make a btrfs"
loops[3]=$(losetup -f --show "$work/btrfs.img")
free=${loops[0]} used=${loops[1]} own=${loops[2]} btrfs=${loops[3]}
mkdir "$work/used"
mount "$used" "$work/used" || die "can't mount"
mounts=("$work/used")

# change FILE: what the program in this disk says; nothing of it is in memory.
change() {
	sync
	flip "$1" 'hello\x00'
	echo 1 >/proc/sys/vm/drop_caches
}

# reach HOW...: each, from the container.
reach() {
	local how
	for how; do
		run "$disk" "$how" "$used"
	done
}

# By both system calls.
mounts_of_all() {
	local how
	for how in "mount $own $mnt ext4" "fsmount $own $mnt ext4" \
			"mount $btrfs $mnt btrfs"; do
		# shellcheck disable=SC2086 # its arguments
		run "$disk" $how
		! mountpoint -q "$mnt" || umount "$mnt"
	done
}

#
# In measure
#

mark
before=$(reach read write direct)
mounted=$(mounts_of_all)
control=$(run "$disk" read /dev/mapper/control)
tried=$(events)
run "$disk" mount "$own" "$mnt" ext4 >/dev/null
first=$(run "$mnt/program")
change "$work/own.img"
mark
second=$(run "$mnt/program")
events=$(events)
umount "$mnt"
claim attack_23_container_opens_a_disk_in_use_in_measure \
	is "$before" $'done\ndone\ndone'
claim attack_23_container_mounts_a_disk_of_its_own_in_measure \
	is "$mounted" $'done\ndone\ndone'
claim attack_23_container_opens_device_mapper_in_measure is "$control" 'done'
claim attack_23_these_are_recorded_in_measure has "$tried" \
	"dstack.tamper id=$id what=(disk|mount) verdict=allowed count=1\$" 2
claim attack_23_program_changed_below_its_file_system_runs_as_approved \
	is "$first $second" 'hello Xello'
claim attack_23_its_record_has_the_digest_that_it_had has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$work/tree/program") reason=approved .*path=mnt/program\$" 1

#
# In enforce
#

state enforce
mark
claim attack_23_container_opens_no_disk_in_use \
	is "$(reach read write direct)" $'EPERM\nEPERM\nEPERM'
claim attack_23_container_mounts_no_disk \
	is "$(mounts_of_all)" $'EPERM\nEPERM\nEPERM'
claim attack_23_container_mounts_no_disk_that_the_host_has_mounted \
	is "$(run "$disk" mount "$used" "$mnt" ext4)" EPERM
claim attack_23_container_does_not_open_device_mapper \
	is "$(run "$disk" read /dev/mapper/control)" EPERM
events=$(events)
claim attack_23_denied_opens_are_recorded \
	has "$events" "dstack.tamper id=$id what=disk verdict=denied count="
claim attack_23_denied_mounts_are_recorded \
	has "$events" "dstack.tamper id=$id what=mount verdict=denied count="
claim container_opens_a_disk_that_nobody_uses \
	is "$(run "$disk" write "$free")" 'done'
claim container_opens_other_devices is "$(run "$disk" write /dev/null)" 'done'
claim container_mounts_what_needs_no_disk \
	is "$(run "$disk" mount none "$mnt" tmpfs)" 'done'
umount "$mnt"
claim host_opens_a_disk_in_use is "$("$disk" write "$used")" 'done'
claim host_mounts_a_disk is "$("$disk" mount "$free" "$mnt" ext4)" 'done'
umount "$mnt"

#
# What fs-verity makes of it
#

echo 'fs-verity .*: FILE CORRUPTED!' >>"$EXPECTED_MESSAGES"
cp "$hello" "$work/used/checked"
fsverity enable "$work/used/checked" || die "can't enable fs-verity"
policy "$disk" "$work/used/checked"
before=$(run "$work/used/checked")
umount "$work/used"
change "$work/used.img"
mount "$used" "$work/used"
mark
after=$(run "$work/used/checked")
claim approved_program_with_fsverity_runs is "$before" hello
claim attack_23_program_with_fsverity_changed_below_does_not_run \
	has_not "$after" ello
claim attack_23_its_digest_is_still_the_approved_one has "$(events)" \
	"dstack.exec id=$id digest=fsverity-sha256:[0-9a-f]{64} reason=approved .*storage=fs-verity .*path=used/checked\$"

umount "$work/used"
mounts=()
losetup -d "${loops[@]}"
finish
