#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 7: a program that was approved and has started loads a library that
# was not, or that was before one byte of it changed.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_dlopen
program=$work/program good=$work/good.so bad=$work/bad.so flipped=$work/flipped.so
variant "$program" "$tests/dyn_load"
variant "$good" "$tests/libprobe.so"
variant "$bad" "$tests/libprobe.so"

# flip FILE FROM TO: the first letter of what the library says, in place.
flip() {
	local at
	at=$(LC_ALL=C grep -abo "$2robe\$" "$1")
	printf %s "$3" |
		dd of="$1" bs=1 seek="${at%%:*}" conv=notrunc status=none
}

cp "$good" "$flipped"
flip "$flipped" p q
policy /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6 \
	"$program" "$good"
container

differing_bytes() {
	busybox cmp -l "$1" "$2" | wc -l
}

denial() {
	echo "dstack.deny id=$id kind=map digest=sha256:$(sha256 "$1") reason=unknown-digest count=1 .*path=${1#"$work/"}\$"
}

# start ARGUMENT...: the program, in the container.
start() {
	coproc { exec "$tests/prog_run" -c "$cgroup" "$program" "$@" 2>&1; }
	pid=$COPROC_PID
	exec {to}>&"${COPROC[1]}" {from}<&"${COPROC[0]}"
	said=
}

# What it says next, the loader's complaints left out.
hear() {
	local line
	while read -r -u "$from" line; do
		[[ $line =~ ^[a-z]*$ ]] || continue
		said+=${said:+ }$line
		return 0
	done
	return 1
}

# Ends a wait of the program.
say() {
	echo >&"$to"
}

ends() {
	while hear; do
		:
	done
	exec {to}>&- {from}<&-
	wait "$pid"
}

claim attack_07_one_byte_was_flipped is "$(differing_bytes "$good" "$flipped")" 1

#
# In measure
#

before=$(denied)
mark
start - "$bad" "$flipped"
say
ends
events=$(events)
claim attack_07_libraries_are_opened_after_the_start_in_measure \
	is "$said" 'main probe qrobe'
claim attack_07_they_are_recorded_with_their_sha256 has "$events" \
	"dstack.map id=$id digest=sha256:($(sha256 "$bad")|$(sha256 "$flipped")) reason=unknown-digest " 2
claim attack_07_they_are_counted_once_each is $(($(denied) - before)) 2

# As long as it runs, under the eyes of who may look.
start "$good" - "+$good"
hear
hear
flip "$good" p q
say
ends
flip "$good" q p
claim attack_07_library_flipped_in_place_is_opened_in_measure \
	is "$said" 'main probe qrobe'

#
# In enforce
#

state enforce
before=$(denied)
mark
start - "$bad" "$flipped" "$good"
say
ends
events=$(events)
claim attack_07_libraries_denied_after_the_start is "$said" 'main probe'
claim attack_07_library_is_recorded_as_denied has "$events" \
	"$(denial "$bad")" 1
claim attack_07_library_with_one_flipped_byte_is_recorded_as_denied \
	has "$events" "$(denial "$flipped")" 1
claim attack_07_no_denied_library_is_recorded_as_mapped \
	has_not "$events" "dstack.map .*reason=unknown-digest"
claim attack_07_denials_are_counted is $(($(denied) - before)) 2

before=$(denied)
mark
start "$good" - "+$good" - "+$good"
hear
hear
flip "$good" p q
say
for _ in {1..500}; do
	test "$(denied)" = "$before" || break
	nap
done
flip "$good" q p
say
ends
events=$(events)
claim attack_07_library_flipped_in_place_denied_until_it_is_flipped_back \
	is "$said" 'main probe probe'
claim attack_07_denial_has_the_digest_of_the_flipped_library has "$events" \
	"dstack.deny id=$id kind=map digest=sha256:$(sha256 "$flipped") reason=unknown-digest count=2 .*path=good.so\$" 1
claim attack_07_flipped_library_is_counted is $(($(denied) - before)) 1

# A program that started when everything was let run is no exception.
state measure
start - "$bad"
hear
state enforce
say
ends
claim attack_07_library_denied_in_a_program_that_started_in_measure \
	is "$said" main

ln -s "$good" "$work/link.so"
ln "$good" "$work/other.so"
claim approved_library_is_opened_by_every_name \
	is "$(run "$program" "$work/link.so" "+$work/other.so" | paste -sd ' ')" \
	'main probe probe'
claim attack_07_register_is_replayed quote_is_replayed

finish
