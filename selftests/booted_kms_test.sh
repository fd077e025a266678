#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# An application that has its keys, and then its certificates, from a KMS: of
# those that the host names, from the one that succeeds the root which
# app-compose.json wants, and measured once.  For a machine in which nothing else was booted.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

begin booted_kms
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"
host=$work/host
dir=$work/app
socket=$work/dstack.sock
tappd=$work/tappd.sock
servers=()
mkdir "$host"
fs tmpfs "$dir" -o mode=700

kms_end() {
	test -z "${agent-}" || kill "$agent" 2>/dev/null
	kill "${servers[@]}" 2>/dev/null
	dstackctl key revoke --all >/dev/null
	end
}
trap kms_end EXIT

# kms NAME [OPTION]...: its URL is in $work/NAME.url then.
kms() {
	"$tests/kms-stand-in" "${@:2}" >"$work/$1.url" &
	servers+=($!)
	for _ in {1..500}; do
		test ! -s "$work/$1.url" || break
		nap
	done
}

# root_of NAME: the root of that KMS, as key_provider_id and events have it.
root_of() {
	curl -sk --json null "$(<"$work/$1.url")/prpc/GetTempCaCert?json" |
		jq -r .ca_cert >"$work/root.pem"
	openssl x509 -in "$work/root.pem" -noout -pubkey |
		openssl pkey -pubin -outform DER | od -An -v -tx1 | tr -d ' \n'
}

# The application pins the root that the KMS had in the epoch before.
kms before --seed zero
kms good --seed one --before zero
kms lost --seed one
kms denies --seed one --before zero --fault denies
kms other --seed two
pinned=$(root_of before)
kill "${servers[0]}"
provider=$(root_of good)
services="services:
  test:
    image: reg.example/app@sha256:$(printf '%064d' 1)
    environment: ['SECRET=\${SECRET}', 'OTHER=\${OTHER:-none}']
"
jq -n --arg provider "$pinned" --arg services "$services" --argjson epoch "$((epoch + 1))" '{
	manifest_version: "3", name: "test", runner: "docker-compose",
	docker_compose_file: $services, allowed_envs: ["SECRET", "ABSENT"],
	key_provider: "kms", key_provider_id: $provider, secure_time: false,
	dstack: {state: "measure", policy: {version: 1, epoch: $epoch,
		containers: {test: {allow: [], measure: "first",
			trust: {exec: ["disk"], map: ["disk"]}, keys: [
				{path: "tls", kinds: ["p256"],
					scope: ["app"],
					delivery: ["agent"]}]}}}}}' \
	>"$host/app-compose.json"
app_id=$(sha256sum "$host/app-compose.json" | cut -c1-40)

# encrypt NAME=VALUE...: to the key that a KMS has for this application.
encrypt() {
	public=$(curl -sk --json "{\"app_id\": \"$app_id\"}" \
		"$(<"$work/good.url")/prpc/GetAppEnvEncryptPubKey?json" |
		jq -r .public_key)
	node "$tests/encrypt_env.mjs" "$public" "$host/.encrypted-env" "$@"
}
secret="it costs \"\$5\""
encrypt "SECRET=$secret" OTHER=injected LD_PRELOAD=/injected.so

# boot NAME...: with these KMSs.
boot() {
	local name urls=()
	for name; do
		urls+=("$(cat "$work/$name.url")")
	done
	jq -n '{kms_urls: $ARGS.positional, vm_config: "{}"}' \
		--args "${urls[@]}" >"$host/.sys-config.json"
	dstack-boot --host "$host" --dir "$dir" \
		--time-scale "$((TIME_SCALE * 2))" >"$work/said" 2>&1
}

# measured NAME: how often, and what.
measured() {
	settle
	jq -r --arg name "$1" 'select(.event == $name) | .event_payload' "$log"
}

boot denies
claim refusal_of_a_kms_ends_the_boot is $? 1
claim it_is_told_in_its_words has "$(<"$work/said")" \
	"'$(<"$work/denies.url")': refused: Boot denied: Compose hash"
boot other
claim another_kms_ends_the_boot is $? 1
claim it_is_told_what_it_is has "$(<"$work/said")" 'it is another KMS'
boot lost
claim kms_that_shows_no_record_ends_the_boot is $? 1
claim it_is_told_what_is_missing has "$(<"$work/said")" \
	'it has no record that leads there'
claim nothing_was_measured_of_either is "$(measured key-provider)" ""
claim nothing_was_stored_of_either test ! -e "$dir/.appkeys.json"

echo https://127.0.0.1:1 >"$work/dead.url"
boot dead other good
claim one_good_kms_is_enough is $? 0
cp "$work/said" "$work/booted"
claim its_keys_are_taken has "$(<"$work/said")" \
	"'$(<"$work/good.url")' gave the keys"
claim image_is_measured_once \
	is "$(measured os-image-hash)" "$(printf 'ab%.0s' {1..32})"
claim it_is_told_that_it_succeeds_the_pinned_one has "$(<"$work/said")" \
	"root of KMS '$(<"$work/good.url")' succeeds the one that key_provider_id"
claim pin_is_kept_with_the_keys is \
	"$(jq -r .key_provider.Kms.pinned "$dir/.appkeys.json")" "$pinned"
claim provider_is_measured_once is "$(measured key-provider | from_hex)" \
	"{\"name\":\"kms\",\"id\":\"$provider\"}"
claim root_key_of_a_kms_is_named has "$(settle; dstackctl log)" \
	'dstack.root action=load .* key=[0-9a-f]{32}$'
claim system_is_ready is "$(settle; grep -c '"event":"system-ready"' "$log")" 1
boot good
claim boot_that_is_started_again_is_done is $? 0
claim and_has_measured_nothing_more is "$(measured key-provider | wc -l)" 1

#
# Variables that only this application can read
#

claim kms_has_a_key_for_variables has "$public" '^[0-9a-f]{64}$'
claim names_that_are_not_allowed_are_left_out has "$(<"$work/booted")" \
	'environment: 1 variables, and 2 that .* do not name are left out'
claim variable_is_decrypted is "$(jq -r '.[]' "$dir/.decrypted-env.json")" "$secret"
# shellcheck source=/dev/null
claim shells_read_the_same is \
	"$(. "$dir/.decrypted-env"; printf %s "${SECRET-}${OTHER-}")" "$secret"
run=$(dstack-boot app --app "$dir" --check 2>&1)
# podman-compose reads "$$" as "$".
claim container_sees_it_and_nothing_else is "$(jq -r \
	'.services.test.environment | to_entries[] | .key + "=" + .value' \
	<<<"$run")" "SECRET=${secret/\$/\$\$}
OTHER=none"
printf XXXXXXXX | dd of="$host/.encrypted-env" bs=1 seek=50 conv=notrunc status=none
boot good
claim variables_that_were_changed_end_a_boot has "$(<"$work/said")" \
	"can't be decrypted with the application's key"

dstackctl container add --cgroup "$cgroup" --id "$id" --section test \
	--app-id "$app_id" || die "no container"
app=$dir
key_epoch=0
start_agent
answer=$(guest /v1/IssueCert '{"subject": "app.test", "usage_ra_tls": true,
	"usage_server_auth": true, "with_app_info": true}')
value '.certificate_chain[0]' "$answer" >"$work/leaf.pem"
value '.certificate_chain[1:][]' "$answer" >"$work/more.pem"
claim kms_signs_certificates has "$answer" '^200$'
claim their_chain_leads_to_its_root openssl verify -CAfile "$work/root.pem" \
	-untrusted "$work/more.pem" -purpose sslserver "$work/leaf.pem"
if test "$DSTACK_BACKEND" = tdx; then
	claim their_evidence_says_who_gave_the_keys has "$(dstackctl \
		verify cert "$work/leaf.pem" "${trust[@]}" 2>&1)" \
		'key provider +kms'
fi

finish
