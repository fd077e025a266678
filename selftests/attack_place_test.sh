#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 14: by another name, on another mount, below another root, in another
# namespace, an approved file is still approved and an unapproved one still not.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_place
# All of them are called "program", so that one command line fits both.
good=$work/good bad=$work/bad spot=$work/spot
mkdir "$good" "$bad" "$spot"
variant "$good/program"
variant "$bad/program"
for dir in "$good" "$bad"; do
	ln "$dir/program" "$dir/hardlink"
	ln -s program "$dir/symlink"
	: >"$dir/file"
done
modprobe overlay
policy "$good/program"
container

# Before the exec comes a bind mount of the host's, seen by the container.
mkdir "$work/bound"
bound() {
	mount --bind "$1" "$work/bound"
	run "$work/bound/program"
	umount "$work/bound"
}

place() {
	"$tests/prog_place" -c "$cgroup" "$@" 2>&1 </dev/null
}

# try NAME DIR: runs the program that is in DIR in the way of that name.
try() {
	local dir=$2
	case $1 in
	by_hardlink) run "$dir/hardlink" ;;
	by_symlink) run "$dir/symlink" ;;
	by_bind_mount) bound "$dir" ;;
	by_bind_mount_of_its_own)
		place -m -b "$dir/program:$dir/file" "$dir/file" ;;
	below_a_chroot) place -r "$dir" /program ;;
	below_a_pivoted_root) place -m -p "$dir" /program ;;
	in_a_mount_namespace) place -m "$dir/program" ;;
	in_a_user_namespace) place -u "$dir/program" ;;
	in_every_other_namespace) place -a "$dir/program" ;;
	below_a_pivoted_root_of_a_user_namespace)
		place -u -a -p "$dir" /program ;;
	on_a_bind_mount_of_a_user_namespace)
		place -u -b "$dir:$spot" "$spot/program" ;;
	on_a_tmpfs_of_a_user_namespace)
		place -u -t "$spot" -k "$dir/program:$spot/program" \
			"$spot/program" ;;
	on_an_overlay_of_a_user_namespace)
		place -u -o "$dir:$spot" "$spot/program" ;;
	below_a_chroot_to_a_tmpfs)
		place -u -t "$spot" -k "$dir/program:$spot/program" \
			-r "$spot" /program ;;
	esac
}

names=(
	by_hardlink by_symlink by_bind_mount by_bind_mount_of_its_own
	below_a_chroot below_a_pivoted_root in_a_mount_namespace
	in_a_user_namespace in_every_other_namespace
	below_a_pivoted_root_of_a_user_namespace
	on_a_bind_mount_of_a_user_namespace on_a_tmpfs_of_a_user_namespace
	on_an_overlay_of_a_user_namespace below_a_chroot_to_a_tmpfs
)

#
# In measure
#

before=$(denied)
mark
for name in "${names[@]}"; do
	came+=("$(try "$name" "$bad")")
done
events=$(events)
after=$(denied)
for i in "${!names[@]}"; do
	claim "attack_14_unapproved_program_${names[i]}_runs_in_measure" \
		is "${came[i]}" hello
done
claim attack_14_each_is_recorded_with_its_sha256 has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$bad/program") reason=unknown-digest " \
	${#names[@]}
claim attack_14_each_is_counted is $((after - before)) ${#names[@]}

#
# In enforce
#

state enforce
before=$(denied)
mark
for name in "${names[@]}"; do
	claim "attack_14_unapproved_program_${name}_denied" \
		is "$(try "$name" "$bad")" EACCES
done
events=$(events)
after=$(denied)
claim attack_14_the_first_denial_is_recorded has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$bad/program") reason=unknown-digest count=1 " 1
claim attack_14_denials_are_counted is $((after - before)) ${#names[@]}
claim attack_14_no_denied_program_is_recorded_as_run \
	has_not "$events" dstack.exec

mark
for name in "${names[@]}"; do
	claim "approved_program_${name}_runs" is "$(try "$name" "$good")" hello
done
events=$(events)
claim each_approved_exec_is_recorded has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$good/program") reason=approved " \
	${#names[@]}

# Below a name that is the other's for this process alone.
claim attack_14_unapproved_program_in_the_place_of_an_approved_one_denied is \
	"$(place -u -b "$bad/program:$good/program" "$good/program")" EACCES
claim approved_program_in_the_place_of_an_unapproved_one_runs is \
	"$(place -u -b "$good/program:$bad/program" "$bad/program")" hello
claim attack_14_register_is_replayed quote_is_replayed

finish
