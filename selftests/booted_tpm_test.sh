#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# An application that has its keys from a TPM: the same ones in each boot of the
# machine that measures the same, and none in any other.  swtpm is the TPM, and starts
# anew where the machine would.  For a machine in which nothing else was booted.
set -u
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin booted_tpm
host=$work/host
dir=$work/app
tpm=
device=/dev/tpmrm0
modprobe tpm_vtpm_proxy || die "this kernel proxies no TPM"
mkdir "$host"
fs tmpfs "$dir" -o mode=700
jq -n '{manifest_version: 2, name: "test", runner: "bash",
	key_provider: "tpm", secure_time: false}' >"$host/app-compose.json"

tpm_end() {
	test -z "$tpm" || kill "$tpm" 2>/dev/null
	dstackctl key revoke --all >/dev/null
	end
}
trap tpm_end EXIT

# start_tpm [STATE]: with registers of zeros, and what this directory keeps.
start_tpm() {
	if test -n "$tpm"; then
		kill "$tpm"
		wait "$tpm"
		eventually test ! -e "$device"
	fi
	mkdir -p "$work/${1-state}"
	swtpm chardev --tpm2 --vtpm-proxy --tpmstate "dir=$work/${1-state}" \
		>"$work/swtpm" 2>&1 &
	tpm=$!
	eventually has_device || die "no TPM: $(<"$work/swtpm")"
}

# Which number it has the kernel says.
has_device() {
	[[ $(<"$work/swtpm") =~ tpm([0-9]+) ]] || return
	device=/dev/tpmrm${BASH_REMATCH[1]}
	test -c "$device"
}

# starts_anew [STATE]: as the machine would, whose directory is in memory.
starts_anew() {
	start_tpm "$@"
	rm -f "$dir/.appkeys.json"
}

# killed N: N boots, each killed somewhere while it gets its keys.
killed() {
	local n
	for ((n = 1; n <= $1; n++)); do
		dstack-boot --host "$host" --dir "$dir" --tpm "device:$device" \
			--until keys >/dev/null 2>&1 &
		read -r -t "$(printf '0.%03d' $((n * 50)))" -u "$never"
		kill -9 $! 2>/dev/null
		wait $! 2>/dev/null
	done
}

boot() {
	dstack-boot --host "$host" --dir "$dir" --tpm "device:$device" \
		--time-scale "$((TIME_SCALE * 2))" >"$work/said" 2>&1
}

boots() {
	boot || {
		cat "$work/said"
		return 1
	}
}

says() {
	has "$(<"$work/said")" "$1"
}

# refuses PATTERN: and there are no keys.
refuses() {
	boot && return 1
	says "$1" && test ! -e "$dir/.appkeys.json"
}

keys() {
	jq -r '.k256_key, .disk_crypt_key' "$dir/.appkeys.json"
}

own() {
	settle
	jq -r 'select(.event_type == 134217729) | .event' "$log" |
		grep -v '^dstack\.' | paste -sd ' '
}

claim instance_that_is_new_each_time_is_refused refuses \
	'key_provider: .tpm. seals for one instance'
claim nothing_was_measured_of_it is "$(own)" ''
jq -n --arg seed "$(printf '%040d' 7)" '{instance_id_seed: $seed}' \
	>"$host/.instance_info"
claim machine_without_a_tpm_is_refused refuses "can't reach a TPM at 'device:/dev/tpmrm0'"
first='system-preparing app-id compose-hash gpu-policy-hash instance-id'
first+=' boot-mr-done'
claim events_end_before_there_are_keys is "$(own)" "$first"

# Ended anywhere while the first seed is made and kept, or not yet.
start_tpm
killed 8
claim application_boots boots
claim it_is_told_what_a_tpm_is_worth says 'whoever runs it has them'
claim events_are_there_once is "$(own)" "$first key-provider system-ready"
claim provider_is_the_tpm is "$(jq -r \
	'select(.event == "key-provider").event_payload' "$log")" \
	"$(printf '{"name":"tpm","id":""}' | od -An -v -tx1 | tr -d ' \n')"
keys=$(keys)
claim boot_that_is_started_again_has_the_same_keys boots
claim they_are_the_same is "$(keys)" "$keys"
mv "$dir/.appkeys.json" "$work/keys"
claim nobody_gets_the_seed_once_keys_are_stored refuses 'does not unseal'

starts_anew
killed 5
claim machine_that_starts_anew_boots boots
claim it_has_the_same_keys is "$(keys)" "$keys"

starts_anew
node "$tests/extend_tpm.mjs" "${device/rm}" 0 || die "no register 0"
claim other_firmware_gets_no_seed refuses 'does not unseal.*firmware'
starts_anew
node "$tests/extend_tpm.mjs" "${device/rm}" 14 || die "no register 14"
claim what_was_measured_by_others_gets_no_seed refuses \
	'register 14 of the TPM has something that this boot did not measure'
starts_anew
claim refusals_change_nothing boots
claim keys_are_still_the_same is "$(keys)" "$keys"

starts_anew other
boot
claim another_tpm_has_another_seed says 'the module has another root key'
claim its_keys_are_others test "$(keys)" != "$keys"
claim log_replays_to_the_register quote_is_replayed

finish
