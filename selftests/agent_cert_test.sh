#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Certificates from the guest agent: each generation of its API gives a key and a
# chain, to containers whose policy says so and to no others, by the
# application's own authority and by a KMS.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

# One container may have certificates and one derived key, the other keys alone.
agent_policy() {
	section_keys test '[
		{path: "tls", kinds: ["p256"], scope: ["app"],
			delivery: ["agent"]},
		{path: "web", kinds: ["p256"], scope: ["app"],
			delivery: ["bytes"]}]'
	epoch=$((epoch + 1))
	jq --argjson epoch "$epoch" '.epoch = $epoch |
		.containers.none = {allow: [], keys: [
			{path: "", kinds: ["p256"], scope: ["app"],
				delivery: ["bytes"]}]} |
		.containers[].measure = "first" |
		.containers[].trust = {exec: ["disk"], map: ["disk"]}' \
		"$work/policy.json" >"$work/both.json"
	dstackctl policy load "$work/both.json" >/dev/null || die "no policy"
}

begin_agent agent_cert
kms=
cert_end() {
	test -z "$kms" || kill "$kms" 2>/dev/null
	agent_end
}
trap cert_end EXIT

# issued NAME ANSWER: has key and certificates, in $work/NAME.{key,pem,more}.
issued() {
	[[ ${2##*$'\n'} = 200 ]] || {
		echo "$2"
		return 1
	}
	value .key "$2" >"$work/$1.key"
	value '.certificate_chain[0]' "$2" >"$work/$1.pem"
	value '.certificate_chain[1:][]' "$2" >"$work/$1.more"
}

# chains NAME CA PURPOSE: OpenSSL says so, and that the key is the certificate's.
chains() {
	openssl verify -CAfile "$2" -untrusted "$work/$1.more" \
		-purpose "$3" "$work/$1.pem" &&
		is "$(openssl pkey -in "$work/$1.key" -pubout)" \
			"$(openssl x509 -in "$work/$1.pem" -noout -pubkey)"
}

# shows NAME PATTERN [COUNT]
shows() {
	has "$(openssl x509 -in "$work/$1.pem" -noout -text)" "${@:2}"
}

attestation='1.3.6.1.4.1.62397.1.8:'
ask='{"subject": "app.test", "alt_names": ["app.test", "10.0.0.1"],
	"usage_server_auth": true}'
evident='{"subject": "app.test", "usage_ra_tls": true,
	"usage_server_auth": true, "usage_client_auth": true}'

#
# By the application's own authority
#

write_app "$app"
start_agent

mark
claim first_api_issues_a_certificate \
	issued v0 "$(guest /GetTlsKey "$ask")"
claim its_chain_leads_to_the_authority chains v0 "$work/ca.pem" sslserver
claim it_has_the_names shows v0 'DNS:app.test, IP Address:10.0.0.1'
claim it_has_no_evidence_unasked shows v0 "$attestation" 0
claim certificate_is_an_event_of_the_container has "$(events)" \
	"dstack.key id=$id path=tls .*delivery=agent$" 1
claim todays_api_issues_a_certificate \
	issued v1 "$(guest /v1/IssueCert "$evident")"
claim todays_chain_leads_to_the_authority chains v1 "$work/ca.pem" sslclient
claim it_has_evidence_if_asked shows v1 "$attestation"
claim each_has_a_key_of_its_own \
	test "$(<"$work/v0.key")" != "$(<"$work/v1.key")"
if test "$DSTACK_BACKEND" = tdx; then
	claim evidence_is_for_its_key dstackctl verify cert "$work/v1.pem" \
		--ca "$work/ca.pem" "${trust[@]}"
fi
derive='{"path": "web", "subject": "web.test", "usage_server_auth": true}'
claim oldest_api_issues_one_for_a_derived_key \
	issued old "$(call "$cgroup" "$tappd" /prpc/Tappd.DeriveKey "$derive")"
claim oldest_chain_leads_to_the_authority chains old "$work/ca.pem" sslserver
claim it_is_issued_again \
	issued same "$(call "$cgroup" "$tappd" /prpc/DeriveKey "$derive")"
claim derived_key_is_the_same is "$(<"$work/same.key")" "$(<"$work/old.key")"
claim another_path_is_refused refused "$(call "$cgroup" "$tappd" \
	/prpc/DeriveKey "${derive/web/db}")" 'kind p256.*delivery bytes'
claim random_one_needs_no_path issued random "$(call "$cgroup" "$tappd" \
	/prpc/DeriveKey '{"path": "db", "random_seed": true}')"
claim container_without_certificates_is_refused \
	refused "$(call "$other" "$socket" /GetTlsKey "$ask")" \
	"'$id.other' have certificates.*path 'tls'"
claim its_own_key_makes_no_certificate \
	refused "$(call "$other" "$tappd" /prpc/DeriveKey "$derive")" \
	'have certificates'
claim host_is_refused \
	refused "$(call "$cgroup_root" "$socket" /v1/IssueCert "$ask")" \
	'have certificates'
claim times_that_can_not_be_are_refused \
	refused "$(guest /GetTlsKey \
		'{"not_before": 2, "not_after": 1}')" 'not_before must be'
claim authoritys_key_is_in_no_answer \
	is "$(grep -lF "$(sed -n 2p "$work/ca.key")" "$work"/*.pem \
		"$work"/*.more "$work/said")" ""
stop_agent
claim agent_ends_when_it_is_told is $? 0

#
# The clock is wrong
#

up() {
	cut -d. -f1 /proc/uptime
}
booted=$(($(date +%s) - $(up)))
year=31536000

# clock SECONDS: since 1970; without, the right time.
clock() {
	date -s "@${1-$((booted + $(up)))}" >/dev/null
}

clock_end() {
	clock
	kill "$manager"
	cert_end
}

"$tests/prog_notify" "$work/notify" >"$work/heard" &
manager=$!
trap clock_end EXIT
eventually grep -q listening "$work/heard"
NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=2000000 start_agent --quote-rate 1 \
	--quote-burst 4

# alive: it tells so from now on.
alive() {
	: >"$work/heard"
	eventually grep -q WATCHDOG=1 "$work/heard"
}

# served NAME: keeps all that it keeps whatever the date.
served() {
	claim "agent_is_alive_with_the_clock_$1" alive
	claim "certificate_is_issued_with_the_clock_$1" \
		issued "$1" "$(guest /GetTlsKey "$ask")"
	guest /EmitEvent "{\"event\": \"$1\", \"payload\": \"\"}" >/dev/null
	settle
	claim "event_is_stored_with_the_clock_$1" \
		has "$(tail -n 1 "$log")" '"dstack.user"'
}

# quotes: how many of eight are not refused for being too many.
quotes() {
	local nr=0
	for _ in {1..8}; do
		guest /GetQuote | grep -q '^429$' || nr=$((nr + 1))
	done
	echo "$nr"
}

quotes >/dev/null
clock $((booted + year))
claim clock_set_forward_gives_no_quotes test "$(quotes)" -lt 8
served forward
clock $((booted - year))
served back
claim clock_set_back_takes_no_quotes test "$(quotes)" -gt 0
clock 86400
claim date_that_fits_no_clock_is_asked_about refused "$(guest /GetTlsKey \
	"{\"not_before\": $booted}")" "now is 864[0-9]* s after 1970: is this"
clock
served right
claim file_is_the_registers_all_the_same dstackctl replay "$log"
stop_agent
kill "$manager"
trap cert_end EXIT

#
# By a KMS
#

if dstack-boot sign-cert --help >/dev/null 2>&1; then
	"$tests/kms-stand-in" >"$work/url" &
	kms=$!
	for _ in {1..500}; do
		test ! -s "$work/url" || break
		nap
	done
	url=$(<"$work/url")
	curl -sk --json null "$url/prpc/GetTempCaCert?json" |
		jq -r .ca_cert >"$work/kms.pem"
	write_app "$app"
	jq --arg url "$url" --rawfile cert "$work/kms.pem" '.ca_cert = $cert |
		.key_provider = {Kms: {url: $url, pubkey: "3059",
			tmp_ca_key: "", tmp_ca_cert: ""}}' \
		"$work/app-keys.json" >"$app/.appkeys.json"
	start_agent
	answer=$(guest /GetTlsKey "$evident")
	# Without a boot nothing says which application it is.
	claim kms_signs_for_applications_alone refused "$answer" \
		'its log names no application'
	kill "$kms"
	wait "$kms" 2>/dev/null
	kms=
	claim kms_that_is_away_is_named refused \
		"$(guest /GetTlsKey "$ask")" \
		"KMS '$url': can't be asked"
	stop_agent
else
	claim kms_signs_for_applications_alone skip "no dstack-boot"
fi

finish
