#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 3: a program that never had a name.  A memfd counts by its digest, but
# only if nobody can change it any more; so does no other memory of this kind.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_memfd
good=$work/good bad=$work/bad
variant "$good"
variant "$bad"
policy "$good"
container

memfd() {
	"$tests/prog_memfd" -c "$cgroup" "$@" 2>&1 </dev/null
}

# Nothing keeps these from being written while they run.
declare -A open=(
	[without_flags]=''
	[with_mfd_exec]=-x
	[by_proc_fd]='-x -p'
	[sealed_against_writes_only]='-x -s w'
	[that_may_grow]='-x -s ws'
	[that_may_shrink]='-x -s wg'
	[with_a_writable_mapping]='-x -k -s fsg'
)
# ... these.
declare -A sealed=(
	[sealed]='-x -s wsg'
	[sealed_without_mfd_exec]='-s wsg'
	[sealed_by_proc_fd]='-x -p -s wsg'
	[sealed_against_future_writes_too]='-x -s wfsg'
	[sealed_as_executable]='-x -s x'
)

# try FILE NAME...: what comes of a copy of FILE in each of these ways.
try() {
	local file=$1 name
	shift
	for name; do
		# shellcheck disable=SC2086 # options
		came[$name]=$(memfd ${open[$name]-} ${sealed[$name]-} "$file")
	done
}

declare -A came

#
# In measure
#

before=$(denied)
mark
try "$bad" "${!open[@]}" "${!sealed[@]}"
mapped=$(memfd -m -x "$bad")
attached=$(memfd -i "$bad")
events=$(events)
after=$(denied)
for name in "${!open[@]}" "${!sealed[@]}"; do
	claim "attack_03_memfd_${name}_runs_in_measure" is "${came[$name]}" hello
done
claim attack_03_memfd_is_mapped_in_measure is "$mapped" mapped
claim attack_03_shared_memory_is_mapped_in_measure is "$attached" mapped
claim attack_03_each_memfd_that_can_change_is_recorded has "$events" \
	"dstack.exec id=$id digest=none reason=unsealed-memfd epoch=$epoch storage=memfd-open " \
	${#open[@]}
claim attack_03_each_sealed_memfd_is_recorded_with_its_sha256 has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$bad") reason=unknown-digest epoch=$epoch storage=memfd " \
	${#sealed[@]}
claim attack_03_mappings_are_recorded has "$events" \
	"dstack.map id=$id digest=none reason=(unsealed-memfd epoch=$epoch storage=memfd-open|memory epoch=$epoch storage=memory) " 2
claim attack_03_all_are_counted \
	is $((after - before)) $((${#open[@]} + ${#sealed[@]} + 2))

#
# In enforce
#

state enforce
before=$(denied)
mark
try "$bad" "${!open[@]}" "${!sealed[@]}"
events=$(events)
after=$(denied)
for name in "${!open[@]}" "${!sealed[@]}"; do
	claim "attack_03_unapproved_memfd_${name}_denied" is "${came[$name]}" EACCES
done
claim attack_03_first_denial_of_an_open_memfd_is_recorded has "$events" \
	"dstack.deny id=$id kind=exec digest=none reason=unsealed-memfd count=1 " 1
claim attack_03_first_denial_of_a_sealed_memfd_is_recorded has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$bad") reason=unknown-digest count=1 .*storage=memfd " 1
claim attack_03_no_denied_memfd_is_recorded_as_run has_not "$events" dstack.exec
claim attack_03_all_denials_are_counted \
	is $((after - before)) $((${#open[@]} + ${#sealed[@]}))

before=$(denied)
mark
mapped=$(memfd -m -x "$bad")
sealed_mapped=$(memfd -m -x -s wsg "$bad")
attached=$(memfd -i "$bad")
events=$(events)
claim attack_03_memfd_is_not_mapped is "$mapped" EACCES
claim attack_03_unapproved_sealed_memfd_is_not_mapped is "$sealed_mapped" EACCES
claim attack_03_shared_memory_is_not_mapped is "$attached" EACCES
claim attack_03_denied_mappings_are_recorded has "$events" \
	"dstack.deny id=$id kind=map digest=(none reason=unsealed-memfd|sha256:$(sha256 "$bad") reason=unknown-digest) count=1 " 2
claim attack_03_denied_mappings_are_counted is $(($(denied) - before)) 3

try "$good" "${!open[@]}" "${!sealed[@]}"
for name in "${!open[@]}"; do
	claim "attack_03_approved_memfd_${name}_denied" is "${came[$name]}" EACCES
done
for name in "${!sealed[@]}"; do
	claim "approved_memfd_${name}_runs" is "${came[$name]}" hello
done
claim approved_sealed_memfd_is_mapped is "$(memfd -m -x -s wsg "$good")" mapped
claim attack_03_shared_memory_of_an_approved_file_is_not_mapped \
	is "$(memfd -i "$good")" EACCES
claim attack_03_register_is_replayed quote_is_replayed

finish
