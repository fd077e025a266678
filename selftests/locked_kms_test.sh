#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What a KMS keeps is sealed by the module: for the host, as the policy's
# section host allows, in every state but off, and for nobody else.  It ends in
# locked, from which there is no way back.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin locked_kms
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"
# There is no other state to leave the machine in.
end() {
	empty "$cgroup"
	umount -l "$work/memory" 2>/dev/null
	rm -rf "$work"
}
cat >>"$EXPECTED_MESSAGES" <<-'MESSAGES'
	'.*' in .* denied:
	Lockdown: .* is restricted
	Kernel is locked down from securityfs
MESSAGES

kms=$tests/kms-state
dir=$work/state.d
fs tmpfs "$work/memory" -o mode=700
terms='[{path: "dstack-kms/", kinds: ["aead"], scope: ["app"],
	delivery: ["handle"]}]'

two=$'generation 2\nepoch 0 live\nepoch 1 live'

# of_state WHAT [ARGUMENT]...: what it says, in one piece.
of_state() {
	"$kms" "$1" "$dir" "${@:2}" 2>&1
}

# load KEYS: a policy for the host, which may run what is on the root disk.
load() {
	local control
	control=$(sha256 "$(command -v dstackctl)")
	epoch=$((epoch + 1))
	jq -n --arg app "$app_id" --argjson epoch "$epoch" \
		--arg control "sha256:$control" \
		--arg daemon "sha256:$(sha256 "$(command -v dstackd)")" \
		"{version: 1, app_id: \$app, epoch: \$epoch, containers: {
			test: {allow: [], trust: {exec: [\"disk\"],
				map: [\"disk\"], script: [\"disk\"]}, keys: $2},
			host: {allow: [\$control, \$daemon | {digest: .,
				kinds: [\"exec\", \"control\"]}],
				measure: \"first\", trust: {exec: [\"disk\"],
				map: [\"disk\"], script: [\"disk\"]},
				keys: $1}}}" >"$work/policy.json"
	dstackctl policy load "$work/policy.json" >/dev/null ||
		die "can't load the policy"
}

load '[]' '[]'
claim host_without_keys_has_no_seal has "$(of_state create)" \
	"the policy does not let this container have it"
claim nothing_was_made_of_it test ! -e "$dir/state"
load "$terms" '[]'
claim host_without_a_root_key_has_no_seal has "$(of_state create)" \
	"no root key is loaded"
load_root
mark
claim state_is_made_in_measure is "$(of_state create)" ""
claim second_one_is_refused has "$(of_state create)" "a KMS is set up once"
claim epoch_is_added is "$(of_state add)" ""
claim both_come_back is "$(of_state show)" "$two"
claim sealing_measures_nothing has_not "$(events)" 'dstack\.key'

cp -a "$dir" "$work/old.d"
claim epoch_is_retired is "$(of_state retire "$work/memory/witness")" ""
claim attack_59_old_file_is_refused_in_the_same_boot has \
	"$(rm -r "$dir" && cp -a "$work/old.d" "$dir" &&
		of_state show "$work/memory/witness")" 'an old file was put back'
rm -r "$work/memory/witness"
claim attack_59_old_file_opens_after_a_boot is \
	"$(of_state show "$work/memory/witness")" "$two"

byte_that_was_changed() {
	cp "$dir/state" "$work/state"
	printf 'x' | dd of="$dir/state" bs=1 seek=300 conv=notrunc status=none
	of_state show
	cp "$work/state" "$dir/state"
}
claim file_that_was_changed_is_refused has "$(byte_that_was_changed)" \
	'it was changed, or another machine or application sealed it'

# A container of the same application, whose section does not have the path.
state enforce
container
claim attack_65_container_of_the_application_does_not_open_it has \
	"$(inside "$cgroup" "$kms" show "$dir" 2>&1)" \
	"the policy does not let this container have it"
claim host_opens_it_in_enforce has "$(of_state show)" 'epoch 1 live'

echo confidentiality >/sys/kernel/security/lockdown
state locked
claim host_opens_it_in_locked has "$(of_state show)" 'epoch 1 live'
claim epoch_is_added_in_locked is "$(of_state add)" ""
claim it_is_there_in_locked has "$(of_state show)" 'epoch 2 live'

# The key is of this application's root, and of no other.
dstackctl key revoke --all >/dev/null || die "can't wipe the root keys"
claim without_the_root_key_it_stays_shut has "$(of_state show)" \
	"no root key is loaded"
(umask 077 && head -c 32 /dev/zero | tr '\0' k >"$work/root")
dstackctl key load --app-id "$app_id" --epoch 900 --file "$work/root" ||
	die "can't load another root key"
claim attack_65_other_root_key_does_not_open_it has "$(of_state show)" \
	'the key that it was sealed with is not there any more'

finish
