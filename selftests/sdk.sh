#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# npm's SDK, unchanged, in a container of a TD: sdk.mjs speaks, and the evidence
# that it was given is judged here.  /copy has the SDK, and what a verifier trusts.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

begin_agent sdk
epoch=$((epoch + 1))
# node compiles as it runs.
jq --argjson epoch "$epoch" '.epoch = $epoch | .containers.test += {
	memory: "allow", keys: [{path: "", delivery: ["bytes", "agent"],
		kinds: ["secp256k1", "ed25519", "p256"], scope: ["app"]}]}' \
	"$work/both.json" >"$work/sdk.json"
dstackctl policy load "$work/sdk.json" >/dev/null || die "no policy"
write_app "$app"
boot_app "$app"
start_agent

inside "$cgroup" node "$tests/sdk.mjs" "$socket" "$tappd" /copy/ "$work" \
	>"$work/spoke" 2>&1
while IFS= read -r line; do
	case $line in
	'ok '*) claim "${line#ok }" true ;;
	'not ok '*) claim "${line#not ok }" false ;;
	*) echo "# ${line#\# }" ;;
	esac
done <"$work/spoke"
claim sdk_quote_verifies dstackctl verify quote "$work/quote" \
	--log "$work/log.json" --report-data 6e6f6e6365 "${trust[@]}"
claim sdk_attestation_verifies dstackctl verify attestation \
	"$work/attestation" --report-data 6e6f6e6365 "${trust[@]}"
claim sdk_certificate_has_evidence_for_its_key dstackctl verify cert \
	"$work/cert.pem" "${trust[@]}"

finish
