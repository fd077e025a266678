#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# An application that asks for state locked: its init scripts run in that state, and
# are what its policy approves of, or the boot ends.  For a machine in which nothing
# else was booted, and in which nothing runs after it.
set -u
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin booted_locked
# There is no other state to leave the machine in.
end() {
	umount -l "$work/app" "$work/tmpfs" 2>/dev/null
	rm -rf "$work"
}
cat >>"$EXPECTED_MESSAGES" <<-'MESSAGES'
	'.*' in .* denied: exec
	Kernel is locked down from securityfs
	Lockdown: .* is restricted
MESSAGES
host=$work/host
dir=$work/app
mkdir "$host"
fs tmpfs "$dir" -o mode=700
fs tmpfs "$work/tmpfs"
variant "$work/tmpfs/program"

# Everything on the root disk runs outside of containers, and few speak to the module.
control() {
	local name
	for name in dstackctl dstackd dstack-boot; do
		jq -n --arg digest "sha256:$(sha256 "$(command -v "$name")")" \
			'{digest: $digest, kinds: ["exec", "control"]}'
	done
}
jq -n --argjson epoch "$((epoch + 1))" --slurpfile control <(control) \
	--args '{manifest_version: "3", name: "test", runner: "bash",
	key_provider: "none", secure_time: false,
	init_script: $ARGS.positional, dstack: {state: "locked", policy: {
		version: 1, epoch: $epoch, containers: {host: {
			allow: $control, measure: "first", trust: {
				exec: ["disk"], map: ["disk"],
				script: ["disk"]}}}}}}' \
	'date +started >>log' "test -e right || $work/tmpfs/program" \
	>"$host/app-compose.json"

boot() {
	dstack-boot --host "$host" --dir "$dir" \
		--time-scale "$((TIME_SCALE * 2))" >"$work/said" 2>&1
}

says() {
	has "$(<"$work/said")" "$1"
}

boot
claim kernel_that_is_not_locked_down_is_refused says \
	"dstack.state: 'locked' needs a kernel that was booted with lockdown"
claim nothing_was_measured_of_it has_not "$(settle; cat "$log")" \
	'"event":"system-preparing"'
echo confidentiality >/sys/kernel/security/lockdown
boot
claim script_that_the_policy_does_not_approve_of_ends_the_boot is $? 1
claim machine_is_locked has "$(dstackctl status)" '^state +locked'
claim script_that_it_approves_of_was_run is "$(<"$work/log")" started
claim the_other_is_told says 'init_script 2 ended with status 126'
claim what_was_denied_is_in_the_log has "$(settle; dstackctl log)" \
	"dstack.deny .*id=host .*path=$work/tmpfs/program"
touch "$work/right"
boot
claim boot_goes_on_in_a_locked_machine is $? 0
claim scripts_that_had_ended_are_not_run_again is "$(<"$work/log")" started
# What this runs is recorded as well, and once.
quote_is_replayed >/dev/null 2>&1
claim log_replays_to_the_register quote_is_replayed

finish
