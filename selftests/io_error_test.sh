#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A disk that fails in the middle of a file: what cannot be read cannot be
# approved.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin io_error
mapper=$work/mapper program=$work/program library=$work/library
cp "$tests/prog_map" "$mapper"
variant "$program"
variant "$library" "$tests/libprobe.so"
# Bytes behind the end of an ELF file change nothing but the digest.
head -c 1M /dev/urandom | tee -a "$program" >>"$library"
policy "$mapper" "$program" "$library"
container
echo 'I/O error, dev loop' >>"$EXPECTED_MESSAGES"

# Two disks, of which each ends in the middle of its file.
modprobe loop
for file in "$program" "$library"; do
	image=$file.img disk=$file.disk
	truncate -s 8M "$image"
	mke2fs -q -t ext4 -b 4096 -O ^has_journal "$image"
	mkdir "$disk"
	mount -o loop "$image" "$disk" || die "can't mount a disk"
	cp "$file" "$disk/file"
	umount "$disk"
	blocks+=("$(debugfs -R 'bmap file 128' "$image" 2>/dev/null)")
	image "$image" "$disk" -o ro
done

claim approved_program_runs_from_this_disk \
	is "$(run "$program.disk/file")" hello
claim approved_library_is_mapped_from_this_disk \
	is "$(run "$mapper" "$library.disk/file")" mapped

# Mounted again, so that nothing of it is in memory.
for file in "$program" "$library"; do
	umount "$file.disk"
	mount -o loop,ro "$file.img" "$file.disk" || die "can't mount it again"
	truncate -s "$((blocks[0] * 4096))" "$file.img"
	blocks=("${blocks[@]:1}")
done

before=$(denied)
mark
measured=$(run "$mapper" "$library.disk/file")
measured_program=$(run "$program.disk/file")
state enforce
mapped=$(run "$mapper" "$library.disk/file")
ran=$(run "$program.disk/file")
events=$(events)
claim library_that_cannot_be_read_is_mapped_in_measure is "$measured" mapped
claim program_that_cannot_be_read_runs_in_measure is "$measured_program" hello
claim they_are_recorded_without_a_digest has "$events" \
	"dstack.(exec|map) id=$id digest=none reason=internal-error .*path=(program|library).disk/file\$" 2
claim library_that_cannot_be_read_is_eio is "$mapped" EIO
claim program_that_cannot_be_read_is_eio is "$ran" EIO
claim the_kernel_says_why has "$(dmesg)" \
	"dstack: (exec|map) in container $id denied: its digest is not known \(-5\)" 2
claim their_denials_are_recorded has "$events" \
	"dstack.deny id=$id kind=(exec|map) digest=none reason=internal-error count=1 .*path=(program|library).disk/file\$" 2
claim each_is_counted is $(($(denied) - before)) 4
claim register_is_replayed quote_is_replayed

finish
