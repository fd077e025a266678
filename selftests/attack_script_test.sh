#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Scripts: the file, its interpreter, and scripts that interpret scripts.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_script
good=$work/good bad=$work/bad
variant "$good"
variant "$bad"

script() {
	printf '#!%s\n# %s\n' "$2" "$1" >"$1"
	chmod 755 "$1"
}

script "$work/approved" "$good"
script "$work/unapproved" "$good"
script "$work/bad_interpreter" "$bad"

# Four levels: chain4 is run by chain3, that by chain2, chain1 and good.
script "$work/chain1" "$good"
for level in 2 3 4; do
	script "$work/chain$level" "$work/chain$((level - 1))"
done
chain() {
	echo "$work"/chain{1,2,3,4}
}

# shellcheck disable=SC2046 # several files
policy "$good" "$work/approved" "$work/bad_interpreter" $(chain)
container

#
# In measure
#

mark
unapproved=$(run "$work/unapproved")
bad_interpreter=$(run "$work/bad_interpreter")
run "$work/unapproved" >/dev/null
events=$(events)
claim attack_08_unapproved_script_runs_in_measure \
	is "$unapproved" "hello $work/unapproved"
claim attack_08_script_is_recorded_once_with_its_sha256 has "$events" \
	"dstack.script id=$id digest=sha256:$(sha256 "$work/unapproved") reason=unknown-digest .*path=unapproved\$" 1
claim attack_08_its_interpreter_is_recorded_each_time has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$good") reason=approved" 2
claim attack_08_unapproved_interpreter_runs_in_measure \
	is "$bad_interpreter" "hello $work/bad_interpreter"

#
# In enforce
#

state enforce
mark
approved=$(run "$work/approved")
unapproved=$(run "$work/unapproved")
bad_interpreter=$(run "$work/bad_interpreter")
events=$(events)
claim approved_script_of_approved_interpreter_runs \
	is "$approved" "hello $work/approved"
claim attack_08_unapproved_script_of_approved_interpreter_denied \
	is "$unapproved" EACCES
claim attack_08_deny_record_says_script has "$events" \
	"dstack.deny id=$id kind=script digest=sha256:$(sha256 "$work/unapproved") reason=unknown-digest .*path=unapproved\$" 1
claim attack_08_approved_script_of_unapproved_interpreter_denied \
	is "$bad_interpreter" EACCES
claim attack_08_deny_record_names_the_interpreter has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$bad") reason=unknown-digest .*path=bad\$" 1

mark
chain_output=$(run "$work/chain4")
events=$(events)
claim approved_chain_of_four_scripts_runs has "$chain_output" '^hello '
claim each_level_of_the_chain_is_recorded has "$events" \
	"dstack.script id=$id .*reason=approved .*path=chain[1-4]\$" 4

# broken_chain LEVEL: this one is another script of the same interpreter.
broken_chain() {
	local file=$work/chain$1
	cp "$file" "$file.saved"
	echo '# changed' >>"$file"
	is "$(run "$work/chain4")" EACCES
	local status=$?
	cp "$file.saved" "$file"
	return "$status"
}

mark
for level in 1 2 3 4; do
	claim "attack_08_chain_with_level_${level}_changed_denied" \
		broken_chain "$level"
done
events=$(events)
for level in 1 2 3 4; do
	claim "attack_08_deny_record_names_level_$level" has "$events" \
		"dstack.deny id=$id kind=script .*path=chain$level\$" 1
done

# A program is no script of itself, nor the other way round.
policy -j 'map(.kinds = ["script"])' "$good"
claim program_approved_as_script_denied is "$(run "$good")" EACCES
policy -j 'map(.kinds = ["exec"])' "$good" "$work/approved"
claim script_approved_as_program_denied is "$(run "$work/approved")" EACCES

finish
