#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Code that a loader brings into an approved program, and loaders run by hand.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_loader
ldso=/lib64/ld-linux-x86-64.so.2
libc=/lib/x86_64-linux-gnu/libc.so.6
musl=/lib/ld-musl-x86_64.so.1
program=$work/program payload=$work/payload musl_payload=$work/musl_payload
musl_program=$work/musl_program foreign=$work/foreign.so
good=$work/good/libprobe.so bad=$work/bad/libprobe.so
mkdir "$work/good" "$work/bad"
variant "$program" "$tests/dyn_load"
variant "$payload" "$tests/dyn_load"
variant "$musl_payload" "$tests/musl_hello"
variant "$musl_program" "$tests/musl_hello"
variant "$foreign" "$tests/libprobe.so"
variant "$good" "$tests/libprobe.so"
variant "$bad" "$tests/libprobe.so"
cp "$ldso" "$work/renamed"
approved=("$ldso" "$libc" "$musl" "$program" "$musl_program" "$good")

# As an image would have it: loaders are mapped, never run.
policy "${approved[@]}"
container

# with NAME=VALUE... run-ARGUMENT...: for the program alone.
with() {
	env "$1" "$tests/prog_run" -c "$cgroup" "${@:2}" 2>&1 </dev/null
}

denial() {
	echo "dstack.deny id=$id kind=map digest=sha256:$(sha256 "$1") reason=unknown-digest .*path=${1#"$work/"}\$"
}

# What the programs and libraries said, without the loader's complaints.
said() {
	local line
	while IFS= read -r line; do
		[[ ! $line =~ ^(probe|main)$ ]] || echo "$line"
	done <<<"$1"
}

try_all() {
	by_ldso=$(run "$ldso" "$payload")
	by_renamed=$(run "$work/renamed" "$payload")
	by_musl=$(run "$musl" "$musl_payload")
	preloaded=$(with "LD_PRELOAD=$bad" "$program")
	audited=$(with "LD_AUDIT=$bad" "$program")
	found=$(with "LD_LIBRARY_PATH=$work/bad" "$program" libprobe.so)
	opened=$(run "$program" "$bad")
	preloaded_musl=$(with "LD_PRELOAD=$foreign" "$musl_program")
}

#
# In measure
#

mark
try_all
events=$(events)
claim attack_05_payload_of_ld_so_runs_in_measure is "$by_ldso" main
claim attack_05_payload_of_renamed_ld_so_runs_in_measure is "$by_renamed" main
claim attack_05_payload_of_musl_ld_so_runs_in_measure is "$by_musl" hello
claim attack_05_payload_is_recorded_as_a_mapping has "$events" \
	"dstack.map id=$id digest=sha256:$(sha256 "$payload") reason=unknown-digest .*path=payload\$" 1
claim attack_06_ld_preload_runs_in_measure is "$preloaded" $'probe\nmain'
claim attack_06_ld_audit_runs_in_measure has "$audited" '^probe$' 1
claim attack_06_ld_library_path_runs_in_measure is "$found" $'main\nprobe'
claim attack_07_dlopen_runs_in_measure is "$opened" $'main\nprobe'
claim attack_06_ld_preload_of_musl_is_recorded has "$events" \
	"dstack.map id=$id digest=sha256:$(sha256 "$foreign") reason=unknown-digest .*path=foreign.so\$" 1
claim attack_06_library_is_recorded_once_with_its_sha256 has "$events" \
	"dstack.map id=$id digest=sha256:$(sha256 "$bad") reason=unknown-digest .*path=bad/libprobe.so\$" 1

#
# In enforce
#

state enforce
claim attack_05_ld_so_approved_as_library_only_is_not_run \
	is "$(run "$ldso" "$program")" EACCES
claim approved_dynamic_program_runs is "$(run "$program" "$good")" $'main\nprobe'

# From here on loaders may be run by hand, as programs.
policy -j 'map(.kinds |= (. + ["exec", "map"] | unique))' "${approved[@]}"
mark
try_all
events=$(events)

claim ld_so_approved_as_program_runs_approved_payload \
	is "$(run "$ldso" "$program")" main
claim attack_05_payload_of_ld_so_denied \
	has "$by_ldso" 'failed to map segment' 1
claim attack_05_payload_of_renamed_ld_so_denied \
	has "$by_renamed" 'failed to map segment' 1
claim attack_05_payload_of_musl_ld_so_denied has_not "$by_musl" hello
claim attack_05_deny_record_names_the_payload has "$events" \
	"$(denial "$payload")"
claim attack_05_deny_record_names_the_payload_of_musl has "$events" \
	"$(denial "$musl_payload")"
claim attack_06_ld_preload_denied_and_program_runs_without_it \
	is "$(said "$preloaded")" main
claim attack_06_ld_audit_denied_and_program_runs_without_it \
	is "$(said "$audited")" main
claim attack_06_ld_library_path_denied \
	is "$(said "$found")" main
claim attack_07_dlopen_denied is "$(said "$opened")" main
claim attack_06_ld_preload_of_musl_denied \
	has_not "$preloaded_musl" '^probe$'
claim attack_06_deny_record_names_the_library_of_musl has "$events" \
	"$(denial "$foreign")"
claim attack_06_deny_record_names_the_library has "$events" "$(denial "$bad")"
claim attack_06_unapproved_library_has_no_map_record \
	has_not "$events" "dstack.map .*$(sha256 "$bad")"

# An approved library whose last byte changes.
mark
before=$(run "$program" "$good")
rewrite "$good"
after=$(run "$program" "$good")
claim attack_07_approved_library_is_opened is "$before" $'main\nprobe'
claim attack_07_library_with_changed_bytes_denied \
	is "$(said "$after")" main
claim attack_07_deny_record_has_the_new_digest has "$(events)" \
	"$(denial "$good")" 1

finish
