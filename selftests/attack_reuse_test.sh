#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 26: another file comes to have all that a remembered digest knows an
# approved one by: inode number, generation, file system, device.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_reuse
good=$work/good bad=$work/bad disk=$work/disk
variant "$good"
variant "$bad"
modprobe -a loop btrfs xfs
policy "$good"
container

# What tells an inode from others as long as nobody looks inside.
identity() {
	echo "$(stat -c '%d %i %s %.Y' "$1") $(lsattr -v "$1" | cut -d' ' -f1)"
}

#
# The same inode number and generation, in one file system
#

# With checksums in its inodes ext4 lets nobody choose a generation.
truncate -s 16M "$work/disk.img"
mke2fs -q -t ext4 -O ^metadata_csum "$work/disk.img"
image "$work/disk.img" "$disk"
program=$disk/program

# recycle FILE: what is at $program goes, and FILE comes in its inode.
recycle() {
	local generation
	read -r generation _ < <(lsattr -v "$program")
	rm "$program"
	cp "$1" "$program"
	chattr -v "$generation" "$program"
	touch -d @1000000000 "$program"
}

# pair: what comes of the approved program, then of what has taken its place.
pair() {
	rm -f "$program"
	cp "$good" "$program"
	touch -d @1000000000 "$program"
	came=$(run "$program")
	identity=$(identity "$program")
	recycle "$bad"
	came+=" $(run "$program")"
}

mark
pair
events=$(events)
claim attack_26_inode_number_and_generation_were_recycled \
	is "$(identity "$program")" "$identity"
claim attack_26_file_in_a_recycled_inode_runs_in_measure \
	is "$came" 'hello hello'
claim attack_26_its_record_has_its_own_digest has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$bad") reason=unknown-digest " 1
state enforce
before=$(denied)
mark
pair
events=$(events)
claim attack_26_inode_number_and_generation_were_recycled_again \
	is "$(identity "$program")" "$identity"
claim attack_26_file_in_a_recycled_inode_denied is "$came" 'hello EACCES'
claim attack_26_its_denial_has_its_own_digest has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$bad") reason=unknown-digest count=1 " 1
claim attack_26_denial_is_counted is $(($(denied) - before)) 1

#
# The same file system, changed while it was not mounted
#

# overlay FILE: the program's blocks, which lie in one piece, become those of
# FILE, and nothing else in the image changes.
overlay() {
	local block
	block=$(debugfs -R 'bmap program 0' "$work/disk.img" 2>/dev/null)
	dd if="$1" of="$work/disk.img" bs="$block_size" seek="$block" \
		conv=notrunc status=none
}

# remount COMMAND...: which is run in between.  Of many super blocks one will
# be where another was.
remount() {
	umount "$disk"
	"$@"
	mount -o "loop=$loop" "$work/disk.img" "$disk" || die "can't mount again"
}

# between_mounts COUNT: what runs, each time with the other content below.
between_mounts() {
	local i
	came=
	for ((i = 0; i < $1; i++)); do
		came+="${came:+ }$(run "$program")"
		remount overlay "$bad"
		came+=" $(run "$program")"
		remount overlay "$good"
	done
}

cp "$good" "$program"
identity=$(identity "$program")
loop=$(findmnt -no SOURCE "$disk")
block_size=$(stat -f -c %S "$disk")
state measure
remount :
between_mounts 1
claim attack_26_file_changed_between_mounts_runs_in_measure \
	is "$came" 'hello hello'
state enforce
mark
between_mounts 2
events=$(events)
claim attack_26_file_changed_between_mounts_denied \
	is "$came" 'hello EACCES hello EACCES'
claim attack_26_it_had_the_same_identity is "$(identity "$program")" "$identity"
claim attack_26_its_first_denial_has_its_own_digest has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$bad") reason=unknown-digest count=2 " 1

#
# Another file system on the same device
#

other() {
	umount "$disk"
	cp /usr/share/td/xfs.img "$work/xfs.img"
	mount -o "loop=$loop" "$work/xfs.img" "$disk" || die "can't mount xfs"
	cp "$bad" "$program"
}

before="$(run "$program") $(stat -c %d "$program")"
other
claim attack_26_other_file_system_has_the_same_device \
	is "hello $(stat -c %d "$program")" "$before"
claim attack_26_file_of_another_file_system_denied is "$(run "$program")" EACCES

#
# A snapshot: one file system, one inode number, two files
#

truncate -s 200M "$work/btrfs.img"
mkfs.btrfs -q "$work/btrfs.img"
image "$work/btrfs.img" "$work/btrfs"
btrfs -q subvolume create "$work/btrfs/one"
cp "$good" "$work/btrfs/one/program"
btrfs -q subvolume snapshot "$work/btrfs/one" "$work/btrfs/two"
first=$(run "$work/btrfs/one/program")
cat "$bad" >"$work/btrfs/two/program"
claim attack_26_files_of_snapshots_have_one_inode_number is \
	"$(stat -c %i "$work/btrfs/one/program")" \
	"$(stat -c %i "$work/btrfs/two/program")"
claim attack_26_changed_file_of_a_snapshot_denied \
	is "$first $(run "$work/btrfs/two/program")" 'hello EACCES'
claim approved_file_that_was_snapshot_runs \
	is "$(run "$work/btrfs/one/program")" hello
claim attack_26_register_is_replayed quote_is_replayed

finish
