#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) The dstack for Linux authors
#
# check-pki.sh BUILD: checks what mkpki makes, against a quote that the unit
# test left. Prints KTAP.
set -uo pipefail

build=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
pki=$build/pki
dir=$build/test/variants
quote=$build/test/quote.bin
# shellcheck source-path=SCRIPTDIR source=ktap.sh
. "$here/ktap.sh"

# variant NAME OPTION...: collateral on the keys of $pki
variant() {
	local name=$1
	shift
	rm -rf "${dir:?}/$name"
	"$build/mkpki" --from="$pki" "$@" "$dir/$name"
}

check() {
	"$build/test/check-quote" "$@" >/dev/null 2>"$dir/why"
}

# refuses WHY PKI [QUOTE]
refuses() {
	local why=$1
	shift
	! check "$@" && grep -q "$why" "$dir/why"
}

# Of the JSON text FILE, what jq's expression gives
query() {
	jq -r "$2" "$dir/$1"
}

# The status of the first level that the platform's microcode reaches
level_status() {
	query "$1/tcb_info.json" '[.tcbLevels[] | select(
		.tcb.sgxtcbcomponents[0].svn <= 4 and
		.tcb.tdxtcbcomponents[2].svn <= 4)][0].tcbStatus'
}

module_status() {
	query "$1/tcb_info.json" '[.tdxModuleIdentities[0].tcbLevels[] |
		select(.tcb.isvsvn <= 11)][0].tcbStatus'
}

enclave_status() {
	query "$1/qe_identity.json" '[.tcbLevels[] |
		select(.tcb.isvsvn <= 6)][0].tcbStatus'
}

# are_expired VARIANT [NAME]...: of the two signed texts, those and no others
are_expired() {
	local variant=$1 name expired=
	shift
	for name in tcb_info qe_identity; do
		test "$(date -d "$(query "$variant/$name.json" .nextUpdate)" \
			+%s)" -gt "$(date +%s)" || expired+="${expired:+ }$name"
	done
	test "$expired" = "$*"
}

check_statuses() {
	local status expect
	for status in UpToDate SWHardeningNeeded ConfigurationNeeded \
		ConfigurationAndSWHardeningNeeded OutOfDate \
		OutOfDateConfigurationNeeded Revoked Unsupported; do
		expect=$status
		test "$status" != Unsupported || expect=null
		claim "status_$status" variant status "--status=$status"
		claim "status_${status}_is_what_the_platform_gets" \
			same "$(level_status status)" "$expect"
		claim "status_${status}_is_signed" check "$dir/status"
		claim "status_${status}_keeps_the_root" check "$dir/status" \
			"$quote"
	done
	variant parts --module-status=OutOfDate --qe-status=Revoked
	claim module_status_is_separate same "$(module_status parts)" OutOfDate
	claim enclave_status_is_separate same "$(enclave_status parts)" Revoked
	claim platform_stays_up_to_date same "$(level_status parts)" UpToDate
}

check_revocation() {
	variant revoked-pck --revoked-pck
	claim revoked_pck_fails_the_quote \
		refuses 'lead to the root' "$dir/revoked-pck" "$quote"
	claim revoked_pck_spares_the_collateral check "$dir/revoked-pck"
	variant revoked-ca --revoked-platform-ca
	claim revoked_ca_fails_the_quote \
		refuses 'lead to the root' "$dir/revoked-ca" "$quote"
	variant revoked-signer --revoked-tcb-signer
	claim revoked_signer_fails_the_collateral \
		refuses 'signer does not lead' "$dir/revoked-signer"
	claim revoked_signer_spares_the_quote check "$dir/revoked-signer" "$quote"
	variant expired --expired
	claim expired_crls_fail_the_quote \
		refuses 'lead to the root' "$dir/expired" "$quote"
	claim expired_means_all are_expired expired tcb_info qe_identity
	variant old-info --expired=tcb-info
	claim tcb_info_expires_alone are_expired old-info tcb_info
	variant old-identity --expired=qe-identity
	claim qe_identity_expires_alone are_expired old-identity qe_identity
	claim expired_identity_spares_the_crls check "$dir/old-identity" "$quote"
	variant old-crls --expired=crls
	claim crls_expire_alone are_expired old-crls
	claim expired_crls_alone_fail_the_quote \
		refuses 'lead to the root' "$dir/old-crls" "$quote"
}

# How many kinds of members it has that are of TDs only
about_tds() {
	query "$1/tcb_info.json" '[.. | objects | keys[] |
		select(startswith("tdx"))] | unique | length'
}

check_enclaves() {
	variant enclaves --enclaves --status=OutOfDate
	claim collateral_of_enclaves_is_signed check "$dir/enclaves"
	claim collateral_of_enclaves_is_sgx same \
		"$(query enclaves/tcb_info.json .id)" SGX
	claim identity_of_enclaves_is_qe same \
		"$(query enclaves/qe_identity.json .id)" QE
	claim enclaves_have_no_module same "$(about_tds enclaves)" 0
	variant tds
	claim tds_have_one same "$(about_tds tds)" 3
}

# The PPID in a PCK certificate: what follows its object identifier
ppid_of() {
	openssl x509 -in "$1/pck.pem" -outform DER | od -An -v -tx1 |
		tr -d ' \n' | grep -oE '060a2a864886f84d010d01010410.{32}'
}

check_platforms() {
	variant second --new-platform
	claim second_platform_is_whole_and_signed check "$dir/second"
	claim second_platform_spares_quotes_of_the_first check "$dir/second" \
		"$quote"
	claim second_platform_has_a_ppid_of_its_own \
		differ "$(ppid_of "$pki")" "$(ppid_of "$dir/second")"
	claim second_platform_has_the_same_authority same \
		"$(cat "$pki/platform.pem" "$pki/root.pem")" \
		"$(cat "$dir/second/platform.pem" "$dir/second/root.pem")"
	claim second_platform_leads_to_the_root openssl verify \
		-CAfile "$pki/root.pem" -untrusted "$pki/platform.pem" \
		"$dir/second/pck.pem"
	variant second-revoked --from="$dir/second" --revoked-pck
	claim revoked_second_platform_spares_the_first \
		check "$dir/second-revoked" "$quote"
	claim second_platform_needs_a_first usage_error --new-platform
}

check_options() {
	variant other --fmspc=00A06D080000 --eval-number=7
	claim fmspc_is_an_option same "$(query other/tcb_info.json .fmspc)" \
		00A06D080000
	claim evaluation_number_is_an_option same \
		"$(query other/qe_identity.json .tcbEvaluationDataNumber)" 7
	claim unknown_status_is_a_usage_error usage_error --status=Fine
	claim module_status_of_platforms_is_a_usage_error usage_error \
		--module-status=SWHardeningNeeded
	claim short_fmspc_is_a_usage_error usage_error --fmspc=00
	claim bad_number_is_a_usage_error usage_error --eval-number=-1
	claim unknown_expiry_is_a_usage_error usage_error --expired=root
	claim missing_directory_is_a_usage_error usage_error
	"$build/mkpki" "$dir/fresh"
	claim another_pki_does_not_know_the_quote \
		refuses 'lead to the root' "$dir/fresh" "$quote"
}

usage_error() {
	local status=0
	"$build/mkpki" "$@" ${1:+"$dir/never"} 2>/dev/null || status=$?
	test "$status" = 2 && test ! -e "$dir/never"
}

echo "KTAP version 1"
rm -rf "$dir"
mkdir -p "$dir"
claim collateral_is_whole_and_signed check "$pki"
claim quote_verifies_with_the_pki check "$pki" "$quote"
check_statuses
check_revocation
check_enclaves
check_platforms
check_options
summary pki
