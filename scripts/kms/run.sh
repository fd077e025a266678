#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A chain, a KMS in a confidential VM of its own, and an application in another:
# who is not approved gets nothing, with the contract's reason.  Prints KTAP.
# The machines have a network of their own, without a way out.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if test -z "${KMS_NETWORK-}"; then
	# What comes from elsewhere comes now.
	scripts/guest/image.sh >/dev/null
	scripts/npm.sh contracts >/dev/null
	KMS_NETWORK=1 exec unshare --net "$0" "$@"
fi
busybox ip link set lo up

# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
work=build/kms
pki=build/tdx-module/pki
port=18000
modules=$(scripts/npm.sh contracts)
rm -rf "$work"
mkdir -p "$work"/{kms,app}/host

end() {
	jobs -p | xargs -r kill 2>/dev/null || true
	wait
}
trap end EXIT

coproc CHAIN { node scripts/kms/chain.mjs "$modules" build/contracts; }
# A coprocess has no descriptors in subshells, but copies of them do.
exec {to_chain}>&"${CHAIN[1]}" {from_chain}<&"${CHAIN[0]}"
read -r deployed <&"$from_chain"

# chain COMMAND...: what it says, or the end.
chain() {
	local answer
	echo "$*" >&"$to_chain"
	read -r answer <&"$from_chain"
	jq -er .done <<<"$answer" || { echo "$*: $answer" >&2; exit 1; }
}

# waits SECONDS FILE PATTERN: until that is said there.
waits() {
	local end=$((SECONDS + $1))
	while ((SECONDS < end)); do
		! grep -qE "$3" "$2" || return 0
		sleep 0.1
	done
	echo "never in $2: $3" >&2
	tail -n 20 "$2" >&2
	return 1
}

measurements=$(build/userspace/dstackctl mr --emulated --json)
image=$(printf '%s' "$measurements" | sha256sum | cut -c1-64)
vm_config=$(jq -cn --arg image "$image" '{os_image_hash: $image, cpu_count: 1}')

# share DIRECTORY COMPOSE CONFIG: what the host shares with a machine.
share() {
	printf '%s' "$2" >"$1/app-compose.json"
	printf '%s' "$3" >"$1/.sys-config.json"
}

kms_host() {
	local kms=$work/kms compose
	compose=$(jq -cn '{manifest_version: "3", name: "kms", runner: "bash",
		key_provider: "none", secure_time: false, public_logs: true,
		dstack: {state: "enforce", policy: {version: 1, epoch: 1,
			containers: {host: {allow: [], keys: [
				{path: "dstack-kms/state", kinds: ["aead"],
				 scope: ["app"], delivery: ["handle"]}]}}}}}')
	share "$kms/host" "$compose" "$(jq -cn --arg vm "$vm_config" \
		'{kms_urls: [], vm_config: $vm}')"
	jq -r .url <<<"$deployed" | sed 's/.*://' >"$kms/chain-port"
	cp build/userspace/dstack-kms scripts/kms/kms.sh "$kms/"
	cp "$pki/root.pem" "$kms/"
	mkdir "$kms/collateral"
	cp "$pki/collateral.json" \
		"$kms/collateral/tdx-000d54455354-platform.json"
	jq -n --argjson chain "$deployed" --argjson mr "$measurements" \
		--arg image "$image" '{
		listen: ["0.0.0.0:8000"], admin: ["/run/dstack-kms/admin.sock"],
		state: "/var/lib/dstack-kms", audit: "/var/log/dstack-kms.jsonl",
		app: "/run/kms-app", root: "/copy/root.pem",
		collateral: {dir: "/copy/collateral"},
		images: [{os_image_hash: $image, mrtd: $mr.mrtd,
			rtmr0: $mr.rtmr0, rtmr1: $mr.rtmr1, rtmr2: $mr.rtmr2}],
		auth: {type: "chain", chain_id: $chain.chain_id,
			kms_contract: $chain.kms, block: "latest", head_s: 1,
			rpc_urls: ["http://127.0.0.1:8545"],
			known_code: $chain.known_code}}' >"$kms/dstack-kms.json"
}

kms_host
scripts/td run --net "$port:8000" --timeout 600 --copy "$work/kms" -- \
	bash /copy/kms.sh >"$work/kms.log" 2>&1 &


# app MACHINE COMPOSE [OPTION]...: it begins to boot there.
app() {
	local name=$1 dir=$work/$1
	mkdir -p "$dir/host"
	share "$dir/host" "$2" "$(jq -cn --arg vm "$vm_config" --arg url \
		"https://10.0.2.2:$port" '{kms_urls: [$url], vm_config: $vm}')"
	printf '{"app_id":"%s","instance_id_seed":"%040d"}' \
		"${app_id#0x}" 7 >"$dir/host/.instance_info"
	cp scripts/kms/app.sh "$dir/"
	scripts/td run --net none --timeout 400 --copy "$dir" "${@:3}" -- \
		bash /copy/app.sh >"$work/$name.log" 2>&1 &
}

says() {
	grep -qE "$2" "$work/$1.log"
}

ktap_start
waits 200 "$work/kms.log" '^attestation: |ended'
attestation=$(sed -n 's/^attestation: //p' "$work/kms.log")
claim kms_is_none_before_its_image_is_approved \
	waits 60 "$work/kms.log" '^bootstrap: .*OS image is not allowed'
chain image "$image" >/dev/null
claim nor_before_its_measurements_are \
	waits 60 "$work/kms.log" '^bootstrap: .*Aggregated MR not allowed'
chain kms-mr "$(jq -r .mr_aggregated <<<"$attestation")" >/dev/null
claim nor_before_its_device_is waits 60 "$work/kms.log" \
	'^bootstrap: .*KMS is not allowed to boot on this device'
chain kms-device "$(jq -r .device_id <<<"$attestation")" >/dev/null
claim approved_kms_makes_its_roots \
	waits 60 "$work/kms.log" '^bootstrapped: '
claim and_serves waits 60 "$work/kms.log" '^serving'
claim attack_71_roots_are_made_once \
	says kms '^again: .*this KMS has its keys already'
claim attack_71_strangers_make_none \
	says kms '^stranger: .*Service not found: Onboard.Bootstrap'

app_id=$(chain app web | tr 'A-F' 'a-f')
compose=$(jq -cn --arg id "$(curl -sk --json null \
	"https://127.0.0.1:$port/prpc/GetMeta?json" | jq -r .ca_cert |
	openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER |
	od -An -v -tx1 | tr -d ' \n')" '{manifest_version: "3", name: "web",
	runner: "bash", key_provider: "kms", key_provider_id: $id,
	secure_time: false, public_logs: true,
	dstack: {state: "enforce", policy: {version: 1, epoch: 1,
		containers: {web: {allow: []}}}}}')
app first "$compose"
claim application_is_denied_with_the_contracts_reason waits 120 \
	"$work/first.log" 'refused: Boot denied: Compose hash not allowed'
chain allow web "$(printf '%s' "$compose" | sha256sum | cut -c1-64)" >/dev/null
claim application_boots_once_a_transaction_approves_it \
	waits 60 "$work/first.log" '^disk: '
app second "$compose"
claim application_boots_on_another_machine \
	waits 150 "$work/second.log" '^disk: '
claim and_opens_the_same_disk test "$(grep '^disk: ' "$work/first.log")" = \
	"$(grep '^disk: ' "$work/second.log")"
chain deny web "$(printf '%s' "$compose" | sha256sum | cut -c1-64)" >/dev/null
app third "$compose"
claim application_is_denied_once_a_transaction_takes_that_back waits 150 \
	"$work/third.log" 'refused: Boot denied: Compose hash not allowed'
ktap_finish
