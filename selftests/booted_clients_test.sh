#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A client of each generation of the API, as no SDK but by hand: keys are upstream's,
# in JSON and in protobuf, quotes verify, and evidence is for what it should be.  For
# a machine that has had no other root key, of whose first epoch upstream's keys are.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

begin_agent booted_clients
test "$key_epoch" = 0 || die "this machine has had other keys"
epoch=$((epoch + 1))
jq --argjson epoch "$epoch" '.epoch = $epoch | .containers.test += {
	keys: [{path: "", delivery: ["bytes", "agent"],
		kinds: ["secp256k1", "ed25519", "p256"], scope: ["app"]}]}' \
	"$work/both.json" >"$work/all.json"
dstackctl policy load "$work/all.json" >/dev/null || die "no policy"
write_app "$app"
start_agent

# Upstream's vectors, for the root key that agent.sh has.
test_key=52786aa123b0971e283af97f32e25767483d099d66e6c40afeb3a49046b5379e
test_link=c8a3dcf06c4e95bd78a5d7a1c8fcff171fc5848cfae804c6fc11bda4dc5d4062
test_link+=379995390843827444992c4c0e4bac70f0f878e01b9fc8b98cd7126fe5a3876b01
storage_key=5510330f86902ddae38c6d89c93a8408019332c17a429e1abd01c4a28d1544a6
storage_public=03d962450a41748021c8b02787ac36ce642ff0ae25f4c55019eb527e1112cfd764
storage_link=5b6193729ce7976ec67863f21692d4b98c69832698aae8e001a7d33a6f818b6e
storage_link+=46ca950725b6e90e8ca9bcf394abd03ce264bf9b7eec1e91693247f9dd53c26901
ed_key=3c4c3ece12fa99ccb93fc0090877f80e70545fdd971e2ac93d3398c4684538d3
ed_public=2380c4a33a60b60613fa43866421e5b96eb8dcde211317200fd0d41e7e491288

as_hex() {
	od -An -v -tx1 | tr -d ' \n'
}

# protobuf SOCKET PATH BYTES: what is answered, in hex digits.
protobuf() {
	printf '%b' "$3" >"$work/request"
	inside "$cgroup" curl -s --max-time 60 --unix-socket "$1" \
		-H 'Content-Type: application/octet-stream' \
		--data-binary "@$work/request" "http://localhost$2" | as_hex
}

# verified NAME ANSWER REPORT-DATA: a quote, and its log, for that.
verified() {
	value .quote "$2" | from_hex >"$work/$1.quote"
	value .event_log "$2" >"$work/$1.json"
	dstackctl verify quote "$work/$1.quote" --log "$work/$1.json" \
		--report-data "$3" "${trust[@]}"
}

asked='{"path": "test", "purpose": "signing"}'
in_protobuf='\x0a\x04test\x12\x07signing'
for at in '' /v0; do
	name=${at#/}
	name=${name:-bare}
	key=$(guest "$at/GetKey" "$asked")
	claim "${name}_key_is_upstreams" is "$(value .key "$key")" "$test_key"
	claim "${name}_link_is_upstreams" \
		is "$(value '.signature_chain[0]' "$key")" "$test_link"
	claim "${name}_key_in_protobuf_is_the_same" \
		has "$(protobuf "$socket" "$at/GetKey" "$in_protobuf")" \
		"^0a20${test_key}1241$test_link"
	claim "${name}_seed_of_ed25519_is_upstreams" is "$(value .key \
		"$(guest "$at/GetKey" '{"path": "vms", "algorithm": "ed25519"}')")" \
		"$vms"
	claim "${name}_quote_verifies" verified "$name" \
		"$(guest "$at/GetQuote" '{"report_data": "6e6f6e6365"}')" \
		6e6f6e6365
done
claim get_with_a_query_has_the_same_key is "$(value .key "$(guest \
	'/GetKey?path=test&purpose=signing')")" "$test_key"

key=$(guest /v1/GetKey \
	'{"domain": "storage-encryption", "algorithm": "secp256k1"}')
claim v1_key_is_upstreams is "$(value '[.key, .public_key,
	.signature_chain[0]] | join(" ")' "$key")" \
	"$storage_key $storage_public $storage_link"
claim v1_key_of_ed25519_is_upstreams is "$(value '.key + " " + .public_key' \
	"$(guest /v1/GetKey \
		'{"domain": "storage-encryption", "algorithm": "ed25519"}')")" \
	"$ed_key $ed_public"
claim v1_has_no_default_algorithm refused \
	"$(guest /v1/GetKey '{"domain": "storage-encryption"}')" Unsupported
claim v1_key_in_protobuf_is_the_same has "$(protobuf "$socket" /v1/GetKey \
	'\x0a\x12storage-encryption\x12\x09secp256k1')" \
	"^0a20${storage_key}1221$storage_public"

legacy() {
	call "$cgroup" "$tappd" "/prpc/Tappd.$1" "$2"
}
key=$(legacy DeriveK256Key "$asked")
claim tappd_key_is_upstreams is "$(value '.k256_key + " " +
	.k256_signature_chain[0]' "$key")" "$test_key $test_link"
claim tappd_key_in_protobuf_is_the_same has "$(protobuf "$tappd" \
	/prpc/DeriveK256Key "$in_protobuf")" "^0a20${test_key}1241$test_link"
# The scalar is that of the path, as 32 bytes in the DER.
value .key "$(legacy DeriveKey '{"path": "test", "subject": "old"}')" \
	>"$work/old.key"
claim tappd_derived_key_is_upstreams has \
	"$(openssl pkey -in "$work/old.key" -outform DER | as_hex)" "$test_key"
hashed=$(printf app-data:test | openssl dgst -sha512 -r | cut -c1-128)
claim tappd_quote_verifies verified tdx \
	"$(legacy TdxQuote '{"report_data": "74657374"}')" "$hashed"
raw=$(printf '%0128d' 7)
claim tappd_raw_quote_verifies verified raw \
	"$(legacy RawQuote "{\"report_data\": \"$raw\"}")" "$raw"
claim tappd_tells_its_version \
	is "$(value .version "$(legacy Version '{}')")" 0.5.11

finish
