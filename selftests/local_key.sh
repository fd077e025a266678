#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# An application that has its keys from an enclave of its host, in machines one
# after the other: "local_key.sh first" makes keys and a disk, and leaves both in
# /out; "again" is a machine that measures the same, and "other" one that does
# not.  /copy/pki is what the platform and its enclave are made of.
set -u
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin local_key
stage=$1
host=$work/host
dir=$work/app
pki=/copy/pki
port=12345
pids=()
disk=
# Nobody runs udev here.
export DM_DISABLE_UDEV=1
modprobe -a loop dm-crypt vsock_loopback || die "this kernel has no vsock"
mkdir "$host"
fs tmpfs "$dir" -o mode=700

local_end() {
	kill "${pids[@]}" 2>/dev/null
	umount "$work/data" 2>/dev/null
	dmsetup remove dstack-data 2>/dev/null
	test -z "$disk" || losetup -d "$disk"
	dstackctl key revoke --all >/dev/null
	end
}
trap local_end EXIT

# ready FILE: what was begun has said that it is.
ready() {
	test -s "$1"
}

# enclave [OPTION]...: the host has this one from here on.
enclave() {
	kill "${pids[@]}" 2>/dev/null
	wait "${pids[@]}" 2>/dev/null
	: >"$work/url"
	: >"$work/vsock"
	"$tests/key-enclave-stand-in" --pki "$pki" --seed sealing \
		--enclave good "$@" >"$work/url" &
	pids=($!)
	eventually ready "$work/url" || die "no stand-in"
	url=$(<"$work/url")
	"$tests/prog_vsock" "$port" "${url##*:}" >"$work/vsock" &
	pids+=($!)
	eventually ready "$work/vsock" || die "no vsock"
	config "vsock://1:$port/api" "$url"
}

# config HOST PCCS
config() {
	jq -n --arg host "$1" --arg pccs "$2" '{host_api_url: $host,
		collateral_urls: {pccs: $pccs}}' >"$host/.sys-config.json"
}

# boot_as [OPTION]...: becomes a boot, in a process of its own.
boot_as() {
	exec dstack-boot --host "$host" --dir "$dir" --data-device "$disk" \
		--mount "$work/data" --enclave-root "$pki/root.pem" \
		--time-scale "$((${TIME_SCALE:-1} * 2))" "$@" >"$work/said" 2>&1
}

boot() {
	(boot_as "$@")
}

boots() {
	boot "$@" || {
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

register() {
	od -An -v -tx1 "/sys/class/misc/tdx_guest/measurements/$1" |
		tr -d ' \n'
}

expected() {
	settle
	node "$tests/local_key.mjs" sealing "$log" "$(register mrtd:sha384)" \
		"$(register rtmr0:sha384)" "$(register rtmr1:sha384)" \
		"$(register rtmr2:sha384)"
}

# killed N: N boots, each killed somewhere while it gets its keys.
killed() {
	local n
	for ((n = 1; n <= $1; n++)); do
		boot_as --until key-store &
		read -r -t "$(printf '0.%03d' $((n * 80)))" -u "$never"
		kill -9 $! 2>/dev/null
		wait $! 2>/dev/null
	done
}

away() {
	umount "$work/data" && dmsetup remove dstack-data
}

id_of() {
	printf %s "$1" | sha256sum | cut -d' ' -f1
}
# compose ID: the application, whose keys this enclave has.
compose() {
	jq -n --arg id "$1" '{manifest_version: 2, name: "test",
		runner: "bash", key_provider: "local", key_provider_id: $id,
		secure_time: false}' >"$host/app-compose.json"
}
mr=$(id_of good)
compose "$mr"

first='system-preparing app-id compose-hash gpu-policy-hash instance-id'
first+=' boot-mr-done'
if test "$stage" = first; then
	truncate -s 24M "$work/disk.img"
else
	zcat /copy/disk.img.gz >"$work/disk.img"
fi
disk=$(losetup --find --show "$work/disk.img") || die "no loop device"

if test "$stage" = first; then
	enclave
	claim instance_that_is_new_each_time_is_refused refuses \
		'key_provider: .local. makes a key for one instance'
	config '' ''
	claim nobody_to_ask_is_refused refuses 'has no host_api_url'
	compose 00
	claim id_of_no_enclave_is_refused refuses 'MRENCLAVE, of 64 hex digits'
	compose "$mr"
	claim nothing_was_measured_of_it is "$(own)" ''
fi
jq -n --arg seed "$(printf '%040d' 7)" '{instance_id_seed: $seed}' \
	>"$host/.instance_info"

if test "$stage" = first; then
	enclave --enclave other
	claim another_enclave_is_refused refuses \
		"MRENCLAVE $(id_of other)\) is not the one"
	claim it_is_told_what_is_not_proven says 'does not say for which machine'
	enclave --fault debug
	claim enclave_that_can_be_debugged_is_refused refuses 'debug enclave'
	enclave --fault other-box
	claim quote_of_another_key_is_refused refuses 'is for another key'
	enclave --fault other-reader
	claim key_of_another_machine_is_refused refuses \
		'made for another machine'
	enclave --fault denies
	claim refusal_is_told_in_its_words refuses \
		"vsock://1:$port/api': refused: Key provider is"
	enclave --fault no-collateral
	claim platform_that_nobody_knows_is_refused refuses 'collateral: http'
	config "vsock://1:1/api" "$url"
	claim host_that_is_not_there_is_refused refuses "can't be reached"
	config "vsock://1/api" "$url"
	claim host_that_can_not_be_is_refused refuses 'not of the form vsock://'
	claim events_end_before_there_are_keys is "$(own)" "$first"
	enclave
	claim key_is_had_as_often_as_it_is_asked_for boots --until keys
	claim it_is_not_stored_before_the_application_has_it \
		test ! -e "$dir/.appkeys.json"
	killed 12
	claim provider_is_measured boots --until provider
	claim key_is_stored_before_the_register_goes_on \
		test -s "$dir/.appkeys.json"
	claim it_is_measured_once is "$(own)" "$first key-provider"
fi

enclave
if test "$stage" = other; then
	boot
	claim other_measurements_do_not_open_the_disk says \
		"can't be opened with this application's key"
	claim other_measurements_have_other_keys \
		test "$(keys)" != "$(</copy/keys)"
	claim key_is_of_these_measurements \
		is "$(keys | head -n 1)" "$(expected)"
	claim disk_is_as_it_was is "$(sha256sum <"$disk")" \
		"$(zcat /copy/disk.img.gz | sha256sum)"
	finish
	exit
fi
claim application_boots boots
claim events_are_there_once is "$(own)" \
	"$first key-provider storage-fs system-ready"
claim provider_is_the_enclave is "$(jq -r \
	'select(.event == "key-provider").event_payload' "$log")" \
	"$(printf '{"name":"local-sgx","id":"%s"}' "$mr" |
		od -An -v -tx1 | tr -d ' \n')"
claim key_is_of_the_enclave_and_the_registers \
	is "$(keys | head -n 1)" "$(expected)"
claim root_key_is_not_named has "$(dstackctl log)" \
	'dstack.root action=load .* key=local$'
claim file_of_keys_names_the_enclave is \
	"$(jq -r .key_provider.Local.mr "$dir/.appkeys.json")" "$mr"
claim log_replays_to_the_register quote_is_replayed
keys=$(keys)
if test "$stage" = again; then
	claim same_measurements_have_the_same_keys is "$keys" "$(</copy/keys)"
	claim what_the_machine_before_wrote_is_there \
		is "$(<"$work/data/file")" stays
fi
echo stays >"$work/data/file"
away
kill "${pids[@]}"
claim boot_that_is_started_again_asks_nobody boots
claim its_keys_are_the_same is "$(keys)" "$keys"
claim disk_is_there_again is "$(<"$work/data/file")" stays
away
rm "$dir/.appkeys.json"
enclave
claim register_that_went_on_gets_no_key refuses \
	'the enclave would give others now; reboot'
losetup -d "$disk"
disk=
sync
gzip -1 <"$work/disk.img" >/out/disk.img.gz
echo "$keys" >/out/keys
finish
