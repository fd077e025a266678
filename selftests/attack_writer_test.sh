#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 20: whoever has a file open for writing, in whatever way, keeps it from
# being approved until the last of them has let go; and nobody comes to have it
# open while it is hashed.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_writer
mapper=$work/mapper library=$work/library program=$work/overlay/program
cp "$tests/prog_map" "$mapper"
variant "$library" "$tests/libprobe.so"
cp "$library" "$work/library.saved"
mkdir "$work/bound"
mount --bind "$work" "$work/bound"
mounts+=("$work/bound")
ln "$library" "$work/hardlink"

# On overlayfs the kernel itself does not see who writes the layer below.
mkdir "$work/lower" "$work/upper" "$work/wdir"
variant "$work/upper/program"
cp "$(command -v dstackctl)" "$work/upper/dstackctl"
fs overlay "$work/overlay" -o \
	"lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/wdir"
policy "$mapper" "$library" "$program"
container

# hold HOW FILE...: from now on somebody does; until let_go.
hold() {
	coproc { exec "$tests/prog_writer" "$@" 2>&1; }
	holder=$COPROC_PID
	to=${COPROC[1]} from=${COPROC[0]}
	read -r held <&"$from"
	test "$held" = holds || echo "# prog_writer: $held"
}

let_go() {
	exec {to}>&- {from}<&-
	wait "$holder"
}

# try: the library, the program.
try() {
	came+=("$(run "$mapper" "$library") $(run "$program")")
}

# Each way to hold both: files below $work/upper are the program's.
held_by_descriptor() {
	exec 3>>"$library" 4>>"$work/upper/program"
	try
	exec 3>&- 4>&-
}

held_to_read_and_write() {
	exec 3<>"$library" 4<>"$work/upper/program"
	try
	exec 3>&- 4>&-
}

held_by_another_name() {
	exec 3>>"$work/hardlink" 4>>"$work/bound/upper/program"
	try
	exec 3>&- 4>&-
}

held_by_two_of_whom_one_lets_go() {
	exec 3>>"$library" 4>>"$work/upper/program"
	exec 5>>"$library" 6>>"$work/upper/program"
	exec 3>&- 4>&-
	try
	exec 5>&- 6>&-
}

held_by_a_mapping() {
	hold map "$library" "$work/upper/program"
	try
	let_go
}

held_by_a_descriptor_in_flight() {
	hold flight "$library" "$work/upper/program"
	try
	let_go
}

held_by_a_process_of_the_container() {
	hold -c "$cgroup" map "$library" "$work/upper/program"
	try
	let_go
}

names=(
	held_by_descriptor held_to_read_and_write held_by_another_name
	held_by_two_of_whom_one_lets_go held_by_a_mapping
	held_by_a_descriptor_in_flight held_by_a_process_of_the_container
)

#
# In measure
#

before=$(denied)
mark
came=()
for name in "${names[@]}"; do
	"$name"
done
events=$(events)
after=$(denied)
for i in "${!names[@]}"; do
	claim "attack_20_files_${names[i]}_run_in_measure" \
		is "${came[i]}" 'mapped hello'
done
claim attack_20_each_mapping_is_recorded has "$events" \
	"dstack.map id=$id digest=none reason=open-for-writing .*path=library\$" \
	${#names[@]}
claim attack_20_each_exec_is_recorded has "$events" \
	"dstack.exec id=$id digest=none reason=open-for-writing .*path=overlay/program\$" \
	${#names[@]}
claim attack_20_each_is_counted is $((after - before)) $((2 * ${#names[@]}))

#
# In enforce
#

state enforce
before=$(denied)
mark
came=()
for name in "${names[@]}"; do
	"$name"
	after_all+=("$(run "$mapper" "$library") $(run "$program")")
done
events=$(events)
after=$(denied)
for i in "${!names[@]}"; do
	claim "attack_20_files_${names[i]}_denied" \
		is "${came[i]}" 'EACCES EACCES'
	claim "files_no_longer_${names[i]}_run" \
		is "${after_all[i]}" 'mapped hello'
done
claim attack_20_denials_are_recorded has "$events" \
	"dstack.deny id=$id kind=(exec|map) digest=none reason=open-for-writing count=1 " 2
claim attack_20_denials_are_counted is $((after - before)) $((2 * ${#names[@]}))

exec 3<"$library" 4<"$work/upper/program"
claim files_held_by_readers_run \
	is "$(run "$mapper" "$library") $(run "$program")" 'mapped hello'
exec 3<&- 4<&-

#
# What a holder has written counts when he has let go
#

mark
hold map "$library"
echo 'other bytes' >&"$to"
read -r <&"$from"
while_held=$(run "$mapper" "$library")
let_go
changed=$(sha256 "$library")
after_write=$(run "$mapper" "$library")
cat "$work/library.saved" >"$library"
restored=$(run "$mapper" "$library")
events=$(events)
claim attack_20_what_a_mapping_writes_is_denied_while_it_can \
	is "$while_held" EACCES
claim attack_20_what_a_mapping_has_written_is_denied is "$after_write" EACCES
claim attack_20_its_denial_has_the_digest_of_what_was_written has "$events" \
	"dstack.deny id=$id kind=map digest=sha256:$changed reason=unknown-digest count=1 " 1
claim restored_file_is_mapped is "$restored" mapped

#
# A quote that is bound to a program which somebody is writing
#

nonce=$(printf '%0128d' 1)
bound_quote() {
	"$work/overlay/dstackctl" quote --bound --nonce "$nonce" \
		--out "$work/quote" 2>&1
}

exec 3>>"$work/upper/dstackctl"
refused=$(bound_quote)
exec 3>&-
claim attack_20_quote_is_not_bound_to_a_program_that_is_written \
	has "$refused" 'Permission denied' 1
claim quote_is_bound_to_it_when_nobody_writes \
	has "$(bound_quote)" '^log_count'

#
# While it is hashed
#

# write_error FILE: what opening it for writing gives.
write_error() {
	(exec 3>>"$1") 2>&1 | sed 's/.*: //'
}

# Eight gigabytes of zeros keep the kernel busy until it is told to stop.
huge=$work/huge
truncate -s 8G "$huge"
claim file_that_nobody_hashes_can_be_opened_for_writing \
	is "$(write_error "$huge")" ''
map_huge() {
	"$tests/prog_run" -c "$cgroup" "$mapper" "$huge" >/dev/null 2>&1 \
		</dev/null &
	hashing=$!
}

# Who comes while we have it open is denied, and has to come again.
map_huge
for _ in {1..1000}; do
	error=$(write_error "$huge")
	test -z "$error" || break
	nap
	kill -0 "$hashing" 2>/dev/null || map_huge
done
claim attack_20_file_is_not_opened_for_writing_while_it_is_hashed \
	is "$error" 'Text file busy'
claim attack_20_nor_truncated \
	has "$(truncate -s 1M "$huge" 2>&1)" 'Text file busy'
kill -KILL "$hashing"
wait "$hashing" 2>/dev/null
claim attack_20_register_is_replayed quote_is_replayed

finish
