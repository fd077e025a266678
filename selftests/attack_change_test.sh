#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Approved files that become other files: by name, by inode, in place.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_change
program=$work/program library=$work/library waiter=$work/waiter
variant "$program"
variant "$library" "$tests/libprobe.so"
cp "$tests/prog_map" "$waiter"
cp "$program" "$work/program.saved"
cp "$library" "$work/library.saved"
variant "$work/other"
policy "$program" "$library" "$waiter"
container

# swap FILE: its path becomes another, unapproved file's.
swap() {
	mv "$1" "$1.aside"
	cp "$work/other" "$1"
}

unswap() {
	mv "$1.aside" "$1"
}

digest_of() {
	sed -n "s/.*$1 .*digest=sha256:\([0-9a-f]*\) .*/\1/p" <<<"$2" |
		paste -sd ' '
}

#
# In measure all of them run, and the records tell them apart
#

mark
for deed in : "swap $program" "unswap $program" "rewrite $program"; do
	$deed
	digests+=${digests:+ }$(sha256 "$program")
	outputs+=${outputs:+ }$(run "$program")
done
events=$(events)
cp "$work/program.saved" "$program"

claim attack_13_other_files_of_the_path_run_in_measure \
	is "$outputs" 'hello hello hello hello'
claim attack_13_each_record_has_the_digest_of_its_content \
	is "$(digest_of dstack.exec "$events")" "$digests"

#
# In enforce
#

state enforce
mark
outputs=
for deed in : "swap $program" "unswap $program" "rewrite $program" \
		"cp $work/program.saved $program"; do
	$deed
	outputs+=${outputs:+ }$(run "$program")
done
events=$(events)
claim attack_13_decision_follows_the_content_not_the_path \
	is "$outputs" 'hello EACCES hello EACCES hello'

mark
inode=$(stat -c '%i %s %.Y' "$program")
before=$(run "$program")
rewrite "$program"
after=$(run "$program")
events=$(events)
claim attack_13_rewrite_kept_inode_size_and_mtime \
	is "$(stat -c '%i %s %.Y' "$program")" "$inode"
claim attack_13_program_rewritten_in_place_denied \
	is "$before $after" 'hello EACCES'
claim attack_13_deny_record_has_the_new_digest has "$events" \
	"dstack.deny .*digest=sha256:$(sha256 "$program") reason=unknown-digest" 1
cp "$work/program.saved" "$program"

# An inode number that another file gets, as unlink and create give it on a
# file system with a journal.
truncate -s 8M "$work/disk.img"
mke2fs -q -t ext4 "$work/disk.img"
mkdir "$work/disk"
modprobe loop
mount -o loop "$work/disk.img" "$work/disk" || die "can't mount a disk image"
mounts+=("$work/disk")
recycled=$work/disk/recycled
cp "$program" "$recycled"
inode=$(stat -c %i "$recycled")
before=$(run "$recycled")
rm "$recycled"
cp "$work/other" "$recycled"
claim attack_26_inode_number_was_recycled \
	is "$(stat -c %i "$recycled")" "$inode"
claim attack_26_other_file_of_this_inode_denied \
	is "$before $(run "$recycled")" 'hello EACCES'

ln "$program" "$work/hardlink"
touch "$work/bound"
mount --bind "$program" "$work/bound"
mounts+=("$work/bound")
claim attack_14_hardlink_of_approved_program_runs \
	is "$(run "$work/hardlink")" hello
claim attack_14_bind_mount_of_approved_program_runs \
	is "$(run "$work/bound")" hello

#
# Writing to what runs
#

# write_error FILE: what opening it for writing gives.
write_error() {
	(exec 3>>"$1") 2>&1 | sed 's/.*: //'
}

coproc { exec "$tests/prog_run" -c "$cgroup" "$waiter" "$library" "$library"; }
waiter_pid=$COPROC_PID
exec {to}>&"${COPROC[1]}" {from}<&"${COPROC[0]}"
read -r first <&"$from"

claim attack_19_write_to_running_program_fails \
	is "$(write_error "$waiter")" 'Text file busy'
claim attack_19_library_is_mapped is "$first" mapped
mark
rewrite "$library"
new_digest=$(sha256 "$library")
echo >&"$to"
read -r second <&"$from"
wait "$waiter_pid"
exec {to}>&- {from}<&-
claim attack_19_next_mapping_of_rewritten_library_denied is "$second" EACCES
claim attack_19_deny_record_has_the_new_digest has "$(events)" \
	"dstack.deny id=$id kind=map digest=sha256:$new_digest reason=unknown-digest .*path=library\$" 1

state measure
claim attack_19_rewritten_library_is_mapped_in_measure \
	is "$(run "$waiter" "$library")" mapped
cp "$work/library.saved" "$library"

#
# Open for writing while it is executed or mapped
#

cp "$library" "$work/second"
exec 3>>"$program" 4>>"$library" 5>>"$work/second"
mark
measured=$(run "$waiter" "$library")
run "$waiter" "$work/second" >/dev/null
state enforce
mapped=$(run "$waiter" "$library")
executed=$(run "$program")
exec 3>&- 4>&- 5>&-
events=$(events)
claim attack_20_library_open_for_writing_is_mapped_in_measure \
	is "$measured" mapped
claim attack_20_each_such_library_is_recorded_in_measure has "$events" \
	"dstack.map id=$id .*reason=open-for-writing .*path=(library|second)\$" 2
claim attack_20_library_open_for_writing_denied is "$mapped" EACCES
claim attack_20_deny_record_says_open_for_writing has "$events" \
	"dstack.deny id=$id kind=map .*reason=open-for-writing .*path=library\$" 1
claim attack_20_program_open_for_writing_is_never_run \
	is "$executed" ETXTBSY
claim attack_20_both_run_when_closed is \
	"$(run "$waiter" "$library") $(run "$program")" 'mapped hello'

finish
