# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the tests of the guest agent share, besides lib.sh.  "begin_agent NAME" is
# begin, with a second container ($other, $id.other of section none), keys that
# the first one may have, and the application in $app.
# shellcheck disable=SC2154 # cgroup, id, work and others are lib.sh's
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# Upstream's own vectors have this root key, and this key of path "vms".
export root=1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b
export vms=9db79b3fefe69f2a7b7efbc908c854bf845a629023361f2c9cb3db09fb99010f

# Bytes of the digits on the standard input.
from_hex() {
	printf '%b' "$(sed 's/../\\x&/g')"
}

agent_end() {
	test -z "${agent-}" || kill "$agent" 2>/dev/null
	dstackctl key revoke --all >/dev/null
	empty "$other"
	dstackctl container remove "$id.other" 2>/dev/null
	rmdir "$other"
	end
}

# One container may have keys as bytes and signatures, the other nothing.  Each
# may run whatever is on a disk, and is recorded once: what asks is not what is
# tested here.
agent_policy() {
	section_keys test '[
		{path: "app/", kinds: ["secp256k1", "ed25519"], scope: ["app"],
			delivery: ["bytes"]},
		{path: "vms", kinds: ["secp256k1", "ed25519"], scope: ["app"],
			delivery: ["agent"]}]'
	epoch=$((epoch + 1))
	jq --argjson epoch "$epoch" '.epoch = $epoch |
		.containers.none = {allow: []} |
		.containers[].measure = "first" |
		.containers[].trust = {exec: ["disk"], map: ["disk"]}' \
		"$work/policy.json" >"$work/both.json"
	dstackctl policy load "$work/both.json" >/dev/null || die "no policy"
}

# What a KMS would have given the application.
app_keys() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$work/ca.key" -out "$work/ca.pem" -subj /CN=test \
		-days 30 2>/dev/null
	jq -n --arg root "$root" --rawfile cert "$work/ca.pem" \
		--rawfile key "$work/ca.key" '{
		disk_crypt_key: $root, k256_key: $root, k256_signature: "",
		gateway_app_id: "", ca_cert: $cert,
		key_provider: {None: {key: $key}}}'
}

# write_app DIRECTORY [AGENT]: as its boot leaves it; AGENT is what the sections
# may call, in JSON.
write_app() {
	local umask
	umask=$(umask)
	umask 077
	mkdir -p "$1"
	jq -n --argjson agent "${2-null}" '{
		manifest_version: 2, name: "tested", runner: "docker-compose",
		docker_compose_file: "services: {}", key_provider: "none",
		dstack: (if $agent then {agent: $agent} else {} end)}' \
		>"$1/app-compose.json"
	# shellcheck disable=SC2016 # not for the shell
	jq -n --arg vm "$vm_config" '{kms_urls: [], gateway_urls: [],
		vm_config: $vm}' >"$1/.sys-config.json"
	test -e "$work/app-keys.json" || app_keys >"$work/app-keys.json"
	cp "$work/app-keys.json" "$1/.appkeys.json"
	umask "$umask"
}

hex() {
	printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'
}

# boot_app DIRECTORY: measures what is in it, as a boot does.
boot_app() {
	local compose
	compose=$(sha256 "$1/app-compose.json")
	"$tests/ctl_event" system-preparing '' app-id "${compose:0:40}" \
		compose-hash "$compose" instance-id "$(printf '%040d' 5)" \
		boot-mr-done '' os-image-hash "$(printf '%064d' 7)" \
		key-provider "$(hex '{"name":"none","id":""}')" \
		storage-fs "$(hex ext4)" system-ready '' || die "no boot"
	settle
}

begin_agent() {
	begin "$1"
	settle
	if grep -q '"event":"compose-hash"' "$log"; then
		echo "1..0 # SKIP this machine has booted an application already"
		exit
	fi
	# shellcheck source=selftests/keys.sh
	. "$tests/keys.sh"
	socket=$work/dstack.sock
	tappd=$work/tappd.sock
	app=$work/app
	other=$cgroup_root/$id.other
	vm_config='{"cpu_count":1,"os_image_hash":"'$(printf '%064d' 7)'"}'
	trap agent_end EXIT
	mkdir "$other"
	agent_policy
	dstackctl container add --cgroup "$cgroup" --id "$id" --section test \
		--app-id "$app_id" || die "no container"
	dstackctl container add --cgroup "$other" --id "$id.other" \
		--section none --app-id "$app_id" || die "no other container"
	(umask 077 && from_hex <<<"$root" >"$work/root")
	dstackctl key revoke --all >/dev/null
	for ((key_epoch = 0; key_epoch < 1000; key_epoch++)); do
		! dstackctl key load --app-id "$app_id" --epoch "$key_epoch" \
			--file "$work/root" 2>/dev/null || break
	done
}

# start_agent [OPTION]...
# shellcheck disable=SC2120 # they are optional
start_agent() {
	dstackd agent --socket "$socket" --tappd-socket "$tappd" --app "$app" \
		--key-epoch "$key_epoch" "$@" >"$work/said" 2>&1 &
	agent=$!
	"$tests/prog_agent" first "$socket" /v1/Version >/dev/null
}

# The exit status is the agent's.
stop_agent() {
	local status=0
	kill "$agent"
	wait "$agent" || status=$?
	agent=
	return "$status"
}

# call CGROUP SOCKET PATH [JSON]: what is answered, and on the last line the
# status.
call() {
	inside "$1" curl -s --max-time 60 --unix-socket "$2" \
		-w '\n%{http_code}\n' -H 'Content-Type: application/json' \
		${4+--data "$4"} "http://localhost$3"
}

guest() {
	call "$cgroup" "$socket" "$@"
}

# value FILTER ANSWER
value() {
	jq -r "$1" <<<"${2%$'\n'*}"
}

# refused ANSWER PATTERN [STATUS]
refused() {
	is "${1##*$'\n'}" "${3:-400}" && has "$(value .error "$1")" "$2"
}

# What a verifier trusts of this machine's quotes.
trust=(--root /copy/root.pem --collateral /copy/collateral.json)
# shellcheck disable=SC2034 # tests use it
test "$DSTACK_BACKEND" != sim || trust=(--insecure-sim)
