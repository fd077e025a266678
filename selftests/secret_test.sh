#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Where secrets must not be: everything that can be read of a machine in which
# keys were loaded, derived and used is searched for them.
set -u
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin secret
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"

image=$(printf '%064d' 7)
trace=/sys/kernel/tracing
secrets=$work/secrets
found=$work/found
mkdir "$found"

secret_end() {
	echo 0 >"$trace/events/dstack/enable"
	echo "$core_pattern" >/proc/sys/kernel/core_pattern
	dstackctl key revoke --all >/dev/null
	end
}
core_pattern=$(</proc/sys/kernel/core_pattern)
trap secret_end EXIT
echo "$found/core.%e" >/proc/sys/kernel/core_pattern
echo 1 >"$trace/events/dstack/enable"

section_keys test '[{path: "", kinds: ["hmac"], delivery: ["handle", "bytes"]}]'
load_root
dstackctl container add --cgroup "$cgroup" --id "$id" --section test \
	--app-id "$app_id" --image "$image" || die "no container"

# In MEASURE a program that is not approved takes the keys away: approve it.
approve() {
	local digest
	digest=$(sha256 "$tests/prog_key")
	epoch=$((epoch + 1))
	jq --arg digest "sha256:$digest" --argjson epoch "$epoch" \
		'.epoch = $epoch | .containers.test.allow =
		[{digest: $digest, kinds: ["exec"]}]' "$work/policy.json" \
		>"$work/approved.json" &&
		dstackctl policy load "$work/approved.json" >/dev/null
}

approve || die "can't approve of the program"

take_keys() {
	handle=$(inside "$cgroup" "$tests/prog_key" hmac planted use) ||
		die "no handle"
	inside "$cgroup" "$tests/prog_key" bytes planted use >"$work/key" ||
		die "no bytes"
	test "$(stat -c %s "$work/key")" = 32 || die "not a key"
}

# grep would not find one that has the end of a line in it.
take_keys
until test "$(tr -d '\n' <"$work/key" | wc -c)" = 32; do
	load_root
	take_keys
done

# hex FILE: in lower case.
hex() {
	od -An -v -tx1 "$1" | tr -d ' \n'
}

# Each secret as bytes, as hex in both cases, and as base64.
for file in "$work/root" "$work/key"; do
	{
		hex "$file"
		echo
		hex "$file" | tr a-f A-F
		echo
		base64 -w0 "$file" | cut -c1-40
	} >>"$secrets"
done

# has_secret FILE...: is there any of them in it.
has_secret() {
	local file
	for file in "$work/root" "$work/key"; do
		! LC_ALL=C grep -qaP "$(hex "$file" | sed 's/../\\x&/g')" \
			"$@" 2>/dev/null || return 0
	done
	grep -qaFf "$secrets" "$@" 2>/dev/null
}

# The search finds what is there.
search_finds_a_planted_secret() {
	cp "$work/key" "$found/planted"
	has_secret "$found/planted" || return
	hex "$work/root" >"$found/planted"
	has_secret "$found/planted" || return
	rm "$found/planted"
	! has_secret /etc/passwd
}

handle_and_bytes_are_the_same_key() {
	local tag
	tag=$(printf data | openssl dgst -sha256 -mac HMAC \
		-macopt "hexkey:$(hex "$work/key")" -r) || return
	is "${tag%% *}" "$handle"
}

# A pair: who got bytes has them in the core, who got a handle has nothing.
core_of_a_user_of_a_handle_has_none() {
	inside "$cgroup" "$tests/prog_key" hmac planted abort >/dev/null 2>&1
	test -s "$found/core.prog_key" || return
	! has_secret "$found/core.prog_key"
}

core_of_a_user_of_bytes_has_the_key() {
	rm -f "$found/core.prog_key"
	inside "$cgroup" "$tests/prog_key" bytes planted abort >/dev/null 2>&1
	test -s "$found/core.prog_key" && has_secret "$found/core.prog_key"
}

# no_secret COMMAND...: in what it prints.
no_secret() {
	"$@" >"$found/text" 2>&1
	test -s "$found/text" || return
	! has_secret "$found/text"
}

processes() {
	local pid
	for pid in /proc/[0-9]*; do
		cat "$pid/cmdline" "$pid/environ" "$pid/maps" 2>/dev/null
	done
}

errors() {
	dstackctl key load --app-id "$app_id" --epoch 0 --file "$work/root"
	dstackctl key load --app-id "$app_id" --epoch 0 --file "$work/key"
	dstackctl key load --app-id zz --epoch 0 --file "$work/root"
	dstackctl key load --app-id "$app_id" --epoch x --file "$work/root"
	dstackctl key get --deliver bytes --scope app --output "$work/none" p
	true
}

daemon_memory_of_maps() {
	cat /proc/keys /proc/key-users
}

kernel_files() {
	find /sys/module/dstack /sys/kernel/debug/dstack* -type f \
		-exec cat {} + 2>/dev/null
	cat /proc/slabinfo /proc/modules
}

wrong_mode_is_refused() {
	cp "$work/root" "$work/open"
	chmod 644 "$work/open"
	! dstackctl key load --app-id "$app_id" --epoch 999 --file "$work/open"
}

bytes_are_written_for_their_owner_alone() {
	host_keys '[{path: "", kinds: ["bytes"], scope: ["app"],
		delivery: ["bytes"]}]'
	dstackctl key get --deliver bytes --scope app --kind bytes --output "$work/mine" p &&
		is "$(stat -c %a "$work/mine")" 600 &&
		! dstackctl key get --deliver bytes --scope app --kind bytes \
			--output "$work/mine" p
}

claim secret_search_finds_what_is_there search_finds_a_planted_secret
claim secret_of_a_handle_is_what_bytes_would_be \
	handle_and_bytes_are_the_same_key
claim attack_60_core_of_a_user_of_a_handle_has_no_key \
	core_of_a_user_of_a_handle_has_none
claim attack_60_core_of_a_user_of_bytes_has_the_key \
	core_of_a_user_of_bytes_has_the_key
claim attack_60_no_key_in_proc_keys no_secret daemon_memory_of_maps
claim attack_67_no_key_in_the_kernels_messages no_secret dmesg
claim attack_67_no_key_in_the_log no_secret cat "$log"
claim attack_67_no_key_in_the_trace no_secret cat "$trace/trace"
claim attack_67_no_key_in_arguments_or_environments no_secret processes
claim attack_67_no_key_in_errors no_secret errors
claim attack_67_no_key_in_lists no_secret dstackctl key list --json
claim attack_67_no_key_in_status no_secret dstackctl status --json
claim attack_67_no_key_in_files_of_the_kernel no_secret kernel_files
claim attack_67_root_key_that_others_can_read_is_refused wrong_mode_is_refused
claim attack_67_bytes_are_written_for_their_owner_alone \
	bytes_are_written_for_their_owner_alone
finish
