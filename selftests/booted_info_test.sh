#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Info of an application that was booted: upstream's values and shape, which a
# verifier accepts.  For a machine in which nothing else was booted.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

begin_agent booted_info
write_app "$app"
compose=$(sha256 "$app/app-compose.json")

start_agent
claim before_the_boot_info_says_what_is_missing refused "$(guest /Info)" \
	'no compose-hash: no boot measured'
claim and_so_does_the_agent \
	has "$(<"$work/said")" 'no boot measured app-compose.json'
stop_agent

boot_app "$app"
start_agent

info=$(guest /Info)
claim info_is_had has "$info" '^200$'
claim app_id_is_measured is "$(value .app_id "$info")" "${compose:0:40}"
claim compose_hash_is_measured is "$(value .compose_hash "$info")" "$compose"
claim instance_id_is_measured \
	is "$(value .instance_id "$info")" "$(printf '%040d' 5)"
claim image_is_that_of_the_configuration \
	is "$(value .os_image_hash "$info")" "$(printf '%064d' 7)"
claim key_provider_is_measured \
	is "$(value .key_provider_info "$info")" '{"name":"none","id":""}'
claim name_is_the_applications is "$(value .app_name "$info")" tested
claim vm_config_is_passed_on is "$(value .vm_config "$info")" "$vm_config"
claim fields_are_upstreams is "$(value 'keys_unsorted | @csv' "$info")" \
	"$(jq -nr '["app_id", "instance_id", "app_cert", "tcb_info", "app_name",
		"device_id", "mr_aggregated", "os_image_hash",
		"key_provider_info", "compose_hash", "vm_config",
		"cloud_vendor", "cloud_product"] | @csv')"

# It is not waited for long.
demo_is_there() {
	value .app_cert "$(guest /Info)" >"$work/demo.pem"
	grep -q BEGIN "$work/demo.pem"
}
demo_comes() {
	for _ in {1..100}; do
		! demo_is_there || return 0
		nap
	done
	return 1
}
claim sample_of_a_certificate_comes demo_comes
claim it_is_upstreams is "$(openssl x509 -in "$work/demo.pem" -noout -subject \
	-ext extendedKeyUsage | tr -d '\n ')" \
	'subject=CN=demo-certX509v3ExtendedKeyUsage:TLSWebClientAuthentication'
claim its_issuer_is_the_application openssl verify -CAfile "$work/ca.pem" \
	"$work/demo.pem"
claim it_has_evidence has "$(openssl x509 -in "$work/demo.pem" -noout -text)" \
	'1\.3\.6\.1\.4\.1\.62397\.1\.8'
claim it_stays_the_same is "$(value .app_cert "$(guest /Info)")" \
	"$(<"$work/demo.pem")"

value .tcb_info "$info" >"$work/tcb.json"
value .quote "$(guest /GetQuote '{"report_data": ""}')" | from_hex \
	>"$work/quote"
claim tcb_info_has_upstreams_shape is "$(jq -r 'keys_unsorted | @csv' \
	"$work/tcb.json")" "$(jq -nr '["mrtd", "rtmr0", "rtmr1", "rtmr2",
		"rtmr3", "mr_aggregated", "os_image_hash", "compose_hash",
		"device_id", "event_log", "app_compose"] | @csv')"
claim app_compose_is_in_it_byte_by_byte \
	is "$(jq -rj .app_compose "$work/tcb.json" | busybox sha256sum)" \
	"$compose  -"
claim digests_are_in_it is "$(jq '[.event_log[] |
	select(.digest | length != 96)] | length' "$work/tcb.json")" 0

verifier_accepts_it() {
	test "$DSTACK_BACKEND" = tdx || skip "no quotes of TDs" || return
	dstackctl verify quote "$work/quote" --tcb-info "$work/tcb.json" \
		"${trust[@]}"
}
claim verifier_accepts_it verifier_accepts_it

registers_of_sim_are_not_there() {
	test "$DSTACK_BACKEND" = sim || skip "a TD has them" || return
	is "$(jq -c '[.mrtd, .rtmr0, .rtmr1, .rtmr2]' "$work/tcb.json")" \
		'[null,null,null,null]'
}
claim registers_of_sim_are_not_there registers_of_sim_are_not_there

today=$(guest /v1/Info)
claim todays_api_tells_the_same is "$(value '[.app_id, .compose_hash,
	.mr_aggregated, .device_id] | @csv' "$today")" \
	"$(value '[.app_id, .compose_hash, .mr_aggregated, .device_id] | @csv' \
	"$info")"
claim todays_api_has_the_application_as_it_is \
	is "$(jq -rj .app_compose <<<"${today%$'\n'*}" | busybox sha256sum)" \
	"$compose  -"
claim oldest_api_tells_the_same is "$(value .app_id \
	"$(call "$cgroup" "$tappd" /prpc/Tappd.Info)")" "${compose:0:40}"

#
# For other machines
#

# worker PATH [JSON]: as call, from anywhere.
worker() {
	curl -s --max-time 60 -D "$work/head" -w '\n%{http_code}\n' \
		-H 'Content-Type: application/json' ${2+--data "$2"} \
		"http://127.0.0.1:8090/prpc/$1"
}
stop_agent
start_agent --external 127.0.0.1:8090
claim other_machines_are_told_who_it_is is "$(value .app_id \
	"$(worker Worker.Info)")" "${compose:0:40}"
claim by_todays_api_too is "$(value .compose_hash "$(worker v1/Info)")" \
	"$compose"
claim reply_to_them_has_a_version has "$(<"$work/head")" '^X-App-Version: 0'
claim machine_is_healthy is "$(value '[.healthy, .unhealthy, .error] | @json' \
	"$(worker v1/Health)")" '[true,[],""]'
claim keys_are_not_served_there is "$(tail -n 1 <<<"$(worker GetKey)")" 404
claim nor_are_the_sockets_paths \
	is "$(curl -s -o "$work/page" -w '%{http_code}' \
		http://127.0.0.1:8090/v1/Version)" 404
attested=$(worker v0/GetAttestationForAppKey '{"algorithm": "secp256k1"}')
# While it is new, which it is for some seconds.
next=$(worker v0/GetAttestationForAppKey '{"algorithm": "k256"}')
value .quote "$attested" | from_hex >"$work/key_quote"
value .event_log "$attested" >"$work/key_log.json"
claim applications_key_is_attested dstackctl verify quote "$work/key_quote" \
	--log "$work/key_log.json" --report-data "$(printf %s \
	dip1::secp256k1c-pk:A6t_JdVkVdMAocH3f1f20WGT6JzdntxcXimUtEax8zc9 |
	od -An -v -tx1 | tr -d ' \n')" "${trust[@]}"
claim who_asks_next_shares_the_quote \
	is "$(value .quote "$next")" "$(value .quote "$attested")"
claim nothing_is_recorded_for_it is "$(value .event_log "$attested")" \
	"$(value .event_log "$(guest /GetQuote)")"

# What a container says of itself later is not who it is.
guest /EmitEvent '{"event": "compose-hash", "payload": "00"}' >"$work/said_so"
claim attack_42_event_of_a_container_does_not_change_who_it_is \
	is "$(value .compose_hash "$(guest /Info)")" "$compose"

stop_agent
cp -a "$app" "$work/other"
jq '.name = "another"' "$app/app-compose.json" >"$work/other/app-compose.json"
claim application_that_was_not_measured_is_not_served \
	has "$(timeout 60 dstackd agent --socket "$work/x" \
		--tappd-socket "$work/y" --app "$work/other" 2>&1)" \
	'not the one that this boot measured'
start_agent
claim the_one_that_was_is_served \
	is "$(tail -n 1 <<<"$(guest /v1/Info)")" 200
stop_agent
agent_without_app() {
	dstackd agent --socket "$socket" --tappd-socket "$tappd" \
		>"$work/said" 2>&1 &
	agent=$!
	"$tests/prog_agent" first "$socket" /v1/Version >/dev/null
}
agent_without_app
claim without_an_application_info_says_what_is_missing \
	refused "$(guest /Info)" 'app-compose.json and .sys-config.json'

finish
