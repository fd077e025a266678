#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 15: by whichever call a program is started, with whatever rights, of
# whatever ABI it is, the decision is the same.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_start
good=$work/good bad=$work/bad
mkdir "$good" "$bad"
for dir in "$good" "$bad"; do
	variant "$dir/program"
	variant "$dir/setuid" "$tests/prog_id"
	chmod 4755 "$dir/setuid"
	variant "$dir/capable" "$tests/prog_id"
	setcap cap_net_raw+ep "$dir/capable"
	variant "$dir/i386" "$tests/raw_hello.i386"
	variant "$dir/x32" "$tests/raw_hello.x32"
done
policy "$good"/*
container

start() {
	"$tests/prog_start" -c "$cgroup" "$@" 2>&1 </dev/null
}

ways=(exec fork vfork spawn clone thread into)
set_uid='uid=65534 euid=0 net_raw=1'
with_caps='uid=65534 euid=65534 net_raw=1'

# A TD takes no 32-bit calls, and Debian's kernels no x32 unless told to.
i386_runs=$("$tests/prog_start" exec "$good/i386")
x32_runs=$("$tests/prog_start" exec "$good/x32")
claim kernel_refuses_x32_programs is "$x32_runs" ENOEXEC
test "$i386_runs" = hello ||
	claim kernel_refuses_32_bit_programs is "$i386_runs" ENOEXEC

# i386_claim NAME COMMAND...: where the kernel has 32-bit calls.
i386_claim() {
	test "$i386_runs" != hello || claim "$@"
}

# try_all DIR: what comes of each program in each way.
try_all() {
	local way
	came=()
	for way in "${ways[@]}"; do
		came[${#came[@]}]=$(start "$way" "$1/program")
	done
	id_of=$(start -n exec "$1/setuid")
	caps_of=$(start -n exec "$1/capable")
	i386=$(start exec "$1/i386")
	x32=$(start exec "$1/x32")
	by_i386=$(start exec "$good/i386" "$1/program")
}

record() {
	echo "dstack.$1 id=$id .*digest=sha256:$(sha256 "$bad/$2") reason=unknown-digest .*path=bad/$2\$"
}

claim attack_15_setuid_program_has_its_owners_rights \
	is "$("$tests/prog_start" -n exec "$bad/setuid")" "$set_uid"
claim attack_15_program_has_the_capabilities_of_its_file \
	is "$("$tests/prog_start" -n exec "$bad/capable")" "$with_caps"

#
# In measure
#

before=$(denied)
mark
try_all "$bad"
events=$(events)
after=$(denied)
runs=${#ways[@]}
test "$i386_runs" != hello || runs=$((runs + 1))
for i in "${!ways[@]}"; do
	claim "attack_15_unapproved_program_runs_in_measure_by_${ways[i]}" \
		is "${came[i]}" hello
done
claim attack_15_unapproved_setuid_program_runs_in_measure \
	is "$id_of" "$set_uid"
claim attack_15_unapproved_program_with_capabilities_runs_in_measure \
	is "$caps_of" "$with_caps"
i386_claim attack_15_unapproved_32_bit_program_runs_in_measure \
	is "$i386" hello
i386_claim attack_15_unapproved_program_runs_in_measure_by_a_32_bit_call \
	is "$by_i386" hello
claim attack_15_each_start_is_recorded has "$events" \
	"$(record exec program)" "$runs"
for name in setuid capable i386 x32; do
	claim "attack_15_unapproved_${name}_program_is_recorded" has "$events" \
		"$(record exec $name)" 1
done
claim attack_15_all_are_counted is $((after - before)) $((runs + 4))

#
# In enforce
#

state enforce
before=$(denied)
mark
try_all "$bad"
events=$(events)
after=$(denied)
for i in "${!ways[@]}"; do
	claim "attack_15_unapproved_program_denied_by_${ways[i]}" \
		is "${came[i]}" EACCES
done
claim attack_15_unapproved_setuid_program_denied is "$id_of" EACCES
claim attack_15_unapproved_program_with_capabilities_denied \
	is "$caps_of" EACCES
# Whether or not the kernel would run them.
claim attack_15_unapproved_32_bit_program_denied is "$i386" EACCES
claim attack_15_unapproved_x32_program_denied is "$x32" EACCES
i386_claim attack_15_unapproved_program_denied_by_a_32_bit_call \
	is "$by_i386" EACCES
for name in program setuid capable i386 x32; do
	claim "attack_15_denial_of_${name}_is_recorded" has "$events" \
		"$(record deny $name)"
done
claim attack_15_no_denied_program_is_recorded_as_run \
	has_not "$events" "dstack.exec .*reason=unknown-digest"
claim attack_15_denials_are_counted is $((after - before)) $((runs + 4))

try_all "$good"
for i in "${!ways[@]}"; do
	claim "approved_program_runs_by_${ways[i]}" is "${came[i]}" hello
done
claim approved_setuid_program_runs is "$id_of" "$set_uid"
claim approved_program_with_capabilities_runs is "$caps_of" "$with_caps"
i386_claim approved_32_bit_program_runs is "$i386" hello
claim what_the_kernel_refuses_stays_so is "$i386 $x32" "$i386_runs $x32_runs"
i386_claim approved_program_runs_by_a_32_bit_call is "$by_i386" hello
claim attack_15_register_is_replayed quote_is_replayed

finish
