#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Formats that binfmt_misc hands to an interpreter (attack 12): who registers
# them, and that the file and its interpreter are each vetted.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_format
shell=$work/busybox good=$work/good bad=$work/bad
file=$work/file other=$work/other formats=$work/formats
cp "$(command -v busybox)" "$shell"
variant "$good"
variant "$bad"
printf 'dstack-test 1\n' >"$file"
printf 'dstack-test 2\n' >"$other"
chmod 755 "$file" "$other"
modprobe -q binfmt_misc
fs binfmt_misc "$formats"

# format NAME INTERPRETER [FLAGS]: as it is written to be registered.
format() {
	echo ":$1:M::dstack-test::$2:${3:-}"
}

# forget NAME...: what may not be there.
forget() {
	local name
	for name; do
		test ! -e "$formats/$name" || echo -1 >"$formats/$name"
	done
}

# Written by a program of the container's; it says what came of it.
register() {
	run "$shell" sh -c "echo '$1' >$formats/${2:-register}" >/dev/null
	test -e "$formats/test" && echo registered || echo refused
}

# A file of a format is a program: the interpreter is one more.
policy "$shell" "$good"
approve() {
	epoch=$((epoch + 1))
	jq --argjson epoch "$epoch" --arg digest "sha256:$(sha256 "$file")" \
		'.epoch = $epoch | .containers.test.allow +=
		[{digest: $digest, kinds: ["exec"]}]' \
		"$work/policy.json" >"$work/with_file.json"
	dstackctl policy load "$work/with_file.json" >/dev/null ||
		die "can't load the policy"
}
approve
container

#
# In measure
#

mark
registered=$(register "$(format test "$bad")")
ran=$(run "$other")
events=$(events)
forget test
claim attack_12_container_registers_a_format_in_measure \
	is "$registered" registered
claim attack_12_its_registration_is_recorded has "$events" \
	"dstack.format id=$id verdict=allowed count=[0-9]+ path=.*register\$" 1
claim attack_12_unapproved_file_and_interpreter_run_in_measure \
	is "$ran" "hello $other"
claim attack_12_file_is_recorded has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$other") reason=unknown-digest .*path=other\$" 1
claim attack_12_interpreter_is_recorded has "$events" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$bad") reason=unknown-digest .*path=bad\$" 1

#
# In enforce
#

# A container can mount one of its own, in a user namespace (Linux 6.7).
own=$work/own
mkdir "$own"
register_in_userns() {
	run "$shell" unshare -r -m "$shell" sh -c "
		mount -t binfmt_misc none $own || exit
		echo '$(format test "$good")' >$own/register || exit
		echo registered"
}
allowed=$(register_in_userns)
state enforce
mark
registered=$(register "$(format test "$good")")
format test "$good" >"$formats/register"
disabled=$(run "$shell" sh -c "echo 0 >$formats/test; echo 0 >$formats/status")
now=$(<"$formats/test")
events=$(events)
claim attack_12_container_does_not_register_a_format is "$registered" refused
claim attack_12_its_denial_is_recorded has "$events" \
	"dstack.format id=$id verdict=denied count=[0-9]+ path="
claim attack_12_container_does_not_disable_a_format \
	has "$now $disabled" '^enabled'
if test "$allowed" = registered; then
	claim attack_12_nor_in_a_user_namespace_of_its_own \
		has_not "$(register_in_userns)" '^registered'
fi
claim host_registers_and_is_not_recorded has_not "$events" 'format id=host'

claim approved_file_of_approved_interpreter_runs is "$(run "$file")" \
	"hello $file"
mark
claim attack_12_unapproved_file_of_approved_interpreter_denied \
	is "$(run "$other")" EACCES
claim attack_12_denial_names_the_file has "$(events)" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$other") .*path=other\$" 1
forget test

# F: the kernel opens the interpreter when the format is registered.
for flags in '' F OC; do
	format test "$bad" "$flags" >"$formats/register"
	mark
	came=$(run "$file")
	events=$(events)
	forget test
	claim "attack_12_approved_file_of_unapproved_interpreter_${flags}_denied" \
		is "$came" EACCES
done
claim attack_12_denial_names_the_interpreter has "$(dstackctl log)" \
	"dstack.deny id=$id kind=exec digest=sha256:$(sha256 "$bad") .*path=[^ ]*bad\$"

# What is behind the name later is not what runs, but it is vetted all the same.
cp "$bad" "$work/fixed"
format test "$work/fixed" F >"$formats/register"
mv "$good" "$work/fixed"
came=$(run "$file")
forget test
claim attack_12_interpreter_is_the_one_that_was_registered is "$came" EACCES
claim register_is_replayed quote_is_replayed

finish
