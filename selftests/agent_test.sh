#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The guest agent's sockets: each container gets what its policy lets it have,
# as its own calls of /dev/dstack would, and what signs is never its own.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

begin_agent agent
write_app "$app"
start_agent

claim agent_serves_both_sockets test -S "$socket" -a -S "$tappd"
cp -a "$app" "$work/other"
sed -i "s/$root/${root//1/2}/g" "$work/other/.appkeys.json"
other_agent() {
	dstackd agent --socket "$work/x" --tappd-socket "$work/y" \
		--app "$work/other" "$@" 2>&1
}
claim another_root_key_of_this_epoch_is_refused \
	has "$(other_agent --key-epoch "$key_epoch")" 'another root key'
chmod 644 "$work/other/.appkeys.json"
claim app_keys_that_others_can_read_are_refused \
	has "$(other_agent)" 'nobody else may read'
write_app "$work/other" '{"test": {"methods": ["GetTlsKey"]}}'
claim method_that_has_another_name_is_refused \
	has "$(other_agent)" "no method 'GetTlsKey'; there are GetKey, .*IssueCert"
write_app "$work/other"
rm "$work/other/.sys-config.json"
claim application_without_a_configuration_is_refused \
	has "$(other_agent)" 'sys-config.json'

#
# Which API this is
#

claim version_of_the_first_api_is_told \
	is "$(value .version "$(guest /Version)")" 0.5.11
claim first_api_has_a_path_of_its_own \
	is "$(value .version "$(guest /v0/Version)")" 0.5.11
claim version_of_todays_api_is_told \
	has "$(value .rev "$(guest /v1/Version)")" '^dstack-linux '
claim unknown_method_is_404_by_name \
	is "$(value .error "$(guest /v1/Nothing)")" 'Service not found: Nothing'

#
# Keys
#

mark
key=$(guest /GetKey '{"path": "app/x", "purpose": "p"}')
claim key_of_the_first_api_is_had has "$key" '^200$'
claim it_is_32_bytes has "$(value .key "$key")" '^[0-9a-f]{64}$'
claim it_has_two_links is "$(value '.signature_chain | map(length) | @csv' \
	"$key")" 130,0
claim key_as_bytes_is_an_event_of_the_container has "$(events)" \
	"dstack.key id=$id path=app/x .*scope=app .*delivery=bytes$" 1
new=$(guest /v1/GetKey '{"domain": "app/x", "algorithm": "secp256k1"}')
claim todays_api_has_another_key has "$(value .key "$new")" '^[0-9a-f]{64}$'
claim todays_key_is_another \
	test "$(value .key "$key")" != "$(value .key "$new")"
claim todays_api_tells_the_public_key \
	has "$(value .public_key "$new")" '^0[23][0-9a-f]{64}$'
old=$(call "$cgroup" "$tappd" /prpc/Tappd.DeriveK256Key \
	'{"path": "app/x", "purpose": "p"}')
claim oldest_api_has_the_same_key \
	is "$(value .k256_key "$old")" "$(value .key "$key")"
claim key_that_the_policy_does_not_name_is_refused \
	refused "$(guest /GetKey '{"path": "db"}')" 'policy does not let'
claim container_without_keys_is_refused \
	refused "$(call "$other" "$socket" /GetKey '{"path": "app/x"}')" \
	'policy does not let'
claim refusals_are_told_by_container has "$(<"$work/said")" \
	"container '$id.other' of section 'none' .* /GetKey: status 400"

#
# Signatures with a key that no container ever has
#

claim attack_60_key_that_signs_is_not_told \
	refused "$(guest /GetKey '{"path": "vms"}')" 'policy does not let'
mark
data=$(printf 'what is signed' | od -An -tx1 | tr -d ' \n')
for algorithm in secp256k1 ed25519; do
	signed=$(guest /Sign "{\"algorithm\": \"$algorithm\", \"data\": \"$data\"}")
	claim "${algorithm}_signs" has "$signed" '^200$'
	verify=$(jq -c --arg data "$data" --arg algorithm "$algorithm" '
		{$algorithm, $data, signature, public_key}' \
		<<<"${signed%$'\n'*}")
	claim "${algorithm}_signature_verifies" \
		is "$(value .valid "$(guest /Verify "$verify")")" true
	claim "${algorithm}_signature_of_something_else_does_not" \
		is "$(value .valid "$(guest /Verify \
			"${verify/$data/00$data}")")" false
	claim "${algorithm}_chain_has_signature_and_links" \
		is "$(value '.signature_chain | map(length) | @csv' \
			"$signed")" 128,130,0
	claim "${algorithm}_answer_has_not_the_key" \
		is "$(grep -c "$vms" <<<"$signed")" 0
done
claim signing_is_an_event_of_the_container has "$(events)" \
	"dstack.key id=$id path=vms .*delivery=agent$" 2
claim container_whose_policy_has_no_such_key_signs_nothing \
	refused "$(call "$other" "$socket" /Sign \
		"{\"algorithm\": \"ed25519\", \"data\": \"$data\"}")" \
	'policy does not let'

#
# Evidence, and events
#

# What was not measured by a real TDX module, no verifier takes.
attestation_verifies() {
	test "$DSTACK_BACKEND" = tdx || skip "no quotes of TDs" || return
	dstackctl verify attestation "$work/attestation" \
		--report-data 6e6f6e6365 "${trust[@]}"
}

mark
claim event_is_recorded \
	has "$(guest /EmitEvent '{"event": "hello", "payload": "6869"}')" '^200$'
claim it_is_the_containers has "$(events)" \
	"dstack.user id=$id name=hello data=6869$" 1
claim event_of_the_kernels_name_is_the_containers_too \
	has "$(guest /EmitEvent '{"event": "a b", "payload": ""}')" '^400$'
quote=$(guest /GetQuote '{"report_data": "6e6f6e6365"}')
value .quote "$quote" | from_hex >"$work/quote"
value .event_log "$quote" >"$work/log.json"
claim report_data_is_padded is "$(value .report_data "$quote")" \
	"6e6f6e6365$(printf '%0118d' 0)"
claim quote_verifies_with_its_log dstackctl verify quote "$work/quote" \
	--log "$work/log.json" --report-data 6e6f6e6365 "${trust[@]}"
claim vm_config_goes_with_it is "$(value .vm_config "$quote")" "$vm_config"
raw=$(call "$cgroup" "$tappd" /prpc/Tappd.RawQuote \
	"{\"report_data\": \"$(printf '%0128d' 7)\"}")
claim oldest_api_quotes_too has "$raw" '^200$'
claim report_data_of_another_length_is_refused \
	refused "$(call "$cgroup" "$tappd" /prpc/Tappd.RawQuote \
		'{"report_data": "00"}')" '64 bytes'

for version in v0 v1; do
	attest=$(guest "/$version/Attest" '{"report_data": "6e6f6e6365"}')
	value .attestation "$attest" | from_hex >"$work/attestation"
	claim "${version}_attestation_verifies" attestation_verifies
done
claim gpu_that_is_not_there_is_not_attested refused "$(guest /v1/AttestGpu \
	"{\"nonce\": \"$(printf '%064d' 1)\"}")" 'no GPU'

#
# Who asks
#

claim host_is_served_as_the_host \
	refused "$(call "$cgroup_root" "$socket" /GetKey '{"path": "app/x"}')" \
	"container 'host'"
dstackctl key revoke --all >/dev/null
claim without_root_keys_it_says_so \
	refused "$(guest /GetKey '{"path": "app/x"}')" 'no root key'
stop_agent
claim agent_ends_when_it_is_told is $? 0
claim sockets_are_gone test ! -e "$socket" -a ! -e "$tappd"

finish
