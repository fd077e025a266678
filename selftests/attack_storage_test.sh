#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Where a file lies makes no unapproved one run, and some places are refused.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_storage
good=$work/good bad=$work/bad mapper=$work/mapper
variant "$good"
variant "$bad"
cp "$tests/prog_map" "$mapper"

# place NAME DIR: both programs in DIR, whose file system is to be tested.
declare -A places
place() {
	cp "$good" "$bad" "$2" && places[$1]=$2
}

fs tmpfs "$work/tmpfs"
place tmpfs "$work/tmpfs"
fs ramfs "$work/ramfs"
place ramfs "$work/ramfs"
mkdir -p "/dev/shm/$id"
place dev_shm "/dev/shm/$id"
mkdir "$work/lower" "$work/upper" "$work/wdir"
cp "$good" "$bad" "$work/lower"
fs overlay "$work/overlay" -o \
	"lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/wdir"
places[overlayfs]=$work/overlay
places[proc_root]=/proc/self/root$work

# One page of 2 MiB, full of zeros: no ELF file can be mapped from there.
echo 2 >/proc/sys/vm/nr_hugepages
fs hugetlbfs "$work/huge"
truncate -s 2M "$work/huge/zeros"

mkdir "$work/fuse"
modprobe fuse
"$tests/prog_fuse" "$work/fuse" "$good" </dev/null || die "can't mount a fuse"
mounts+=("$work/fuse")

policy "$good" "$mapper"
container

#
# In measure
#

mark
for name in "${!places[@]}"; do
	measured[${#measured[@]}]="$name $(run "${places[$name]}/bad")"
done
by_fd=$(run -f "$bad")
by_proc_fd=$(run -p "$bad")
huge=$(run "$mapper" "$work/huge/zeros")
fuse=$(run "$work/fuse/file")
events=$(events)

for result in "${measured[@]}"; do
	claim "attack_02_unapproved_program_in_${result% *}_runs_in_measure" \
		is "${result#* }" hello
done
claim attack_02_unapproved_program_by_descriptor_runs_in_measure \
	is "$by_fd" hello
claim attack_02_unapproved_program_by_proc_fd_runs_in_measure \
	is "$by_proc_fd" hello
claim attack_02_unapproved_hugetlbfs_file_is_mapped_in_measure \
	is "$huge" mapped
claim attack_22_approved_program_on_fuse_runs_in_measure is "$fuse" hello
claim attack_22_its_record_says_untrusted_storage has "$events" \
	"dstack.exec id=$id digest=none reason=untrusted-storage .*path=fuse/file\$" 1
claim attack_02_each_is_recorded_with_its_sha256 has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$bad") reason=unknown-digest " \
	$((${#measured[@]} + 2))
claim attack_02_memory_is_told_from_disk has "$events" \
	"dstack.exec .*storage=memory path=(/dev/shm/$id|tmpfs|ramfs)/bad" 3

#
# In enforce
#

state enforce
mark
for name in "${!places[@]}"; do
	claim "attack_02_unapproved_program_in_${name}_denied" \
		is "$(run "${places[$name]}/bad")" EACCES
	claim "approved_program_in_${name}_runs_by_its_digest" \
		is "$(run "${places[$name]}/good")" hello
done
claim attack_02_unapproved_program_by_descriptor_denied \
	is "$(run -f "$bad")" EACCES
claim attack_02_unapproved_program_by_proc_fd_denied \
	is "$(run -p "$bad")" EACCES
claim attack_02_unapproved_hugetlbfs_file_denied \
	is "$(run "$mapper" "$work/huge/zeros")" EACCES
claim attack_22_approved_program_on_fuse_denied \
	is "$(run "$work/fuse/file")" EACCES
chmod 755 /sys/kernel/profiling
claim attack_02_sysfs_file_never_runs is "$(run /sys/kernel/profiling)" EACCES
events=$(events)
claim attack_22_deny_record_says_untrusted_storage has "$events" \
	"dstack.deny id=$id kind=exec .*reason=untrusted-storage .*path=fuse/file\$" 1
claim attack_02_deny_records_are_of_one_digest has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$bad") reason=unknown-digest count=4 " 1

#
# overlayfs: what counts is the inode that holds the data
#

over=$work/overlay/good upper=$work/upper/good
touch "$over"		# copies it up
mark
before=$(run "$over")
exec 3>>"$upper"
writing=$(run "$over")
state measure
open_in_measure=$(run "$over")
state enforce
exec 3>&-
closed=$(run "$over")
rewrite "$upper"
rewritten=$(run "$over")
events=$(events)
claim approved_program_in_upper_layer_runs is "$before" hello
claim attack_20_upper_file_open_for_writing_runs_in_measure \
	is "$open_in_measure" hello
claim attack_20_upper_file_open_for_writing_denied is "$writing" EACCES
claim attack_20_deny_record_says_open_for_writing has "$events" \
	"dstack.deny id=$id kind=exec .*reason=open-for-writing .*path=overlay/good\$"
claim attack_20_upper_file_runs_when_closed is "$closed" hello
claim attack_20_rewritten_upper_file_denied is "$rewritten" EACCES
claim attack_20_deny_record_has_the_new_digest has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$upper") reason=unknown-digest" 1

echo 0 >/proc/sys/vm/nr_hugepages
rm -rf "/dev/shm/$id"
finish
