# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A chain, a KMS in a confidential VM of its own, and applications in others: the
# parts of the test and of the demo.  Sourced at the top of the tree; what machines
# say is in $work/NAME.log.  The machines have a network of their own, without a
# way out.

if test -z "${KMS_NETWORK-}"; then
	# What comes from elsewhere comes now.
	scripts/guest/image.sh >/dev/null
	scripts/npm.sh contracts >/dev/null
	KMS_NETWORK=1 exec unshare --net "$0" "$@"
fi
busybox ip link set lo up

work=build/kms
pki=build/tdx-module/pki
port=18000
# Who calls there ends the KMS's machine, and that of an application that lives.
end_port=19000
app_end_port=19001
modules=$(scripts/npm.sh contracts)
rm -rf "$work"
mkdir -p "$work"/kms/host

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

says() {
	grep -qE "$2" "$work/$1.log"
}

sha256() {
	printf '%s' "$1" | sha256sum | cut -c1-64
}

measurements=$(build/userspace/dstackctl mr --emulated --json)
image=$(sha256 "$measurements")
vm_config=$(jq -cn --arg image "$image" '{os_image_hash: $image, cpu_count: 1}')
# The same image on other hardware: what its firmware says of it is another.
hardware=$(printf 'other hardware' | sha384sum | cut -c1-96)

# share DIRECTORY COMPOSE CONFIG: what the host shares with a machine.
share() {
	printf '%s' "$2" >"$1/app-compose.json"
	printf '%s' "$3" >"$1/.sys-config.json"
}

# kms_host: what the KMS's machine is given, which is the same at each boot.
kms_host() {
	local kms=$work/kms compose
	compose=$(jq -cn --arg enclave "$(printf good | sha256sum | cut -c1-64)" '{
		manifest_version: "3", name: "kms", runner: "bash",
		key_provider: "local", key_provider_id: $enclave,
		no_instance_id: true, secure_time: false, public_logs: true,
		dstack: {state: "enforce", policy: {version: 1, epoch: 1,
			containers: {host: {allow: [], keys: [
				{path: "dstack-kms/state", kinds: ["aead"],
				 scope: ["app"], delivery: ["handle"]}]}}}}}')
	share "$kms/host" "$compose" "$(jq -cn --arg vm "$vm_config" \
		'{kms_urls: [], vm_config: $vm,
			host_api_url: "vsock://1:12345/api"}')"
	scripts/enclave-pki.sh "$kms/pki"
	jq -r .url <<<"$deployed" | sed 's/.*://' >"$kms/chain-port"
	cp build/userspace/dstack-kms scripts/kms/kms.sh "$kms/"
	mkdir "$kms/collateral"
	cp "$pki/collateral.json" \
		"$kms/collateral/tdx-000d54455354-platform.json"
	jq -n --argjson chain "$deployed" --argjson mr "$measurements" \
		--arg image "$image" --arg hardware "$hardware" '
		{os_image_hash: $image, mrtd: $mr.mrtd, rtmr0: $mr.rtmr0,
			rtmr1: $mr.rtmr1, rtmr2: $mr.rtmr2} as $known | {
		listen: ["0.0.0.0:8000"], admin: ["/run/dstack-kms/admin.sock"],
		state: "/disk/state", audit: "/disk/audit.jsonl",
		app: "/run/kms-app", root: "/copy/pki/root.pem",
		collateral: {dir: "/copy/collateral"},
		images: [$known, $known + {rtmr0: $hardware}],
		auth: {type: "chain", chain_id: $chain.chain_id,
			kms_contract: $chain.kms, block: "latest", head_s: 1,
			rpc_urls: ["http://127.0.0.1:8545"],
			known_code: $chain.known_code}}' >"$kms/dstack-kms.json"
}

declare -A machines

# kms_start NAME: it begins to boot, with the disk that its last boot left.
kms_start() {
	local name=$1
	scripts/td run --net "$port:8000,$end_port:9000" --timeout 900 \
		--copy "$work/kms" --out "$work/kms-disk" -- \
		bash /copy/kms.sh >"$work/$name.log" 2>&1 &
	machines[$name]=$!
}

# kms_end: its machine is gone, and its disk is there for the next boot.
kms_end() {
	machine_end kms "$end_port"
	cp -a "$work/kms-disk" "$work/kms/disk"
}

# kms_attestation FIELD [NAME]: of what it says that it is.
kms_attestation() {
	sed -n 's/^attestation: //p' "$work/${2-kms}.log" | jq -r ".$1"
}

# The key of its root, as applications name a KMS.
kms_provider() {
	curl -sk --json null "https://127.0.0.1:$port/prpc/GetMeta?json" |
		jq -r .ca_cert | openssl x509 -noout -pubkey |
		openssl pkey -pubin -outform DER | od -An -v -tx1 | tr -d ' \n'
}

# Of the application, once it is deployed.
app_id=

# policy EPOCH: "web" runs one program, and ends with it; "tool" asks for keys.
policy() {
	jq -cSn --arg id "${app_id#0x}" --argjson epoch "$1" \
		--arg busybox "sha256:$(sha256sum <"$(command -v busybox)" |
			cut -c1-64)" '{version: 1, epoch: $epoch, app_id: $id,
		containers: {
			web: {allow: [{digest: $busybox, kinds: ["exec"]}],
				revoked: "kill"},
			tool: {allow: [], memory: "allow",
				trust: {exec: ["disk"], map: ["disk"]},
				keys: [{path: "", kinds: ["secp256k1"],
					scope: ["app"], delivery: ["bytes"]}]}}}'
}

# compose: app-compose.json of the application, under its first policy.
compose() {
	jq -cn --arg id "$(kms_provider)" --argjson policy "$(policy 1)" '{
		manifest_version: "3", name: "web", runner: "bash",
		key_provider: "kms", key_provider_id: $id,
		secure_time: false, public_logs: true,
		dstack: {state: "enforce", policy: $policy}}'
}

# app MACHINE COMPOSE [OPTION]...: it begins to boot there; "lives" in the
# environment: and goes on; "disk" there: with the disk of that machine.
app() {
	local name=$1 dir=$work/$1 net=none next
	mkdir -p "$dir/host" "$dir/disk"
	echo "$name" >"$dir/name"
	test -z "${disk-}" || cp "$work/$disk-disk/disk.gz" "$dir/disk/"
	share "$dir/host" "$2" "$(jq -cn --arg vm "$vm_config" --arg url \
		"https://10.0.2.2:$port" '{kms_urls: [$url], vm_config: $vm}')"
	printf '{"app_id":"%s","instance_id_seed":"%040d"}' \
		"${app_id#0x}" 7 >"$dir/host/.instance_info"
	cp scripts/kms/app.sh scripts/kms/key.mjs "$(command -v busybox)" \
		"$dir/"
	next=$(policy 2)
	printf '%s' "$next" >"$dir/host/policy-$(sha256 "$next").json"
	test -z "${lives-}" || touch "$dir/lives"
	test -z "${lives-}" || net=$app_end_port:9000
	scripts/td run --net "$net" --timeout 800 --copy "$dir" \
		--out "$work/$name-disk" "${@:3}" -- \
		bash /copy/app.sh >"$work/$name.log" 2>&1 &
	machines[$name]=$!
}

# machine_end NAME [PORT]: it is gone, and its disk is in NAME-disk; who lives is
# told there.
machine_end() {
	# Again and again: a call to a machine that is busy is lost at times.
	while test -n "${2-}" && kill -0 "${machines[$1]}" 2>/dev/null; do
		{ cat <"/dev/tcp/127.0.0.1/$2" >/dev/null; } 2>/dev/null || true
		sleep 1
	done
	wait "${machines[$1]}"
}

# seconds FROM [TO]: between two values of EPOCHREALTIME, with one decimal.
seconds() {
	local to=${2-$EPOCHREALTIME}
	awk -v from="$1" -v to="$to" 'BEGIN { printf "%.1f", to - from }'
}
