# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# dstack-kms on loopback, without a TD: kmsd-no-td, and kmsd-load that asks it.
# Whoever sources this is at the top of the tree, in a network of its own, and
# has set $work, which is made anew.
: "${work:?}"

pki=build/tdx-module/pki
at=127.0.0.1:8000
image=$(printf '%064d' 6)
rm -rf "$work"
mkdir -p "$work/collateral"
cp "$pki/collateral.json" "$work/collateral/tdx-000d54455354-platform.json"
busybox ip link set lo up

# A claim is a subshell: who it is, and whether it has ended, is in a file and
# asked of the kernel.
kms() {
	cat "$work/pid"
}

# end_kms SIGNAL
end_kms() {
	test -e "$work/pid" || return 0
	kill "-$1" "$(kms)" 2>/dev/null || true
	while kill -0 "$(kms)" 2>/dev/null; do
		sleep 0.1
	done
	rm "$work/pid"
}

stop_kms() {
	end_kms TERM
}

end_all() {
	stop_kms
	jobs -p | xargs -r kill 2>/dev/null || true
	wait
}
trap end_all EXIT

# configure FILTER: its file, changed by a filter of jq.
configure() {
	jq -n --arg at "$at" --arg dir "$PWD/$work" --arg pki "$PWD/$pki" '{
		listen: [$at], admin: [$dir + "/admin.sock"],
		state: ($dir + "/state"), audit: ($dir + "/audit.jsonl"),
		domain: "kms.test", root: ($pki + "/root.pem"),
		collateral: {dir: ($dir + "/collateral")},
		any_image: true, any_self: true, workers: 16,
		rate: 0, request_rate: 0,
		auth: {type: "dev", allow_everything: true}} | '"$1" \
		>"$work/kms.json"
}

serves() {
	local end=$((SECONDS + 20))
	until curl -sk "https://$at/health" >/dev/null; do
		sleep 0.1
		kill -0 "$(kms)" 2>/dev/null || return 1
		((SECONDS < end)) || return 1
	done
}

# Up to when it serves.
start_kms() {
	DSTACK_TEST_PKI=$pki build/userspace/test/kmsd-no-td \
		--config "$work/kms.json" >>"$work/kms.log" 2>&1 &
	echo "$!" >"$work/pid"
	serves
}

# ask [OPTION]...: applications do, and what came of it is $work/asked.
ask() {
	build/userspace/test/kmsd-load --pki "$pki" --at "$at" \
		--config "{\"os_image_hash\":\"$image\"}" "$@" >"$work/asked"
}

# asked FILTER: whether that is true of it.
asked() {
	jq -e "$1" "$work/asked" || { cat "$work/asked" "$work/kms.log"; false; }
}

check_audit() {
	build/userspace/test/kmsd-no-td --check-audit "$work/audit.jsonl"
}

# How many lines of the record there are of what was given.
given() {
	jq -n '[inputs | select(.refused == null)] | length' "$work/audit.jsonl"
}
