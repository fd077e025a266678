#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# One file system upon another: class, digest and writers are those of the file
# that holds the data.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin stack
# Where the data is, and by which name the container runs it.
data=$work/data meta=$work/meta
mkdir "$data" "$meta" "$work/wdir"
for name in plain checked; do
	variant "$data/$name"
done
variant "$work/other"
digest=$(sha256 "$data/plain")
fsverity enable "$data/checked" || die "can't enable fs-verity"
policy "$data/plain" "$data/checked"
container
modprobe -a loop erofs btrfs || die "this kernel lacks a file system"

# overlayfs itself makes files that have metadata only: a mode that changes, and
# a name that then says where the data is.
fs overlay "$work/maker" -o "metacopy=on,redirect_dir=on,verity=on,index=off,\
lowerdir=$data,upperdir=$meta,workdir=$work/wdir"
mkdir "$work/maker/bin"
for name in plain checked; do
	chmod 555 "$work/maker/$name"
	mv "$work/maker/$name" "$work/maker/bin/$name"
done
umount "$work/maker"
mounts=()
fs overlay "$work/copied" -o \
	"ro,metacopy=on,redirect_dir=follow,verity=on,lowerdir=$meta:$data"
fs overlay "$work/apart" -o \
	"ro,metacopy=on,redirect_dir=follow,verity=on,lowerdir=$meta::$data"

# As composefs does it: names and modes in an image, data in files.
mkfs.erofs --quiet "$work/meta.img" "$meta" || die "can't make an erofs"
image "$work/meta.img" "$work/erofs" -t erofs
fs overlay "$work/composed" -o \
	"ro,metacopy=on,redirect_dir=follow,verity=on,lowerdir=$work/erofs::$data"

why() {
	dstackctl why --container "$id" --kind exec --json "$1" |
		jq -r '"\(.storage) \(.digest) \(.reason)"'
}

verity=$(fsverity measure "$data/checked")
verity=fsverity-${verity%% *}

#
# Class and digest
#

state enforce
for where in copied apart composed; do
	claim "metadata_are_${where}_and_nothing_else" \
		is "$(stat -c %a "$work/$where/bin/plain" "$data/plain" |
			paste -sd ' ')" '555 755'
	claim "program_whose_metadata_are_${where}_runs" \
		is "$(run "$work/$where/bin/plain")" hello
	claim "what_is_${where}_has_class_and_digest_of_its_data" \
		is "$(why "$work/$where/bin/plain")" \
		"disk sha256:$digest approved"
	claim "what_is_${where}_has_the_fsverity_of_its_data" \
		is "$(why "$work/$where/bin/checked")" \
		"fs-verity $verity approved"
done

#
# Who writes the data
#

try() {
	local where
	for where in copied apart composed; do
		run "$work/$where/bin/plain"
	done
}

state measure
mark
exec 3>>"$data/plain"
measured=$(try)
events=$(events)
state enforce
enforced=$(try)
exec 3>&-
closed=$(try)
claim attack_20_files_whose_data_are_open_for_writing_run_in_measure \
	is "$measured" $'hello\nhello\nhello'
claim attack_20_they_are_recorded_as_such has "$events" \
	"dstack.exec id=$id digest=none reason=open-for-writing .*path=(copied|apart|composed)/bin/plain\$" 3
claim attack_20_files_whose_data_are_open_for_writing_denied \
	is "$enforced" $'EACCES\nEACCES\nEACCES'
claim files_whose_data_are_closed_run is "$closed" $'hello\nhello\nhello'
rewrite "$data/plain"
claim attack_07_files_whose_data_were_rewritten_denied \
	is "$(try)" $'EACCES\nEACCES\nEACCES'

#
# Attack 22: an image that is a file of who knows whom
#

mkdir "$work/tree"
cp "$hello" "$work/tree/program"
policy "$hello"
mkfs.erofs --quiet "$work/tree.img" "$work/tree"
image "$work/tree.img" "$work/by_loop" -t erofs
mkdir "$work/by_file"
"$tests/prog_disk" mount "$work/tree.img" "$work/by_file" erofs >/dev/null ||
	die "can't mount a file"
mounts=("$work/by_file" "${mounts[@]}")
state measure
mark
measured=$(run "$work/by_file/program")
events=$(events)
state enforce
claim program_on_erofs_on_a_device_is_on_a_disk \
	has "$(why "$work/by_loop/program")" '^disk .* approved$'
claim program_on_erofs_on_a_device_runs is "$(run "$work/by_loop/program")" hello
claim attack_22_program_on_erofs_in_a_file_runs_in_measure is "$measured" hello
claim attack_22_its_record_says_untrusted_storage has "$events" \
	"dstack.exec id=$id digest=none reason=untrusted-storage .*path=by_file/program\$" 1
claim attack_22_program_on_erofs_in_a_file_denied \
	is "$(run "$work/by_file/program")" EACCES

#
# Copies that share their blocks
#

truncate -s 128M "$work/btrfs.img"
mkfs.btrfs -q "$work/btrfs.img" || die "can't make a btrfs"
image "$work/btrfs.img" "$work/btrfs" -t btrfs
cp "$hello" "$work/btrfs/program"
cp --reflink=always "$work/btrfs/program" "$work/btrfs/clone" ||
	die "no reflinks"
exec 3<>"$work/btrfs/clone"
claim program_runs_while_its_clone_is_open_for_writing \
	is "$(run "$work/btrfs/program")" hello
cat "$work/other" >"$work/btrfs/clone"
exec 3>&-
claim attack_07_clone_with_other_content_denied \
	is "$(run "$work/btrfs/clone")" EACCES
claim program_runs_after_its_clone_was_changed \
	is "$(run "$work/btrfs/program")" hello
claim program_on_btrfs_is_on_a_disk \
	has "$(why "$work/btrfs/program")" '^disk sha256:.* approved$'

finish
