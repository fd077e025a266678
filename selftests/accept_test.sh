#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What a section accepts and trusts of the storage that files rest on, kind by
# kind.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin accept
good=$work/good bad=$work/bad mapper=$work/mapper maker=$work/maker
library=$work/library badlib=$work/badlib script=$work/script
badscript=$work/badscript
variant "$good"
variant "$bad"
variant "$library" "$tests/libprobe.so"
variant "$badlib" "$tests/libprobe.so"
cp "$tests/prog_map" "$mapper"
cp "$tests/prog_memfd" "$maker"
printf '#!%s\n# good\n' "$good" >"$script"
printf '#!%s\n# bad\n' "$good" >"$badscript"
chmod 755 "$script" "$badscript"
fs tmpfs "$work/tmpfs"
cp "$good" "$bad" "$library" "$badlib" "$script" "$badscript" "$work/tmpfs"
files=("$good" "$library" "$script" "$mapper" "$maker")
memory=$work/tmpfs

# try DIR PREFIX: what comes of program, library and script there.
try() {
	echo "$(run "$1/$2good") $(run "$mapper" "$1/$2library")" \
		"$(run "$1/$2script")"
}

# On a tmpfs; those that no entry names.
try_bad() {
	echo "$(run "$memory/bad") $(run "$mapper" "$memory/badlib")" \
		"$(run "$memory/badscript")"
}

reason() {
	dstackctl why --container "$id" --kind "$1" --json "$2" |
		jq -r '"\(.storage) \(.reason) \(.errno)"'
}

all="hello mapped hello $memory/script"
all_bad="hello mapped hello $memory/badscript"

#
# Without a word about storage, each class that a policy can accept is
#

policy "${files[@]}"
container
state enforce
claim approved_files_on_disk_run is "$(try "$work" '')" \
	"hello mapped hello $script"
claim approved_files_in_memory_run is "$(try "$memory" '')" "$all"
claim approved_program_in_a_sealed_memfd_runs \
	is "$(run "$maker" -x -s wsg "$good")" hello
claim unapproved_files_in_memory_denied is "$(try_bad)" "EACCES EACCES EACCES"

#
# A class that is not accepted is refused, for this kind and no other
#

policy -t '.storage = {"exec": ["disk"]}' "${files[@]}"
mark
came=$(try "$memory" '')
memfd=$(run "$maker" -x -s wsg "$good")
why=$(reason exec "$memory/good")
why_map=$(reason map "$memory/library")
events=$(events)
claim attack_22_program_in_memory_denied_where_exec_accepts_disk \
	is "$came" "EACCES mapped hello $memory/script"
claim attack_22_its_denial_says_so has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$good") reason=untrusted-storage count=1 .*storage=memory path=tmpfs/good\$" 1
claim program_in_a_sealed_memfd_denied_where_exec_accepts_disk \
	is "$memfd" EACCES
claim why_says_that_its_storage_is_not_accepted \
	is "$why" "memory untrusted-storage 13"
claim why_approves_the_library is "$why_map" "memory approved 0"
state measure
mark
came=$(run "$memory/good")
claim attack_22_it_runs_in_measure is "$came" hello
claim attack_22_its_record_says_that_it_would_be_denied has "$(events)" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$good") reason=untrusted-storage .*storage=memory path=tmpfs/good\$" 1
state enforce

policy -t '.storage = {"map": ["disk"], "script": []}' "${files[@]}"
claim library_and_script_denied_where_theirs_is_not_accepted \
	is "$(try "$memory" '')" "hello EACCES EACCES"
claim script_denied_on_every_storage_where_none_is_accepted \
	is "$(try "$work" '')" "hello mapped EACCES"

#
# A class that is trusted needs no entry, for this kind and no other
#

policy -t '.trust = {"exec": ["memory"]}' "${files[@]}"
mark
came=$(try_bad)
events=$(events)
claim unapproved_program_in_trusted_memory_runs \
	is "$came" "hello EACCES EACCES"
claim its_record_says_approved_and_by_which_storage has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$bad") reason=approved .*storage=memory path=tmpfs/bad\$" 1
claim unapproved_program_on_disk_denied is "$(run "$bad")" EACCES
policy -t '.trust = {"exec": ["memory"], "map": ["memory"],
	"script": ["memory"]}' "${files[@]}"
claim unapproved_files_in_memory_trusted_for_all_kinds_run \
	is "$(try_bad)" "$all_bad"
policy "${files[@]}"
claim unapproved_files_denied_when_trust_ends \
	is "$(try_bad)" "EACCES EACCES EACCES"

#
# fs-verity is a class of its own, whatever the file system
#

sealed=$work/sealed
variant "$sealed"
only_verity='.storage = {"exec": ["fs-verity"]}'
policy -t "$only_verity" --fsverity "${files[@]}" "$sealed"
before=$(run "$sealed")
why_before=$(reason exec "$sealed")
fsverity enable "$sealed" || die "can't enable fs-verity"
claim program_without_fsverity_denied_where_it_is_required is "$before" EACCES
claim why_calls_it_disk is "$why_before" "disk untrusted-storage 13"
claim the_same_program_runs_once_it_has_fsverity is "$(run "$sealed")" hello
claim why_calls_it_fs_verity is "$(reason exec "$sealed")" \
	"fs-verity approved 0"
mkdir "$work/lower" "$work/upper" "$work/wdir"
cp "$sealed" "$work/lower/sealed"
cp "$sealed" "$work/lower/plain"
fsverity enable "$work/lower/sealed"
fs overlay "$work/overlay" -o \
	"lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/wdir"
claim program_with_fsverity_below_overlayfs_runs \
	is "$(run "$work/overlay/sealed")" hello
claim program_without_it_below_overlayfs_denied \
	is "$(run "$work/overlay/plain")" EACCES
long=$work/long
variant "$long"
fsverity enable --hash-alg=sha512 "$long"
policy -t "$only_verity" "$long"
claim fsverity_with_another_hash_counts_as_fsverity \
	is "$(run "$long")" hello

#
# What may answer differently each time cannot be accepted
#

policy "${files[@]}"
for class in untrusted pseudo memfd-open; do
	jq --arg class "$class" '.containers.test.storage = {"exec": [$class]}
		| .epoch += 1' "$work/policy.json" >"$work/refused.json"
	claim "policy_that_accepts_${class//-/_}_is_refused" \
		is "$(dstackctl policy load "$work/refused.json" 2>&1 |
			grep -o 'containers.test.storage.exec: .0.: want')" \
		"containers.test.storage.exec: [0]: want"
done

finish
