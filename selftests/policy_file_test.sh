#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Documents that are no policy, or an older one: the one that is in force stays,
# and whoever loads them is told.  And of what it approves, that very content.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin policy_file
program=$work/program other=$work/other
variant "$program"
variant "$other"
policy "$program"
policy "$program"
container
state enforce
good=$work/policy.json
bad=$work/bad.json

in_force() {
	dstackctl status --json | jq -cS '{state, policy}'
}
was=$(in_force)

#
# One byte of the content
#

size=$(stat -c %s "$program")
# changed OFFSET: the program, with another byte there.
changed() {
	local byte
	cp "$program" "$work/changed"
	byte=$(od -An -tu1 -j "$1" -N 1 "$program")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %02x $((byte ^ 1)))" |
		dd of="$work/changed" bs=1 seek="$1" conv=notrunc status=none
}

# Padding of the ELF header, the middle, and what is behind all of it.
outputs=
for offset in 15 $((size / 2)) $((size - 1)); do
	changed "$offset"
	outputs+=${outputs:+ }$(run "$work/changed")
done
claim attack_75_approved_program_runs is "$(run "$program")" hello
claim attack_75_program_of_which_one_byte_is_another_denied \
	is "$outputs" 'EACCES EACCES EACCES'
claim attack_75_approved_content_has_a_proof has "$(dstackctl policy prove \
	"$good" test "sha256:$(sha256 "$program")" 2>&1)" 'root' 1
claim attack_75_other_content_has_none has "$(dstackctl policy prove \
	"$good" test "sha256:$(sha256 "$work/changed")" 2>&1 || echo "exit $?")" \
	'^exit 1$' 1

#
# Documents; each would let the other program run
#

dstackctl policy scan --epoch $((epoch + 1)) --name test \
	--output "$work/next.json" "$program" "$other" ||
	die "can't write a policy"

# as FILTER: the next policy, changed
as() {
	jq "$1" "$work/next.json" >"$bad"
}

cut_off() {
	head -c $(($(stat -c %s "$work/next.json") / 2)) "$work/next.json" >"$bad"
}

# None of it is on the disk but the beginning.
of_100_mb() {
	cp "$work/next.json" "$bad"
	truncate -s 100M "$bad"
}

field_twice() {
	sed '0,/"version"/s//"epoch": 1, "version"/' "$work/next.json" >"$bad"
}

behind() {
	{ cat "$work/next.json"; echo '{}'; } >"$bad"
}

refused() {
	local said status=0
	"${@:2}"
	said=$(dstackctl policy load "$bad" 2>&1) || status=$?
	is "$status" 1 && has "$said" "$1" && is "$(in_force)" "$was" &&
		is "$(run "$program") $(run "$other")" 'hello EACCES'
}

claim attack_76_older_policy_leaves_the_one_in_force \
	refused 'epoch|old|stale' as ".epoch = $((epoch - 1))"
claim attack_76_policy_that_is_cut_off_leaves_it refused 'policy:' cut_off
claim attack_76_empty_policy_leaves_it refused 'policy:' as empty
claim attack_76_policy_of_100_mb_leaves_it refused '67108864' of_100_mb
claim attack_76_field_that_is_there_twice_leaves_it \
	refused '"epoch" occurs twice' field_twice
claim attack_76_kind_that_is_there_twice_leaves_it refused 'occurs twice' \
	as '.containers.test.allow[0].kinds += .containers.test.allow[0].kinds'
claim attack_76_unknown_field_leaves_it \
	refused '"signature"' as '.signature = "x"'
claim attack_76_unknown_field_of_a_section_leaves_it \
	refused '"deny"' as '.containers.test.deny = []'
claim attack_76_unknown_field_of_a_rule_leaves_it \
	refused '"except"' as '.containers.test.allow[0].except = 1'
claim attack_76_unknown_kind_leaves_it \
	refused 'kinds' as '.containers.test.allow[0].kinds = ["any"]'
claim attack_76_other_version_leaves_it refused 'version' as '.version = 2'
claim attack_76_text_behind_it_leaves_it refused 'policy:' behind

# The same without a fault: the pair.
cp "$work/next.json" "$bad"
dstackctl policy load "$bad" >/dev/null
claim attack_76_next_policy_takes_its_place \
	is "$(run "$program") $(run "$other")" 'hello hello'

finish
